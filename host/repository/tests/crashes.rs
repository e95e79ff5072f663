//! Every operation of the store goes wrong once, in every way, while snapshots are forgotten, brought back
//! and collected. Afterwards all that is committed restores, nothing is damaged, and the same again is clean.
//!
//! `HOLDFAST_FAULTS=long` does so in more ways, and at every age of the repository's garbage.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_repository::collect::{Options, collect};
use holdfast_repository::copy::Copier;
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::{Repository, RepositoryError};
use holdfast_store::Store;
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use holdfast_testkit::restless::{RestlessStore, Waits};
use std::sync::Arc;
use std::time::Duration;
use support::collecting::{at_once, back_up, examine, files, gc, is_long, merciless};
use support::{Files, Place};

/// More operations than any of these runs has: a run that never passes is a failure of its own.
const OPERATIONS_MAX: u64 = 400;

/// Crashes right before and right after an operation, and listings that leave something out; then lost
/// answers, requests that are repeated on their way, and listings that lag.
const WAYS: [(Fault, After); 6] = [
    (Fault::Fail, After::Gone),
    (Fault::LoseAnswer, After::Gone),
    (Fault::Omit, After::Works),
    (Fault::LoseAnswer, After::Works),
    (Fault::Repeat, After::Works),
    (Fault::Stale, After::Works),
];
/// So many of these are tried in the short mode.
const WAYS_SHORT: usize = 3;

/// Whether a fault is another one than a failure, at this operation.
fn matters(plan: Plan, operation: &str) -> bool {
    match plan.fault {
        Fault::Omit | Fault::Stale => operation.starts_with("list "),
        Fault::LoseAnswer | Fault::Repeat => ["create ", "commit ", "delete "]
            .iter()
            .any(|change| operation.starts_with(change)),
        _ => true,
    }
}

/// A repository with a snapshot that is kept, one that is forgotten, and what collections have named of
/// an earlier one.
struct Base {
    place: Place,
    kept: (Root, Files),
    forgotten: Root,
}

fn base(generations: usize) -> Base {
    let place = Place::new();
    let old = back_up(&place.open(Role::Write), &files(20..24)).unwrap();
    let kept = back_up(&place.open(Role::Write), &files(3..9)).unwrap();
    let why = |root: &Root| [(root.snapshot, "a test".to_owned())];
    let repository = place.open(Role::Write);
    repository.forget(&why(&old), "here").unwrap();
    let options = Options {
        grace: Duration::from_secs(3600),
        ..at_once()
    };
    for _ in 0..generations {
        let unseen = Default::default();
        collect(&repository, &options, &Cancel::new(), &unseen).unwrap();
    }
    let forgotten = back_up(&place.open(Role::Write), &files(0..6)).unwrap();
    repository.forget(&why(&forgotten), "here").unwrap();
    Base {
        place,
        kept: (kept, files(3..9)),
        forgotten,
    }
}

fn generations() -> Vec<usize> {
    if is_long() { vec![0, 1, 2, 3] } else { vec![2] }
}

/// Breaks every operation of some work in every way; afterwards the work is done again on the sound store.
fn break_everywhere(
    base: &Base,
    work: impl Fn(&Place, Arc<dyn Store>) -> Result<(), RepositoryError>,
    examine: impl Fn(&Place, bool, &str),
) {
    let ways = if is_long() { WAYS.len() } else { WAYS_SHORT };
    for (fault, after) in WAYS.into_iter().take(ways) {
        let mut passed = 0;
        for at in 1..OPERATIONS_MAX {
            let place = base.place.copy();
            let plan = Plan { at, fault, after };
            let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
            let done = work(&place, store.clone());
            let struck = store.struck();
            let told = format!("{plan:?} at {struck:?}: {:?}", done.as_ref().err());
            if struck.as_ref().is_some_and(|struck| matters(plan, struck)) {
                examine(&place, done.is_ok(), &told);
            }
            passed += u32::from(struck.is_none());
            // Two runs of the same work need not have the same number of operations.
            if passed == 2 {
                assert!(at > 4, "{told}");
                break;
            }
        }
        assert_eq!(passed, 2, "{fault:?} never passed");
    }
}

#[test]
fn a_collection_that_breaks_at_any_operation_loses_nothing_and_the_next_completes_it() {
    for generations in generations() {
        let base = base(generations);
        break_everywhere(
            &base,
            |place, store| gc(&place.open_on(store, Role::Audit)?, &merciless()).map(drop),
            |place, _, told| {
                for _ in 0..4 {
                    gc(&place.open(Role::Audit), &merciless())
                        .unwrap_or_else(|e| panic!("{told}: {e}"));
                }
                examine(place, std::slice::from_ref(&base.kept), told);
                let report = gc(&place.open(Role::Audit), &merciless()).unwrap();
                assert_eq!(report.waiting.packs + report.named.packs, 0, "{told}");
                let left = place.store().list("tombstones").unwrap();
                let left = left.iter().map(|listed| listed.name.last());
                let left: Vec<_> = left.filter(|name| !name.starts_with("p-")).collect();
                assert!(left.is_empty(), "{told}: {left:?}");
            },
        );
    }
}

#[test]
fn a_collection_that_repacks_and_breaks_at_any_operation_loses_nothing() {
    let base = base(3);
    break_everywhere(
        &base,
        |place, store| {
            let options = Options {
                unused_permille: 0,
                ..at_once()
            };
            let repository = place.open_on(store, Role::Read)?;
            let unseen = Default::default();
            Ok(collect(&repository, &options, &Cancel::new(), &unseen).map(drop)?)
        },
        |place, _, told| {
            for _ in 0..3 {
                gc(&place.open(Role::Read), &merciless()).unwrap_or_else(|e| panic!("{told}: {e}"));
            }
            examine(place, std::slice::from_ref(&base.kept), told);
        },
    );
}

#[test]
fn bringing_back_that_breaks_at_any_operation_is_told_truly() {
    let base = base(3);
    let id = base.forgotten.snapshot;
    break_everywhere(
        &base,
        |place, store| Ok(place.open_on(store, Role::Write)?.undelete(&id)?),
        |place, came_back, told| {
            for _ in 0..3 {
                gc(&place.open(Role::Audit), &merciless())
                    .unwrap_or_else(|e| panic!("{told}: {e}"));
            }
            let mut committed = vec![base.kept.clone()];
            if came_back {
                committed.push((base.forgotten.clone(), files(0..6)));
            }
            examine(place, &committed, told);
        },
    );
}

#[test]
fn a_backup_that_breaks_among_collections_is_told_truly() {
    let base = base(3);
    let attempted = files(0..7);
    break_everywhere(
        &base,
        |place, store| {
            let root = back_up(&place.open_on(store, Role::Write)?, &attempted)?;
            let seen = place.open(Role::Audit).snapshot_ids()?;
            assert!(seen.contains(&root.snapshot));
            Ok(())
        },
        |place, _, told| {
            for _ in 0..3 {
                gc(&place.open(Role::Audit), &merciless())
                    .unwrap_or_else(|e| panic!("{told}: {e}"));
            }
            let visible = place.open(Role::Audit).snapshots_from_store().unwrap().0;
            let others = visible.into_iter().filter(|root| *root != base.kept.0);
            let mut committed: Vec<_> = others.map(|root| (root, attempted.clone())).collect();
            committed.push(base.kept.clone());
            examine(place, &committed, told);
            let root = back_up(&place.open(Role::Write), &attempted).unwrap();
            examine(place, &[(root, attempted.clone())], told);
        },
    );
}

#[test]
fn a_copy_that_breaks_at_any_operation_is_completed_by_the_next() {
    let from = Place::new();
    let root = back_up(&from.open(Role::Write), &files(10..14)).unwrap();
    let base = base(2);
    let copy = |to: Arc<Repository>| {
        let mut copier = Copier::new(from.open(Role::Read), to, "here")?;
        let unseen = Default::default();
        if copier.is_there(&root) {
            return Ok(());
        }
        copier.copy(&root, &Cancel::new(), &unseen).map(drop)
    };
    break_everywhere(
        &base,
        |place, store| Ok(copy(place.open_on(store, Role::Write)?)?),
        |place, _, told| {
            gc(&place.open(Role::Audit), &merciless()).unwrap_or_else(|e| panic!("{told}: {e}"));
            copy(place.open(Role::Write)).unwrap_or_else(|e| panic!("{told}: {e}"));
            let visible = place.open(Role::Audit).snapshots_from_store().unwrap().0;
            let copies = visible.into_iter().filter(|root| root.origin.is_some());
            let mut committed: Vec<_> = copies.map(|root| (root, files(10..14))).collect();
            assert!(!committed.is_empty(), "{told}");
            committed.push(base.kept.clone());
            examine(place, &committed, told);
        },
    );
}

#[test]
fn whatever_order_operations_end_in_nothing_is_lost() {
    for seed in 0..4 {
        let base = base(2);
        let unordered = || Arc::new(RestlessStore::new(base.place.store(), seed, Waits::LONG));
        let mut committed = vec![base.kept.clone()];
        for round in 0..3 {
            let files = files(round * 3..round * 3 + 6);
            let repository = base.place.open_on(unordered(), Role::Write).unwrap();
            committed.push((back_up(&repository, &files).unwrap(), files));
            gc(
                &base.place.open_on(unordered(), Role::Read).unwrap(),
                &merciless(),
            )
            .unwrap();
        }
        examine(&base.place, &committed, &format!("seed {seed}"));
    }
}
