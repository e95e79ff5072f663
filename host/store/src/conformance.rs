//! What every store must do, in the order in which a new one usually fails.

use crate::{
    Attempts, Created, Extension, Name, ObjectLock, Placement, Protection, RetentionMode, Store,
    StoreError, Warmth,
};
use holdfast_base::time::Instant;
use std::io::Write;

/// Runs the whole suite on an empty store.
///
/// # Panics
/// The store breaks the contract.
pub fn check_store(store: &dyn Store) {
    an_absent_object_is_told_apart_from_a_failure(store);
    what_was_created_comes_back(store);
    a_second_create_leaves_the_first_object(store);
    what_is_missing_is_said_by_the_accessors_and_the_abilities_alike(store);
    ranges_are_exact_and_never_short(store);
    uploads_take_their_name_at_the_end(store, "d/upload", Placement::Standard);
    uploads_take_their_name_at_the_end(store, "d/bulk", Placement::Bulk);
    an_upload_leaves_an_object_of_its_name(store);
    listings_show_names_and_sizes_of_one_area(store);
    one_of_many_racing_creates_wins(store);
    a_removed_object_is_gone_and_removing_again_is_no_error(store);
}

#[expect(
    clippy::unwrap_used,
    reason = "a suite of tests that other crates call"
)]
fn object_name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn an_absent_object_is_told_apart_from_a_failure(store: &dyn Store) {
    let absent = object_name("packs/00/absent");
    assert!(store.get(&absent).is_err_and(|e| e.is_absent()));
    assert!(store.size(&absent).is_err_and(|e| e.is_absent()));
    assert!(store.get_range(&absent, 0, 1).is_err_and(|e| e.is_absent()));
    assert!(store.list("packs").is_ok_and(|found| found.is_empty()));
}

fn what_was_created_comes_back(store: &dyn Store) {
    for (object, bytes) in [("a/empty", &b""[..]), ("a/some", b"some bytes")] {
        assert!(matches!(
            store.create(&object_name(object), bytes, Attempts::Repeated),
            Ok(Created::New)
        ));
        assert!(
            store
                .get(&object_name(object))
                .is_ok_and(|got| got == bytes)
        );
        assert!(
            store
                .size(&object_name(object))
                .is_ok_and(|size| size == bytes.len() as u64)
        );
    }
}

fn a_second_create_leaves_the_first_object(store: &dyn Store) {
    let object = object_name("b/once");
    assert!(matches!(
        store.create(&object, b"first", Attempts::Repeated),
        Ok(Created::New)
    ));
    assert!(matches!(
        store.create(&object, b"second", Attempts::Repeated),
        Ok(Created::Existed)
    ));
    assert!(matches!(
        store.create(&object, b"third", Attempts::Single),
        Ok(Created::Existed)
    ));
    assert!(store.get(&object).is_ok_and(|got| got == b"first"));
}

fn what_is_missing_is_said_by_the_accessors_and_the_abilities_alike(store: &dyn Store) {
    let object = object_name("b/once");
    match store.object_lock() {
        None => {
            assert!(!store.abilities().object_lock.is_real());
            assert!(store.require_object_lock(&object).is_err());
        }
        Some(_) => assert!(store.require_object_lock(&object).is_ok()),
    }
    let listed = store.list("b");
    if store.cold_storage().is_none() {
        assert!(listed.is_ok_and(|all| all.iter().all(|found| found.warmth == Warmth::Warm)));
    }
}

fn ranges_are_exact_and_never_short(store: &dyn Store) {
    let object = object_name("c/ranges");
    assert!(
        store
            .create(&object, b"0123456789", Attempts::Repeated)
            .is_ok()
    );
    assert!(
        store
            .get_range(&object, 3, 4)
            .is_ok_and(|got| got == b"3456")
    );
    assert!(
        store
            .get_range(&object, 10, 0)
            .is_ok_and(|got| got.is_empty())
    );
    assert!(store.get_range(&object, 8, 4).is_err());
}

fn uploads_take_their_name_at_the_end(store: &dyn Store, object: &str, placement: Placement) {
    let object = object_name(object);
    let Ok(mut upload) = store.upload(placement) else {
        panic!("an upload starts")
    };
    assert!(upload.write_all(b"piece by ").is_ok());
    assert!(upload.write_all(b"piece").is_ok());
    assert!(store.get(&object).is_err_and(|e| e.is_absent()));
    assert!(matches!(upload.commit(&object), Ok(Created::New)));
    assert!(store.get(&object).is_ok_and(|got| got == b"piece by piece"));
}

fn an_upload_leaves_an_object_of_its_name(store: &dyn Store) {
    let object = object_name("d/taken");
    assert!(store.create(&object, b"first", Attempts::Repeated).is_ok());
    let Ok(mut upload) = store.upload(Placement::Standard) else {
        panic!("an upload starts")
    };
    assert!(upload.write_all(b"second").is_ok());
    assert!(matches!(upload.commit(&object), Ok(Created::Existed)));
    assert!(store.get(&object).is_ok_and(|got| got == b"first"));
}

fn listings_show_names_and_sizes_of_one_area(store: &dyn Store) {
    for object in ["e/1", "e/x/2", "ee/3"] {
        assert!(
            store
                .create(&object_name(object), b"12", Attempts::Repeated)
                .is_ok()
        );
    }
    let Ok(mut found) = store.list("e") else {
        panic!("a listing answers")
    };
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let seen: Vec<_> = found.iter().map(|l| (l.name.as_str(), l.size)).collect();
    assert_eq!(seen, [("e/1", 2), ("e/x/2", 2)]);
}

fn one_of_many_racing_creates_wins(store: &dyn Store) {
    let object = object_name("f/race");
    let wins: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8_u8)
            .map(|n| {
                let object = &object;
                scope.spawn(move || {
                    matches!(
                        store.create(object, &[n; 64], Attempts::Repeated),
                        Ok(Created::New)
                    )
                })
            })
            .collect();
        racers
            .into_iter()
            .filter_map(|racer| racer.join().ok())
            .filter(|won| *won)
            .count()
    });
    assert_eq!(wins, 1);
}

fn a_removed_object_is_gone_and_removing_again_is_no_error(store: &dyn Store) {
    let object = object_name("g/gone");
    assert!(store.create(&object, b"x", Attempts::Repeated).is_ok());
    assert!(store.delete(&object).is_ok());
    assert!(store.get(&object).is_err_and(|e| e.is_absent()));
    assert!(store.delete(&object).is_ok());
}

/// Runs the suite of stores that have object lock, on an empty one.
///
/// # Panics
/// The store breaks the contract.
pub fn check_object_lock(store: &dyn Store, now: Instant) {
    assert!(store.abilities().object_lock.is_real());
    let Some(locks) = store.object_lock() else {
        panic!("a store that has the ability says how")
    };
    a_term_keeps_an_object_and_becomes_only_longer(store, locks, now);
    a_hold_keeps_an_object_until_it_is_taken_off(store, locks);
    what_is_not_locked_goes_and_comes_again(store);
}

/// Demands that an object stays as it is.
fn assert_protected(store: &dyn Store, object: &Name) {
    let refused = store.delete(object);
    assert!(
        refused.as_ref().is_err_and(StoreError::is_locked),
        "{refused:?}"
    );
    assert!(store.get(object).is_ok_and(|got| got == b"kept"));
    let area = object.as_str().split('/').next().unwrap_or_default();
    assert!(
        store
            .list(area)
            .is_ok_and(|all| all.iter().any(|l| l.name == *object))
    );
}

fn a_term_keeps_an_object_and_becomes_only_longer(
    store: &dyn Store,
    locks: &dyn ObjectLock,
    now: Instant,
) {
    let (object, hour) = (object_name("h/term"), 3_600_000_000_000);
    let wanted = |least: i64, until: i64| Extension {
        least: Instant(now.0 + least * hour),
        until: Instant(now.0 + until * hour),
        mode: RetentionMode::Governance,
    };
    let absent = locks.retain(&object, &wanted(1, 2));
    assert!(absent.is_err_and(|error| error.is_absent()));
    assert!(store.create(&object, b"kept", Attempts::Repeated).is_ok());
    assert!(
        locks
            .protection(&object)
            .is_ok_and(|held| held == Protection::default())
    );
    let mut last = Instant(0);
    for (least, until, end) in [(10, 20, 20), (15, 30, 20), (5, 6, 20), (21, 40, 40)] {
        let Ok(term) = locks.retain(&object, &wanted(least, until)) else {
            panic!("an object is locked until {until}")
        };
        let held = locks.protection(&object).map(|lock| lock.term);
        assert!(held.is_ok_and(|held| held == Some(term)));
        // Services keep whole seconds.
        let ends = Instant(now.0 + end * hour);
        assert!(term.until >= ends && term.until.0 < ends.0 + 1_000_000_000);
        assert!(term.until >= last);
        last = term.until;
        assert_protected(store, &object);
    }
}

fn a_hold_keeps_an_object_until_it_is_taken_off(store: &dyn Store, locks: &dyn ObjectLock) {
    let object = object_name("h/hold");
    assert!(locks.set_hold(&object, true).is_err_and(|e| e.is_absent()));
    assert!(store.create(&object, b"kept", Attempts::Repeated).is_ok());
    assert!(matches!(locks.set_hold(&object, false), Ok(false)));
    assert!(matches!(locks.set_hold(&object, true), Ok(true)));
    assert!(matches!(locks.set_hold(&object, true), Ok(false)));
    assert!(locks.protection(&object).is_ok_and(|lock| lock.is_held));
    assert_protected(store, &object);
    assert!(matches!(locks.set_hold(&object, false), Ok(true)));
    assert!(store.delete(&object).is_ok());
    assert!(store.get(&object).is_err_and(|e| e.is_absent()));
}

fn what_is_not_locked_goes_and_comes_again(store: &dyn Store) {
    let object = object_name("h/again");
    for bytes in [b"first", b"again"] {
        assert!(matches!(
            store.create(&object, bytes, Attempts::Repeated),
            Ok(Created::New)
        ));
        assert!(store.get(&object).is_ok_and(|got| got == bytes));
        assert!(store.delete(&object).is_ok());
        // Nothing older comes to light.
        assert!(store.get(&object).is_err_and(|e| e.is_absent()));
        assert!(store.delete(&object).is_ok());
    }
}
