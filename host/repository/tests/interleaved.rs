//! A run is suspended before each of its operations in turn, others do all that they do meanwhile, and it
//! goes on. Whatever a process was told is committed, kept or brought back stays whole.
//!
//! `HOLDFAST_FAULTS=long` does so at every age of the repository's garbage.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_base::error::{Describe, Kind};
use holdfast_base::time::Instant;
use holdfast_repository::check::{Depth, check_repository};
use holdfast_repository::collect::{Options, Report};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{ObjectError, ObjectFault};
use holdfast_repository::{Repository, RepositoryError};
use holdfast_store::Store;
use holdfast_testkit::between::BetweenStore;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::collecting::{self, at_once, back_up, files, gc, is_long, merciless, write};
use support::{Files, Place, begin, setup};

/// More operations than any of these runs has: one that never passes is a failure of its own.
const OPERATIONS_MAX: u64 = 300;
/// So many collections remove everything that can go.
const COLLECTIONS: usize = 3;

/// Another machine: the same repository, and a cache of its own.
#[derive(Clone)]
struct Elsewhere {
    directory: PathBuf,
    key: holdfast_repository::keys::KeyFile,
}

impl Elsewhere {
    fn of(place: &Place) -> Self {
        Self {
            directory: place.directory.path().to_owned(),
            key: place.key.clone(),
        }
    }

    fn open(&self, role: Role) -> Arc<Repository> {
        let mut setup = setup(&self.directory);
        setup.cache = Some(self.directory.join("elsewhere"));
        let key = match role {
            Role::Write => self.key.for_host("here", Instant(1), &[1; 32]),
            role => self.key.narrowed(role),
        };
        Arc::new(Repository::open(setup, key.unwrap()).unwrap())
    }

    fn collect(&self, times: usize, options: &Options) {
        for _ in 0..times {
            gc(&self.open(Role::Audit), options).unwrap();
        }
    }

    fn forget(&self, root: &Root) {
        let why = [(root.snapshot, "a test".to_owned())];
        self.open(Role::Write).forget(&why, "there").unwrap();
    }
}

/// What must hold when everything that can go has gone.
fn examine(place: &Place, committed: &[(Root, Files)], told: &str) {
    Elsewhere::of(place).collect(COLLECTIONS, &merciless());
    collecting::examine(place, committed, told);
}

/// A collection ends well, or refuses because something changed meanwhile, and can be repeated.
fn is_done_or_refuses(done: Result<Report, RepositoryError>, told: &str) {
    if let Err(error) = done {
        assert_eq!(error.kind(), Kind::Temporary, "{told}: {error}");
    }
}

/// How many generations have passed before; all of them in the long mode.
fn generations() -> Vec<usize> {
    if is_long() { vec![0, 1, 2, 3] } else { vec![3] }
}

/// Suspends a run before each operation: `run` gets a place and the store to work on, `others` do theirs
/// meanwhile, and `look` gets what both came to.
fn suspend_everywhere<R, O: Send + 'static>(
    base: &Place,
    run: impl Fn(&Place, Arc<dyn Store>) -> R,
    others: impl Fn(&Elsewhere) -> O + Send + Clone + 'static,
    look: impl Fn(&Place, R, Option<O>, &str),
) {
    // Two runs of the same work need not have the same number of operations.
    let mut passed = 0;
    for at in 1..OPERATIONS_MAX {
        let place = base.copy();
        let came_to = Arc::new(Mutex::new(None));
        let (elsewhere, others) = (Elsewhere::of(&place), others.clone());
        let put = Arc::clone(&came_to);
        let work = move || *put.lock().unwrap() = Some(others(&elsewhere));
        let store = Arc::new(BetweenStore::new(place.store(), at, work));
        let done = run(&place, store.clone());
        let before = store.before();
        let told = format!("suspended at {at}, before {before:?}");
        let others = came_to.lock().unwrap().take();
        look(&place, done, others, &told);
        passed += u32::from(before.is_none());
        if passed == 2 {
            assert!(at > 10, "{at} operations only");
            return;
        }
    }
    panic!("never passed");
}

/// Two snapshots that share half of their files; the first is forgotten, and `generations` have passed.
fn half_forgotten(generations: usize) -> (Place, Root, (Root, Files)) {
    let place = Place::new();
    let first = back_up(&place.open(Role::Write), &files(0..6)).unwrap();
    let second = back_up(&place.open(Role::Write), &files(3..9)).unwrap();
    let elsewhere = Elsewhere::of(&place);
    elsewhere.forget(&first);
    let options = Options {
        grace: Duration::from_secs(3600),
        ..at_once()
    };
    elsewhere.collect(generations, &options);
    (place, first, (second, files(3..9)))
}

#[test]
fn a_backup_during_a_suspended_collection_keeps_what_it_reuses() {
    for generations in generations() {
        let (base, _, kept) = half_forgotten(generations);
        suspend_everywhere(
            &base,
            |place, store| gc(&place.open_on(store, Role::Audit).unwrap(), &at_once()),
            |elsewhere| back_up(&elsewhere.open(Role::Write), &files(0..6)).unwrap(),
            |place, done, root, told| {
                let mut committed = vec![kept.clone()];
                committed.extend(root.map(|root| (root, files(0..6))));
                is_done_or_refuses(done, told);
                examine(place, &committed, told);
            },
        );
    }
}

#[test]
fn a_suspended_backup_commits_nothing_that_collection_has_taken_from_it() {
    for generations in generations() {
        let (base, _, kept) = half_forgotten(generations);
        for options in [at_once(), merciless()] {
            let collect = move |elsewhere: &Elsewhere| elsewhere.collect(COLLECTIONS, &options);
            suspend_everywhere(
                &base,
                |place, store| back_up(&place.open_on(store, Role::Write)?, &files(0..6)),
                collect,
                |place, done, _, told| {
                    let mut committed = vec![kept.clone()];
                    match done {
                        Ok(root) => committed.push((root, files(0..6))),
                        Err(error) if is_overtaken(&error) => {}
                        Err(error) => panic!("{told}: {error}"),
                    }
                    let root = back_up(&place.open(Role::Write), &files(0..6)).unwrap();
                    committed.push((root, files(0..6)));
                    examine(place, &committed, told);
                },
            );
        }
    }
}

fn is_overtaken(error: &RepositoryError) -> bool {
    matches!(error.object_error(), Some(ObjectError::Overtaken { .. }))
}

#[test]
fn a_backup_that_collection_waits_for_commits() {
    let (base, _, kept) = half_forgotten(2);
    let forget_and_collect = {
        let kept = kept.0.clone();
        move |elsewhere: &Elsewhere| {
            elsewhere.forget(&kept);
            elsewhere.collect(COLLECTIONS, &at_once());
        }
    };
    suspend_everywhere(
        &base,
        |place, store| back_up(&place.open_on(store, Role::Write)?, &files(3..9)),
        forget_and_collect,
        |place, done, _, told| match done {
            Ok(root) => examine(place, &[(root, files(3..9))], told),
            Err(error) => assert!(is_overtaken(&error), "{told}: {error}"),
        },
    );
}

#[test]
fn a_run_that_commits_while_a_collection_ends_its_session_is_no_damage() {
    let (base, _, kept) = half_forgotten(3);
    let mut committed_in_time = 0;
    for at in 1..OPERATIONS_MAX {
        let place = base.copy();
        let session = begin(&Elsewhere::of(&place).open(Role::Write)).unwrap();
        let came_to = Arc::new(Mutex::new(None));
        let put = Arc::clone(&came_to);
        let work = move || {
            let written = write(&session, &files(20..26));
            let root = written.and_then(|()| Ok(session.commit(SourceEnd::seen())?));
            *put.lock().unwrap() = Some(root);
        };
        let store = Arc::new(BetweenStore::new(place.store(), at, work));
        let done = gc(
            &place.open_on(store.clone(), Role::Audit).unwrap(),
            &merciless(),
        );
        let told = format!("suspended at {at}, before {:?}: {done:?}", store.before());
        is_done_or_refuses(done, &told);
        let mut committed = vec![kept.clone()];
        match came_to.lock().unwrap().take() {
            Some(Ok(root)) => {
                committed_in_time += 1;
                committed.push((root, files(20..26)));
            }
            Some(Err(error)) => assert_eq!(error.kind(), Kind::Temporary, "{told}: {error}"),
            None => {}
        }
        examine(&place, &committed, &told);
        if store.before().is_none() {
            assert!(committed_in_time > 10, "{committed_in_time}");
            return;
        }
    }
    panic!("never passed");
}

#[test]
fn a_snapshot_that_comes_back_during_a_suspended_collection_stays() {
    for generations in generations() {
        let (base, _, kept) = half_forgotten(generations);
        let brought = back_up(&base.open(Role::Write), &files(0..6)).unwrap();
        Elsewhere::of(&base).forget(&brought);
        let bring_back = {
            let brought = brought.snapshot;
            move |elsewhere: &Elsewhere| elsewhere.open(Role::Write).undelete(&brought)
        };
        suspend_everywhere(
            &base,
            |place, store| gc(&place.open_on(store, Role::Audit).unwrap(), &at_once()),
            bring_back,
            |place, done, came_back, told| {
                is_done_or_refuses(done, told);
                let mut committed = vec![kept.clone()];
                if let Some(Ok(())) = came_back {
                    committed.push((brought.clone(), files(0..6)));
                }
                examine(place, &committed, told);
            },
        );
    }
}

#[test]
fn a_hold_during_a_suspended_collection_holds() {
    let (base, _, kept) = half_forgotten(3);
    let held = back_up(&base.open(Role::Write), &files(0..6)).unwrap();
    Elsewhere::of(&base).forget(&held);
    let hold = {
        let held = held.snapshot;
        move |elsewhere: &Elsewhere| {
            let repository = elsewhere.open(Role::Write);
            repository
                .find_hold(&held, "a test", None, "there")
                .map(drop)
        }
    };
    suspend_everywhere(
        &base,
        |place, store| gc(&place.open_on(store, Role::Audit).unwrap(), &at_once()),
        hold,
        |place, done, came_back, told| {
            is_done_or_refuses(done, told);
            let mut committed = vec![kept.clone()];
            if let Some(Ok(())) = came_back {
                committed.push((held.clone(), files(0..6)));
            }
            examine(place, &committed, told);
        },
    );
}

#[test]
fn a_check_finds_no_damage_in_what_others_remove_and_add_meanwhile() {
    for generations in generations() {
        let (base, _, _) = half_forgotten(generations);
        let busy = |elsewhere: &Elsewhere| {
            let root = back_up(&elsewhere.open(Role::Write), &files(20..23)).unwrap();
            // With a read key, packs of which little is needed are written anew.
            let repack = Options {
                unused_permille: 0,
                ..at_once()
            };
            for _ in 0..=COLLECTIONS {
                gc(&elsewhere.open(Role::Read), &repack).unwrap();
            }
            elsewhere.forget(&root);
            elsewhere.collect(COLLECTIONS, &at_once());
        };
        for depth in [Depth::Structure, Depth::Data] {
            suspend_everywhere(
                &base,
                |place, store| {
                    let repository = place.open_on(store, Role::Read)?;
                    let report =
                        check_repository(&repository, depth, &Cancel::new(), &Default::default())?;
                    Ok::<_, RepositoryError>(report)
                },
                busy,
                |_, report, _, told| {
                    let report = report.unwrap();
                    assert_eq!((report.damage, report.losses), (vec![], vec![]), "{told}");
                },
            );
        }
    }
}

#[test]
fn a_collection_during_a_suspended_bringing_back_takes_it_or_leaves_it() {
    let (base, _, kept) = half_forgotten(3);
    let brought = back_up(&base.open(Role::Write), &files(0..6)).unwrap();
    Elsewhere::of(&base).forget(&brought);
    let (id, root) = (brought.snapshot, brought);
    let mut suspended = 0;
    for at in 1..OPERATIONS_MAX {
        let place = base.copy();
        let elsewhere = Elsewhere::of(&place);
        let work = move || elsewhere.collect(COLLECTIONS, &at_once());
        let store = Arc::new(BetweenStore::new(place.store(), at, work));
        let came_back = place
            .open_on(store.clone(), Role::Write)
            .and_then(|repository| Ok(repository.undelete(&id)?));
        let told = format!("{:?}: {came_back:?}", store.before());
        let mut committed = vec![kept.clone()];
        if came_back.is_ok() {
            committed.push((root.clone(), files(0..6)));
        }
        examine(&place, &committed, &told);
        if store.before().is_none() {
            break;
        }
        suspended += 1;
    }
    assert!(suspended > 3);
}

#[test]
fn two_collections_at_once_remove_what_one_would() {
    for generations in generations() {
        let (base, _, kept) = half_forgotten(generations);
        suspend_everywhere(
            &base,
            |place, store| gc(&place.open_on(store, Role::Read).unwrap(), &at_once()),
            |elsewhere| elsewhere.collect(3, &at_once()),
            |place, done, _, told| {
                is_done_or_refuses(done, told);
                examine(place, std::slice::from_ref(&kept), told);
            },
        );
    }
}
