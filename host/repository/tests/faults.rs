//! Every operation of the store goes wrong once, in every way, in each kind of run. Afterwards all that
//! was committed restores byte for byte, nothing half is visible, and the next run is clean.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::read::Reader;
use holdfast_repository::restore::restore;
use holdfast_repository::seal::{Identity, Recipient, Sealer};
use holdfast_repository::{ObjectError, StoredError};
use holdfast_repository::{OpenError, Repository, RepositoryError, Setup};
use holdfast_store::Store;
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use holdfast_testkit::sealer::NativeAge;
use std::sync::Arc;
use support::collecting::{back_up, checked};
use support::{Files, Memory, Place, noise, scratch, setup};

/// More operations than any of these runs has: a run that never passes is a failure of its own.
const OPERATIONS_MAX: u64 = 500;

/// Passing faults, and crashes right before, right after and in the middle of an operation.
const WAYS: [(Fault, After); 5] = [
    (Fault::Fail, After::Works),
    (Fault::LoseAnswer, After::Works),
    (Fault::Fail, After::Gone),
    (Fault::LoseAnswer, After::Gone),
    (Fault::Tear, After::Gone),
];

/// Breaks every operation in every way until a run passes; `try_it` says what was struck.
fn every_fault(mut try_it: impl FnMut(Plan) -> Option<String>) {
    for (fault, after) in WAYS {
        // Two runs of the same work need not have the same number of operations: a run that passes
        // may have been a short one.
        let mut passed = 0;
        let last = (1..OPERATIONS_MAX).find(|at| {
            let at = *at;
            passed += u32::from(try_it(Plan { at, fault, after }).is_none());
            passed == 2
        });
        assert!(last.is_some_and(|at| at > 7), "{fault:?}: {last:?}");
    }
}

fn old_files() -> Files {
    (0..9)
        .map(|n| (format!("d{}/f{n:02}", n / 3), noise(n, 900 * n as usize)))
        .collect()
}

fn new_files() -> Files {
    let mut files = old_files();
    files.insert("d1/f05".into(), noise(77, 70_000));
    files.insert("e/text".into(), b"1,anna,oslo\n".repeat(4_000));
    files
}

/// Backs files up by way of a store that may go wrong.
fn write(place: &Place, store: Arc<dyn Store>, files: &Files) -> Result<Root, RepositoryError> {
    back_up(&place.open_on(store, Role::Write)?, files)
}

/// The object of which half has its name, if that is what the fault came to.
fn torn(plan: Plan, struck: Option<&str>) -> Option<String> {
    let (action, object) = struck?.split_once(' ')?;
    let changes = matches!(action, "create" | "commit");
    (plan.fault == Fault::Tear && changes).then(|| object.to_owned())
}

/// What must hold whatever went wrong: `committed` and whatever else is visible is whole.
fn examine(place: &Place, committed: &[(Root, Files)], attempted: &Files, torn: Option<&str>) {
    let (roots, failures) = place.open(Role::Read).snapshots_from_store().unwrap();
    for failure in failures {
        let ObjectError::Damaged { object, .. } = &failure else {
            panic!("{failure}");
        };
        assert_eq!(Some(object.as_str()), torn, "{failure}");
    }
    for (root, files) in committed {
        assert!(roots.contains(root), "{} is gone", root.snapshot);
        assert_eq!(&place.restore(root), files);
    }
    for root in &roots {
        if !committed.iter().any(|(held, _)| held == root) {
            assert_eq!(&place.restore(root), attempted, "half a snapshot");
        }
    }
    for (object, what) in checked(place).damage {
        assert_eq!(Some(object.as_str()), torn, "{object}: {what}");
    }
}

/// Breaks a run over what `base` holds.
fn break_runs(base: &Place, committed: &[(Root, Files)]) {
    let attempted = new_files();
    every_fault(|plan| {
        let place = base.copy();
        let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
        let result = write(&place, store.clone(), &attempted);
        let struck = store.struck();
        let told = format!("{plan:?} at {struck:?}: {:?}", result.as_ref().err());
        let torn = torn(plan, struck.as_deref());
        let visible = place.open(Role::Read).snapshots_from_store().unwrap().0;
        match &result {
            Ok(root) => assert!(visible.contains(root), "{told}"),
            // Only an answer that was lost may leave a snapshot that nobody was told of.
            Err(RepositoryError::Stored(StoredError::Object(ObjectError::Unanswered {
                ..
            }))) => {
                assert!(
                    struck.as_ref().unwrap().starts_with("create snapshots/"),
                    "{told}"
                );
            }
            // What was committed and came back torn when it was looked at again.
            Err(RepositoryError::Stored(StoredError::Object(ObjectError::ReadBackFailed {
                ..
            }))) if struck.as_ref().unwrap().starts_with("get snapshots/") => {}
            Err(_) => assert_eq!(visible.len(), committed.len(), "{told}"),
        }
        examine(&place, committed, &attempted, torn.as_deref());
        let root = write(&place, place.store(), &attempted).unwrap();
        let mut committed = committed.to_vec();
        committed.push((root, attempted.clone()));
        examine(&place, &committed, &attempted, torn.as_deref());
        struck
    });
}

#[test]
fn a_first_run_that_breaks_at_any_operation_leaves_nothing_half() {
    break_runs(&Place::new(), &[]);
}

#[test]
fn a_later_run_that_breaks_at_any_operation_loses_nothing() {
    let base = Place::new();
    let old = old_files();
    let root = write(&base, base.store(), &old).unwrap();
    break_runs(&base, &[(root, old)]);
}

#[test]
fn a_run_without_a_cache_that_breaks_at_any_operation_loses_nothing() {
    let base = Place::new();
    let old = old_files();
    let root = write(&base, base.store(), &old).unwrap();
    std::fs::remove_dir_all(base.directory.path().join("cache")).unwrap();
    break_runs(&base, &[(root, old)]);
}

#[test]
fn an_init_that_breaks_at_any_operation_can_be_repeated_and_makes_no_key_twice() {
    let pair = NativeAge.generate().unwrap();
    let operators = [Recipient::PublicKey(pair.public_key)];
    let operator = Identity::Key(pair.identity);
    for (fault, after) in WAYS {
        for at in 1..OPERATIONS_MAX {
            let struck = break_init(Plan { at, fault, after }, &operators, &operator);
            if struck.is_none() {
                break;
            }
        }
    }
}

fn break_init(plan: Plan, operators: &[Recipient], operator: &Identity) -> Option<String> {
    let directory = scratch();
    let sound = setup(directory.path());
    let store = Arc::new(FaultStore::new(Arc::clone(&sound.store), Some(plan)));
    let broken = Setup {
        store: store.clone(),
        ..sound.clone()
    };
    let first = Repository::init(&broken, operators);
    let struck = store.struck();
    let told = format!("{plan:?} at {struck:?}: {:?}", first.as_ref().err());
    let again = Repository::init(&sound, operators);
    if torn(plan, struck.as_deref()).as_deref() == Some("format") {
        assert!(first.is_err() && again.is_err(), "{told}");
        return struck;
    }
    // One of the two has made the repository; where the first was not answered, perhaps unheard.
    if matches!(
        first,
        Err(OpenError::Object(ObjectError::Unanswered { .. }))
    ) {
        assert!(first.is_err(), "{told}");
    } else {
        assert_ne!(first.is_ok(), again.is_ok(), "{told}");
    }
    let opened = Repository::open_as_operator(sound, std::slice::from_ref(operator))
        .unwrap_or_else(|error| panic!("{told}: {error}"));
    if let Ok(key) = first.or(again) {
        assert_eq!(opened.key().repository, key.repository, "{told}");
    }
    struck
}

#[test]
fn a_restore_that_breaks_at_any_operation_writes_nothing_wrong() {
    let place = Place::new();
    let files = new_files();
    let root = write(&place, place.store(), &files).unwrap();
    every_fault(|plan| {
        let place = place.copy();
        let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
        let target = Memory::default();
        let restored = place
            .open_on(store.clone(), Role::Read)
            .and_then(|repository| Ok(Reader::new(repository)?))
            .and_then(|reader| Ok(restore(&reader, &root, &|_| true, &target, &Cancel::new())?));
        let told = format!("{plan:?} at {:?}: {restored:?}", store.struck());
        let whole = target.whole();
        for (path, bytes) in &whole {
            assert_eq!(Some(bytes), files.get(path), "{told}");
        }
        let is_complete = restored.is_ok_and(|outcome| outcome.damaged.is_empty());
        assert_eq!(is_complete, whole == files, "{told}");
        store.struck()
    });
}
