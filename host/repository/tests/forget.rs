//! Forgetting, holding, and bringing back: whatever goes wrong in the store, each snapshot is forgotten or
//! it is not, and a hold is honoured.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::error::join_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::SnapshotId;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_repository::forget::GRACE_SECONDS;
use holdfast_repository::format::mark::{Mark, Tombstone};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::seal::{Recipient, seal_bytes};
use holdfast_repository::{ObjectError, ObjectFault, SnapshotError, StoredError, UpkeepError};
use holdfast_repository::{Repository, RepositoryError};
use holdfast_store::{Attempts, Name};
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use holdfast_testkit::sealer::NativeAge;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::bent::Bent;
use support::collecting::checked;
use support::{Place, noise, setup};

/// More operations than any of these has.
const OPERATIONS_MAX: u64 = 60;
const HOUR: i64 = 3_600_000_000_000;

fn place() -> (Place, Vec<Root>) {
    let place = Place::new();
    let roots = (0..3)
        .map(|n| place.backup(&[("f", noise(n, 5_000))]))
        .collect();
    (place, roots)
}

fn ids(repository: &Repository) -> BTreeSet<SnapshotId> {
    repository.snapshot_ids().unwrap().into_iter().collect()
}

fn why(roots: &[Root]) -> Vec<(SnapshotId, String)> {
    let one = |root: &Root| (root.snapshot, "no rule keeps it".to_owned());
    roots.iter().map(one).collect()
}

fn tombstone(id: &SnapshotId) -> Name {
    Name::new(format!("tombstones/s-{id}")).unwrap()
}

#[test]
fn a_forgotten_snapshot_is_not_shown_and_comes_back_whole() {
    let (place, roots) = place();
    let repository = place.open(Role::Write);
    repository.forget(&why(&roots[..2]), "here").unwrap();
    repository.forget(&why(&roots[..2]), "here").unwrap();
    assert_eq!(ids(&repository), [roots[2].snapshot].into());
    assert_eq!(repository.snapshots().unwrap().0, roots[2..]);
    assert_eq!(repository.snapshots_from_store().unwrap().0, roots);
    let marks = repository.marks().unwrap();
    let first = marks
        .forgotten
        .iter()
        .find(|mark| mark.tombstone.snapshot == roots[0].snapshot)
        .unwrap();
    assert_eq!(first.tombstone.why, "no rule keeps it");
    assert_eq!(
        first.until().0 - first.since.0,
        GRACE_SECONDS * 1_000_000_000
    );
    assert!((SystemClock.now().0 - first.since.0).abs() < HOUR);
    repository.undelete(&roots[0].snapshot).unwrap();
    let files = place.restore(&roots[0]);
    assert_eq!(files["f"], noise(0, 5_000));
    assert_eq!(repository.snapshots().unwrap().0.len(), 2);
    let again = repository.undelete(&roots[0].snapshot).unwrap_err();
    assert!(matches!(again, UpkeepError::NotForgotten { .. }));
    // A check looks at what can still be brought back.
    let report = checked(&place);
    assert_eq!((report.snapshots, report.damage.len()), (3, 0));
}

#[test]
fn what_collection_has_removed_does_not_come_back() {
    let (place, roots) = place();
    let repository = place.open(Role::Write);
    repository.forget(&why(&roots[..1]), "here").unwrap();
    let name = holdfast_repository::ground::names::snapshot_name(&roots[0].snapshot);
    place.store().delete(&name).unwrap();
    let error = repository.undelete(&roots[0].snapshot).unwrap_err();
    assert!(matches!(
        error,
        UpkeepError::Stored(StoredError::Snapshot(SnapshotError::NoSnapshot { .. }))
    ));
    // The tombstone stays: it may be what collection goes on with.
    assert!(place.store().size(&tombstone(&roots[0].snapshot)).is_ok());
}

#[test]
fn a_hold_is_honoured_until_it_ends_or_is_released() {
    let (place, roots) = place();
    let repository = place.open(Role::Write);
    let (held, ended) = (&roots[0].snapshot, &roots[1].snapshot);
    let now = SystemClock.now();
    repository.find_hold(held, "court", None, "here").unwrap();
    let until = Some(Instant(now.0 - 1));
    repository
        .find_hold(ended, "last month", until, "here")
        .unwrap();
    let twice = repository
        .find_hold(held, "again", None, "here")
        .unwrap_err();
    assert_eq!(
        twice.to_string(),
        format!("snapshot `{held}` is held: court")
    );
    let error = repository.forget(&why(&roots), "here").unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.to_string().ends_with("is held: court"), "{error}");
    assert_eq!(ids(&repository).len(), 3, "one is held, none is forgotten");
    repository.forget(&why(&roots[1..]), "here").unwrap();
    assert_eq!(ids(&repository), [*held].into());
    repository.release(held).unwrap();
    let error = repository.release(held).unwrap_err();
    assert!(matches!(error, UpkeepError::NotHeld { .. }));
    repository.forget(&why(&roots[..1]), "here").unwrap();
    let nobody = SnapshotId([9; 16]);
    let error = repository
        .find_hold(&nobody, "x", None, "here")
        .unwrap_err();
    assert!(matches!(
        error,
        UpkeepError::Stored(StoredError::Snapshot(SnapshotError::NoSnapshot { .. }))
    ));
}

#[test]
fn a_hold_wins_over_a_tombstone_and_its_end_begins_the_grace_time_anew() {
    let (place, roots) = place();
    let repository = place.open(Role::Write);
    let id = &roots[0].snapshot;
    repository.forget(&why(&roots[..1]), "here").unwrap();
    repository.find_hold(id, "found out", None, "here").unwrap();
    assert_eq!(ids(&repository).len(), 3);
    assert!(repository.marks().unwrap().forgotten.is_empty());
    repository.release(id).unwrap();
    assert_eq!(ids(&repository).len(), 3, "releasing loses nothing");
    repository.forget(&why(&roots[..1]), "here").unwrap();
    // As if the hold had ended after the tombstone was received.
    let soon = Instant(SystemClock.now().0 + 300_000_000);
    repository
        .find_hold(id, "briefly", Some(soon), "here")
        .unwrap();
    while SystemClock.now() <= soon {
        std::thread::yield_now();
    }
    let marks = repository.marks().unwrap();
    assert_eq!(marks.forgotten[0].since, soon);
}

#[test]
fn a_key_that_only_lists_can_neither_forget_nor_hold() {
    let (place, roots) = place();
    let audit = place.open(Role::Audit);
    let id = &roots[0].snapshot;
    let forgotten = audit.forget(&why(&roots[..1]), "here").unwrap_err();
    let held = audit.find_hold(id, "x", None, "here").unwrap_err();
    assert_eq!((forgotten.kind(), held.kind()), (Kind::Key, Kind::Key));
    assert_eq!(ids(&audit).len(), 3);
}

#[test]
fn a_host_forgets_only_its_own_and_the_operators_forget_anything() {
    let (place, roots) = place();
    let operator = place.open(Role::Read);
    let key = operator.host_key("there").unwrap();
    let there = Repository::open(setup(place.directory.path()), key).unwrap();
    let (first, second) = (&roots[0].snapshot, &roots[1].snapshot);
    let error = there.forget(&why(&roots[..1]), "here").unwrap_err();
    let told = format!("snapshot `{first}` was made by host here: host there cannot forget it");
    assert_eq!(
        (error.to_string(), error.kind()),
        (told.clone(), Kind::Denied)
    );
    // What a program that does not ask would write counts for nobody.
    let (body, signer) = (forged(*first, &operator), there.signer().unwrap());
    let bytes = zstd::bulk::compress(&body.encode(&signer).unwrap(), 3).unwrap();
    let to = [Recipient::PublicKey(place.key.catalog.public_key.clone())];
    let sealed = seal_bytes(&NativeAge, &to, bytes).unwrap();
    place
        .store()
        .create(&tombstone(first), &sealed, Attempts::Repeated)
        .unwrap();
    assert_eq!(ids(&operator).len(), 3);
    let marks = operator.marks().unwrap();
    let failure = join_causes(&marks.failures[0]);
    assert!(failure.contains(&told), "{failure}");
    assert_eq!(checked(&place).damage.len(), 1);
    operator.forget(&why(&roots[1..2]), "anywhere").unwrap();
    assert_eq!(there.marks().unwrap().hidden(), [*second].into());
    // To keep something, anybody will do.
    there
        .find_hold(second, "not so fast", None, "here")
        .unwrap();
    assert_eq!(ids(&operator).len(), 3);
    assert_eq!(
        there.marks().unwrap().holds[0].hold.as_ref().unwrap().host,
        "there"
    );
}

fn forged(snapshot: SnapshotId, repository: &Repository) -> Tombstone {
    Tombstone {
        snapshot,
        repository: repository.header().repository,
        why: "no rule keeps it".into(),
        host: "there".into(),
        written: SystemClock.now(),
        program: "0".into(),
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_is_in_the_way_until_it_is_forgotten() {
    let (place, roots) = place();
    let operator = place.open(Role::Read);
    let lost = SnapshotId([7; 16]);
    let name = holdfast_repository::ground::names::snapshot_name(&lost);
    place
        .store()
        .create(&name, b"nothing", Attempts::Repeated)
        .unwrap();
    assert!(operator.standing().unwrap_err().is_damage());
    // No host can say that it was its own.
    let error = place
        .open(Role::Write)
        .forget(&[(lost, "gone".into())], "here");
    assert!(error.unwrap_err().is_damage());
    operator.forget(&[(lost, "gone".into())], "here").unwrap();
    let standing = operator.standing().unwrap();
    assert_eq!(standing.snapshots.len(), roots.len());
}

#[test]
fn a_mark_that_cannot_be_read_forgets_nothing_and_holds() {
    let (place, roots) = place();
    let repository = place.open(Role::Write);
    let (torn, held) = (&roots[0].snapshot, &roots[1].snapshot);
    // What belongs to another snapshot, and what is cut short.
    repository.forget(&why(&roots[2..]), "here").unwrap();
    let other = place.store().get(&tombstone(&roots[2].snapshot)).unwrap();
    repository.undelete(&roots[2].snapshot).unwrap();
    place
        .store()
        .create(&tombstone(torn), &other, Attempts::Repeated)
        .unwrap();
    let name = Name::new(format!("holds/{held}")).unwrap();
    place
        .store()
        .create(&name, &other[..50], Attempts::Repeated)
        .unwrap();
    assert_eq!(ids(&repository).len(), 3);
    let marks = repository.marks().unwrap();
    assert_eq!((marks.forgotten.len(), marks.failures.len()), (0, 1));
    assert!(marks.failures[0].is_damage(), "{}", marks.failures[0]);
    let report = checked(&place);
    let damaged: BTreeSet<&str> = report.damage.iter().map(|(object, _)| &**object).collect();
    let marks = [tombstone(torn), name];
    assert_eq!(damaged, marks.iter().map(Name::as_str).collect());
    let error = repository.forget(&why(&roots[..1]), "here").unwrap_err();
    assert!(error.is_damage(), "{error}");
    let error = repository.forget(&why(&roots[1..2]), "here").unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    repository.undelete(torn).unwrap();
    repository.forget(&why(&roots[..1]), "here").unwrap();
    repository.release(held).unwrap();
    repository.forget(&why(&roots[1..2]), "here").unwrap();
    assert_eq!(ids(&repository), [roots[2].snapshot].into());
}

/// Breaks every operation in every way until a call passes.
fn every_fault(work: impl Fn(&Place, &[Root], &Repository) -> Result<(), RepositoryError>) {
    let (base, roots) = place();
    for (fault, after) in [
        (Fault::Fail, After::Works),
        (Fault::LoseAnswer, After::Works),
        (Fault::Fail, After::Gone),
        (Fault::LoseAnswer, After::Gone),
        (Fault::Tear, After::Works),
        (Fault::Tear, After::Gone),
    ] {
        let last = (2..OPERATIONS_MAX).find(|at| {
            let place = base.copy();
            let plan = Plan {
                at: *at,
                fault,
                after,
            };
            let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
            let result = place
                .open_on(store.clone(), Role::Write)
                .and_then(|repository| work(&place, &roots, &repository));
            let struck = store.struck();
            let told = format!("{plan:?} at {struck:?}: {result:?}");
            examine(&place, &roots, result.is_ok(), &told);
            if result.is_err() && fault != Fault::Tear {
                assert!(struck.is_some(), "{told}");
            }
            struck.is_none()
        });
        assert!(last.is_some_and(|at| at > 6), "{fault:?}: {last:?}");
    }
}

/// All is there, the first two are forgotten or not, and the last is not.
fn examine(place: &Place, roots: &[Root], is_done: bool, told: &str) {
    let repository = place.open(Role::Write);
    let (stored, failures) = repository.snapshots_from_store().unwrap();
    assert_eq!((stored.as_slice(), failures.len()), (roots, 0), "{told}");
    let shown = ids(&repository);
    assert!(shown.contains(&roots[2].snapshot), "{told}");
    assert!(!is_done || shown.len() == 1, "{told}");
    let marks = repository.marks().unwrap();
    let forgotten = marks.hidden();
    for root in roots {
        let is_shown = shown.contains(&root.snapshot);
        assert_ne!(is_shown, forgotten.contains(&root.snapshot), "{told}");
    }
    for failure in &marks.failures {
        assert!(
            failure.is_damage() && told.contains("Tear"),
            "{failure}: {told}"
        );
        assert!(told.contains("tombstones/s-"), "{told}");
    }
    // What is torn is in nobody's way for ever.
    for root in &roots[..2] {
        match repository.undelete(&root.snapshot) {
            Ok(()) | Err(UpkeepError::NotForgotten { .. }) => {}
            Err(error) => panic!("{told}: {error}"),
        }
    }
    repository.forget(&why(&roots[..2]), "here").unwrap();
    assert_eq!(ids(&repository), [roots[2].snapshot].into(), "{told}");
}

#[test]
fn a_forget_that_breaks_at_any_operation_leaves_each_snapshot_forgotten_or_not() {
    every_fault(|_, roots, repository| Ok(repository.forget(&why(&roots[..2]), "here")?));
}

#[test]
fn a_listing_that_is_cut_short_once_lets_nothing_go_that_is_held() {
    let (base, roots) = place();
    base.open(Role::Write)
        .find_hold(&roots[0].snapshot, "court", None, "here")
        .unwrap();
    let mut torn = 0;
    for at in 1..OPERATIONS_MAX {
        let place = base.copy();
        let plan = Plan {
            at,
            fault: Fault::Tear,
            after: After::Works,
        };
        let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
        let Ok(repository) = place.open_on(store.clone(), Role::Write) else {
            continue;
        };
        repository.forget(&why(&roots), "here").unwrap_err();
        assert_eq!(place.open(Role::Write).snapshot_ids().unwrap().len(), 3);
        let Some(struck) = store.struck() else { break };
        torn += u32::from(struck == "list holds");
    }
    assert_eq!(torn, 2, "each listing of the holds was cut short once");
}

#[test]
fn nothing_is_decided_on_listings_that_never_agree() {
    let (place, roots) = place();
    let repository = place.open(Role::Write);
    repository
        .find_hold(&roots[0].snapshot, "court", None, "here")
        .unwrap();
    let listings = AtomicU64::new(0);
    let store = Bent::listing(place.store(), move |listed| {
        let is_second = listings.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        if is_second { Vec::new() } else { listed }
    });
    let flapping = place.open_on(store, Role::Write).unwrap();
    let error = flapping.forget(&why(&roots[1..]), "here").unwrap_err();
    assert!(matches!(
        error.object_error(),
        Some(ObjectError::Disagree { area: "holds" })
    ));
    assert_eq!(error.kind(), Kind::Temporary);
    let error = flapping.standing().unwrap_err();
    assert!(matches!(error, ObjectError::Disagree { .. }));
    assert_eq!(ids(&repository).len(), 3);
}

#[test]
fn what_stands_has_the_times_of_the_store() {
    let (place, roots) = place();
    let repository = place.open(Role::Write);
    repository.forget(&why(&roots[..1]), "here").unwrap();
    let standing = repository.standing().unwrap();
    assert_eq!(standing.snapshots.len(), 3, "the forgotten ones too");
    for (root, received) in &standing.snapshots {
        assert!((received.0 - root.finished.0).abs() < HOUR);
    }
    assert_eq!(standing.marks.hidden(), [roots[0].snapshot].into());
}

#[test]
fn bringing_back_that_breaks_leaves_the_snapshot_forgotten_or_not() {
    let (base, roots) = place();
    let repository = base.open(Role::Write);
    repository.forget(&why(&roots[..1]), "here").unwrap();
    for fault in [Fault::Fail, Fault::LoseAnswer] {
        for at in 1..OPERATIONS_MAX {
            let place = base.copy();
            let plan = Plan {
                at,
                fault,
                after: After::Works,
            };
            let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
            let done = place
                .open_on(store.clone(), Role::Write)
                .and_then(|repository| Ok(repository.undelete(&roots[0].snapshot)?));
            let shown = ids(&place.open(Role::Write));
            assert!(done.is_err() || shown.len() == 3, "{at}: {done:?}");
            let files = place.restore(&roots[0]);
            assert_eq!(files["f"], noise(0, 5_000));
            if store.struck().is_none() {
                assert!(done.is_ok(), "{done:?}");
                break;
            }
        }
    }
}
