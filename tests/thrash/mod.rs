//! Many processes at once on one repository, killed at moments that nobody chose: backups, forgetting and
//! bringing back, collections, checks and restores. What a process said was committed restores byte for byte in
//! the end; afterwards the next runs are clean, and nothing is left that collection does not take away.
//!
//! `HOLDFAST_THRASH=1000` kills so many, in a directory and in a bucket; without it some dozens are. The seed is
//! printed, and `HOLDFAST_THRASH_SEED` gives it: it draws the same moments, though not the same order of what
//! the processes do.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod book;
mod crew;
mod dice;
mod ground;
mod kills;

use book::Book;
use crew::Crew;
use ground::Ground;
use holdfast_testkit::servers;
use std::collections::BTreeMap;
use std::time::Instant;

/// Kills of a run that nobody asked for more of.
const KILLS: u64 = 50;
/// So many collections take away whatever can go.
const COLLECTIONS: u32 = 5;

#[test]
fn processes_that_are_killed_by_the_dozen_lose_nothing_in_a_directory() {
    thrash(Ground::directory());
}

#[test]
fn processes_that_are_killed_by_the_dozen_lose_nothing_in_a_bucket() {
    thrash(Ground::bucket(servers::ceph()));
}

/// Returns a number that the environment gives.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

#[expect(clippy::print_stderr, reason = "figures, and the seed of a failure")]
fn thrash(ground: Ground) {
    let seed = number("HOLDFAST_THRASH_SEED").unwrap_or_else(dice::surprise);
    let kills = number("HOLDFAST_THRASH").unwrap_or(KILLS);
    let place = ground.name;
    eprintln!("{place}: HOLDFAST_THRASH={kills} HOLDFAST_THRASH_SEED={seed}");
    let started = Instant::now();
    let crew = Crew::new(ground, kills);
    crew.work(seed);
    let lasted = started.elapsed();
    let Crew {
        ground,
        book,
        tally,
        ..
    } = crew;
    let told = tally.into_inner().unwrap();
    eprintln!("{place}: {told}");
    if !told.wrong.is_empty() {
        let after = ground.as_operator(&["check", "look", "--data"]);
        panic!("{:#?}\nAfterwards: {after:?}", told.wrong);
    }
    let unheard = settle(&ground, &book);
    eprintln!(
        "{place}: {lasted:.0?}, {:.0?} with what followed; {} snapshots were said to be committed, {unheard} more \
         were before the kill, {} said to be forgotten",
        started.elapsed(),
        book.said(),
        book.forgotten(),
    );
    nothing_is_left(&ground);
}

/// After all that: the next runs are clean, and all that stays is whole. Returns how many snapshots there
/// are of which nobody was told.
fn settle(ground: &Ground, book: &Book) -> usize {
    let world = &ground.world;
    for job in ground::JOBS {
        let version = book.next_version();
        ground.write_tree(job, version);
        let tag = book::tag(version);
        let ended = world.run(&["run", job, "--tag", &tag, "--json"]).expect(0);
        let id = book::snapshot(&ended.stdout);
        book.committed(job, &id, version);
        book.is_forgotten(&id, false);
    }
    collect_all(ground);
    let checked = ground.as_operator(&["check", "look", "--data", "--json"]);
    let checked: serde_json::Value = serde_json::from_str(&checked.expect(0).stdout).unwrap();
    assert_eq!(checked["unlisted-packs"], 0, "{checked}");
    // Nothing that a killed process left in the cache is needed, or in the way.
    std::fs::remove_dir_all(world.at("cache")).unwrap();
    let listed = listed(ground);
    book.agrees(&listed);
    for (id, (job, version)) in &listed {
        let target = ground.restored(id);
        assert!(
            ground.holds(&target, job, *version),
            "{job}@{id} is not version {version}"
        );
        std::fs::remove_dir_all(target).unwrap();
    }
    listed.keys().filter(|id| !book.knows(id)).count()
}

/// Returns the snapshots that there are, with the job and the version of each.
fn listed(ground: &Ground) -> BTreeMap<String, (String, u64)> {
    let listed = ground.world.run(&["list", "--json", "--store", "look"]);
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed.expect(0).stdout).unwrap();
    let one = |snapshot: &serde_json::Value| {
        let text = |name: &str| snapshot[name].as_str().unwrap().to_owned();
        let tag = snapshot["tags"][0].as_str().unwrap();
        (text("snapshot"), (text("job"), book::version(tag)))
    };
    listed.iter().map(one).collect()
}

/// Collects until nothing waits any more.
fn collect_all(ground: &Ground) {
    let mut said = serde_json::Value::Null;
    for _ in 0..COLLECTIONS {
        let arguments = ["gc", "gc", "--grace", "0s", "--max-unused", "0", "--json"];
        let ended = ground.as_operator(&arguments).expect(0);
        said = serde_json::from_str(&ended.stdout).unwrap();
    }
    for what in ["named", "waiting", "kept", "removed"] {
        assert_eq!(said[what]["packs"], 0, "{what}: {said}");
    }
    assert_eq!(said["open-sessions"], serde_json::json!([]), "{said}");
    assert_eq!(said["unused-bytes"], 0, "{said}");
}

/// When all snapshots are forgotten, collection leaves what makes the place a repository, what it tells the next
/// collection, and the marks of runs that it ended.
fn nothing_is_left(ground: &Ground) {
    let ids: Vec<String> = listed(ground).into_keys().collect();
    let mut forget = vec!["forget", "--store", "forget"];
    forget.extend(ids.iter().map(String::as_str));
    ground.world.run(&forget).expect(0);
    collect_all(ground);
    assert_eq!(listed(ground).len(), 0);
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in ground.objects() {
        let area = object.split('/').next().unwrap().to_owned();
        left.entry(area).or_default().push(object);
    }
    let marks = left.remove("snapshots").unwrap_or_default();
    assert!(
        marks
            .iter()
            .all(|mark| !ids.iter().any(|id| mark.ends_with(id))),
        "{marks:?}"
    );
    let tombstones = left.remove("tombstones").unwrap_or_default();
    let of_packs = |name: &String| name.starts_with("tombstones/p-");
    assert!(
        tombstones.len() == 1 && tombstones.iter().all(of_packs),
        "{tombstones:?}"
    );
    let areas: Vec<&String> = left.keys().collect();
    assert_eq!(
        areas,
        ["announcements", "epochs", "format", "spares"],
        "{left:?}"
    );
}
