//! A store that changes a byte and says that all went well: a run finds out before it says "done".

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_repository::RepositoryError;
use holdfast_repository::check::{Depth, check_repository};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{ObjectError, StoredError};
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use std::sync::Arc;
use support::{Bytes, Place, begin_with, file, noise};

/// Backs a file up through a store that lies once; returns what came of it, and what was lied about.
fn back_up(
    place: &Place,
    role: Role,
    prove: bool,
    at: u64,
) -> (Result<Root, RepositoryError>, Option<String>) {
    let plan = Plan {
        at,
        fault: Fault::Flip,
        after: After::Works,
    };
    let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
    let session = begin_with(&place.open_on(store.clone(), role).unwrap(), prove).unwrap();
    let bytes = noise(1, 300_000);
    let content = Box::new(Bytes::of(&bytes));
    session
        .add_entry(file("f", bytes.len()), Some(content))
        .unwrap();
    let result = session
        .settle()
        .and_then(|_| session.commit(SourceEnd::seen()));
    (result.map_err(Into::into), store.struck())
}

/// Returns the damage in the repository, by object. A session that cannot be read is none of it: by one
/// collection only waits longer.
fn damage(place: &Place, depth: Depth) -> Vec<String> {
    let repository = place.open(Role::Read);
    let report =
        check_repository(&repository, depth, &Cancel::new(), &Progress::default()).unwrap();
    report
        .damage
        .into_iter()
        .map(|(object, _)| object)
        .filter(|object| !object.starts_with("sessions/"))
        .collect()
}

/// Tries every operation; returns the damage that runs left which ended well.
fn believed(role: Role, prove: bool, depth: Depth) -> Vec<String> {
    let mut believed = Vec::new();
    for at in 1.. {
        let place = Place::new();
        let (result, struck) = back_up(&place, role, prove, at);
        if struck.is_none() {
            break;
        }
        match result {
            Ok(_) => believed.extend(damage(&place, depth)),
            Err(RepositoryError::Stored(StoredError::Object(ObjectError::ReadBackFailed {
                object,
                ..
            }))) => {
                let (roots, _) = place.open(Role::Read).snapshots_from_store().unwrap();
                assert!(roots.is_empty(), "{object}: {roots:?}");
                // Nothing relies on what is damaged: the next run is whole, though it cannot open content.
                let root = place.backup(&[("f", noise(1, 300_000))]);
                assert_eq!(place.restore(&root).len(), 1);
                let left = damage(&place, Depth::Data);
                assert!(
                    left.is_empty() || !object.starts_with("packs/"),
                    "{object}: {left:?}"
                );
            }
            Err(error) => panic!("{struck:?}: {error}"),
        }
    }
    believed
}

#[test]
fn a_run_with_a_reading_key_believes_no_lie() {
    assert_eq!(
        believed(Role::Read, true, Depth::Data),
        Vec::<String>::new()
    );
}

#[test]
fn a_run_with_a_write_key_notices_lies_about_all_that_it_can_open() {
    // Content it cannot open. What leads to it, it can.
    assert_eq!(
        believed(Role::Write, true, Depth::Structure),
        Vec::<String>::new()
    );
}

#[test]
fn a_run_that_proves_nothing_believes_lies() {
    // Threads decide which operation is which: a sweep may pass by every write.
    let is_fooled = |_| !believed(Role::Write, false, Depth::Data).is_empty();
    assert!((0..5).any(is_fooled));
}
