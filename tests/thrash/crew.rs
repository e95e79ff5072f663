//! Who works on the repository, all at once: each again and again, until enough of their processes were killed.

use super::book::{self, Book};
use super::dice::Dice;
use super::ground::{Ground, JOBS, RULED};
use super::kills::{Kind, Tally, live};
use std::process::Output;
use std::sync::Mutex;

/// Processes after which something is wrong if there were not enough kills.
const PROCESSES_MAX: u64 = 100;

/// A restore from under which packs were taken is whole after so many more.
const RESTORES_MAX: u32 = 5;

const RUN_REQUESTS: &[&str] = &[
    "create sessions",
    "create packs",
    "create index",
    "list packs",
    "create snapshots",
    "create snapshots",
    "get snapshots",
];
const RUN_AREAS: &[&str] = &["sessions", "index", "index", "snapshots"];

const GC: Kind = Kind {
    name: "gc",
    hand: "gc",
    // Where listings changed from one to the next, nothing was decided.
    codes: &[0, 75],
    requests: &[
        "create sessions",
        "create packs",
        "create tombstones",
        "delete snapshots",
        "create index",
        "delete index",
        "delete packs",
        "delete tombstones",
        "delete sessions",
    ],
    areas: &[
        "sessions",
        "index",
        "index",
        "snapshots",
        "tombstones",
        "tombstones",
    ],
};
const FORGET: Kind = Kind {
    name: "forget",
    hand: "forget",
    codes: &[0, 75],
    requests: &["create tombstones", "list tombstones"],
    areas: &["tombstones"],
};
const RULES: Kind = Kind {
    name: "forget by rules",
    hand: RULED,
    // A job whose newest backup failed keeps all that it has, and says so.
    codes: &[0, 3, 75],
    ..FORGET
};
const UNDELETE: Kind = Kind {
    name: "undelete",
    hand: "forget",
    // Too late; and not forgotten, or gone already.
    codes: &[0, 1, 2, 75],
    requests: &["delete tombstones", "get snapshots"],
    areas: &["tombstones"],
};
const RESTORE: Kind = Kind {
    name: "restore",
    hand: "look",
    // Collection without a grace time may take a pack from under it: what was in it is elsewhere then.
    codes: &[0, 4],
    requests: &["get packs", "get index"],
    areas: &[],
};
const CHECK: Kind = Kind {
    name: "check",
    codes: &[0],
    requests: &["list packs", "get packs"],
    ..RESTORE
};

/// Returns what a run of a job is.
fn run_of(job: &'static str) -> Kind {
    Kind {
        name: "run",
        hand: job,
        // The rules may have nothing to go by after it; collection may have taken what it relied on.
        codes: if job == RULED { &[0, 3, 75] } else { &[0, 75] },
        requests: RUN_REQUESTS,
        areas: RUN_AREAS,
    }
}

/// Everybody, and what they know.
pub(crate) struct Crew {
    pub(crate) ground: Ground,
    pub(crate) book: Book,
    pub(crate) tally: Mutex<Tally>,
    kills_wanted: u64,
}

impl Crew {
    pub(crate) fn new(ground: Ground, kills_wanted: u64) -> Self {
        Self {
            ground,
            book: Book::default(),
            tally: Mutex::default(),
            kills_wanted,
        }
    }

    /// Lets everybody work until enough processes were killed.
    pub(crate) fn work(&self, seed: u64) {
        let worker = |number: u64| Dice(seed.wrapping_mul(1_000).wrapping_add(number));
        std::thread::scope(|scope| {
            for (number, job) in (1..).zip(JOBS) {
                scope.spawn(move || self.again(worker(number), |dice| self.back_up(job, dice)));
            }
            scope.spawn(|| self.again(worker(10), |dice| self.collect(dice)));
            scope.spawn(|| self.again(worker(11), |dice| self.forget(dice)));
            scope.spawn(|| self.again(worker(12), |dice| self.look(dice)));
        });
    }

    fn again(&self, mut dice: Dice, mut work: impl FnMut(&mut Dice)) {
        while !self.is_over() {
            work(&mut dice);
        }
    }

    fn is_over(&self) -> bool {
        let mut tally = self.tally.lock().unwrap();
        if tally.processes > self.kills_wanted.saturating_mul(PROCESSES_MAX) {
            tally.wrong.push("hardly anything is killed".to_owned());
        }
        tally.kills >= self.kills_wanted || !tally.wrong.is_empty()
    }

    fn live(&self, kind: &Kind, dice: &mut Dice, arguments: &[&str]) -> Option<Output> {
        live(&self.ground, &self.tally, kind, dice, arguments)
    }

    /// The same with the operator's identity.
    fn as_operator(&self, kind: &Kind, dice: &mut Dice, arguments: &[&str]) -> Option<Output> {
        let identity = self.ground.world.at("operator.key");
        let mut all = arguments.to_vec();
        all.extend(["--identity", identity.to_str().unwrap()]);
        self.live(kind, dice, &all)
    }

    fn wrong(&self, what: String) {
        self.tally.lock().unwrap().wrong.push(what);
    }

    fn back_up(&self, job: &'static str, dice: &mut Dice) {
        let version = self.book.next_version();
        self.ground.write_tree(job, version);
        let tag = book::tag(version);
        let arguments = ["run", job, "--tag", &tag, "--json"];
        let ended = self.live(&run_of(job), dice, &arguments);
        if let Some(ended) = ended.filter(|ended| matches!(ended.status.code(), Some(0 | 3))) {
            let answer = String::from_utf8(ended.stdout).unwrap();
            let id = book::snapshot(&answer);
            self.book.committed(job, &id, version);
        }
        if job == RULED && dice.one_in(3) {
            self.live(&RULES, dice, &["forget", RULED]);
        }
    }

    fn collect(&self, dice: &mut Dice) {
        let arguments = ["gc", "gc", "--grace", "0s"];
        if dice.one_in(2) {
            self.live(&GC, dice, &arguments);
        } else {
            // With it, packs of which little is needed are copied.
            let arguments = [&arguments[..], &["--max-unused", "0"]].concat();
            self.as_operator(&GC, dice, &arguments);
        }
    }

    fn forget(&self, dice: &mut Dice) {
        let Some(id) = self.book.give_up(|ids| dice.one_of(ids).cloned()) else {
            // Hardly any are there yet.
            let listed = self.ground.world.run(&["list", "--store", "forget"]);
            listed.expect(0);
            return;
        };
        let arguments = ["forget", &id, "--store", "forget"];
        let ended = self.live(&FORGET, dice, &arguments);
        if ended.is_some_and(|ended| ended.status.success()) {
            self.book.is_forgotten(&id, true);
        }
        if dice.one_in(3) {
            self.book.is_in_doubt(&id);
            let arguments = ["undelete", &id, "--store", "forget"];
            let ended = self.live(&UNDELETE, dice, &arguments);
            if ended.is_some_and(|ended| ended.status.success()) {
                self.book.is_forgotten(&id, false);
            }
        }
    }

    fn look(&self, dice: &mut Dice) {
        if dice.one_in(3) {
            let arguments = ["check", "look", "--data"];
            self.as_operator(&CHECK, dice, &arguments);
            return;
        }
        let Some(looked) = self.book.look(|ids| dice.one_of(ids).cloned()) else {
            self.live(&CHECK, dice, &["check", "look"]);
            return;
        };
        let target = tempfile::tempdir_in(self.ground.world.path()).unwrap();
        let path = target.path().to_str().unwrap();
        let id = looked.id.as_str();
        let arguments = ["restore", id, "--store", "look", "--target", path];
        let mut ended = self.as_operator(&RESTORE, dice, &arguments);
        for _ in 0..RESTORES_MAX {
            if ended.as_ref().is_none_or(|ended| ended.status.success()) {
                break;
            }
            ended = self.as_operator(&RESTORE, dice, &[&arguments[..], &["--overwrite"]].concat());
        }
        if ended.as_ref().is_some_and(|ended| !ended.status.success()) {
            self.wrong(format!("{id} does not come back: {ended:?}"));
        }
        let is_told = ended.is_some_and(|ended| ended.status.success());
        if is_told && !self.ground.holds(target.path(), looked.job, looked.version) {
            let (job, version) = (looked.job, looked.version);
            self.wrong(format!("{job}@{id} restored is not version {version}"));
        }
    }
}
