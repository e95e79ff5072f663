//! Who can open a repository, new epochs, and keys that no longer count; each broken at every operation of
//! the store.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_base::time::Instant;
use holdfast_repository::check::{Depth, check_repository};
use holdfast_repository::collect::{Options, collect};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::{KeyError, KeyFile, Role};
use holdfast_repository::operators::{Change, Rotation};
use holdfast_repository::read::Reader;
use holdfast_repository::restore::restore;
use holdfast_repository::seal::{Identity, Recipient, SealError, Sealer};
use holdfast_repository::{ObjectError, ObjectFault, ReadError, UpkeepError};
use holdfast_repository::{Repository, RepositoryError, Setup};
use holdfast_store::Store;
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use holdfast_testkit::sealer::NativeAge;
use std::sync::Arc;
use std::time::Duration;
use support::bent::Bent;
use support::collecting::{at_once, back_up, gc};
use support::repairs::repaired;
use support::{Files, Memory, Place, noise, setup};

/// More operations than any of these changes has.
const OPERATIONS_MAX: u64 = 200;

const WAYS: [(Fault, After); 5] = [
    (Fault::Fail, After::Works),
    (Fault::LoseAnswer, After::Works),
    (Fault::Fail, After::Gone),
    (Fault::LoseAnswer, After::Gone),
    (Fault::Tear, After::Gone),
];

fn files(seed: u32) -> Files {
    let one = |n: u32| (format!("f{n}"), noise(seed * 100 + n, 3_000));
    (0..5).map(one).collect()
}

fn host_key(place: &Place, host: &str) -> KeyFile {
    let seed = *blake3::hash(host.as_bytes()).as_bytes();
    place.key.for_host(host, Instant(1), &seed).unwrap()
}

fn with_key(place: &Place, key: &KeyFile) -> Arc<Repository> {
    Arc::new(Repository::open(setup(place.directory.path()), key.clone()).unwrap())
}

fn as_operator(place: &Place, operator: &Identity) -> Result<Arc<Repository>, RepositoryError> {
    let setup = setup(place.directory.path());
    Ok(Repository::open_as_operator(setup, std::slice::from_ref(operator)).map(Arc::new)?)
}

fn restored(repository: &Arc<Repository>, root: &Root) -> Files {
    let reader = Reader::new(Arc::clone(repository)).unwrap();
    let target = Memory::default();
    restore(&reader, root, &|_| true, &target, &Cancel::new()).unwrap();
    target.whole()
}

/// Returns whether a snapshot is sealed to an epoch that the key does not hold.
fn is_shut(repository: &Arc<Repository>, root: &Root, epoch: u32) -> bool {
    let reader = Reader::new(Arc::clone(repository)).unwrap();
    let target = Memory::default();
    let refused = restore(&reader, root, &|_| true, &target, &Cancel::new());
    let is_epoch = |error| matches!(error, ReadError::Object(ObjectError::Key(KeyError::Epoch { epoch: held })) if held == epoch);
    refused.is_err_and(is_epoch) && target.whole().is_empty()
}

fn rotate(place: &Place, operator: &Identity) -> Result<Change, RepositoryError> {
    let repository = as_operator(place, operator)?;
    Ok(repository.rotate(&Rotation::default(), std::slice::from_ref(operator))?)
}

fn pair() -> (String, Identity) {
    let pair = NativeAge.generate().unwrap();
    (pair.public_key, Identity::Key(pair.identity))
}

fn sound(place: &Place) {
    let repository = as_operator(place, &place.operator).unwrap();
    let report = check_repository(
        &repository,
        Depth::Data,
        &Cancel::new(),
        &holdfast_base::progress::Progress::default(),
    );
    let report = report.unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    assert!(report.unseen.is_empty(), "{:?}", report.unseen);
}

#[test]
fn a_new_epoch_is_learned_by_hosts_that_keep_their_key_and_shut_to_an_old_read_key() {
    let place = Place::new();
    let key = host_key(&place, "web1");
    let (old, new) = (files(1), files(2));
    let first = back_up(&with_key(&place, &key), &old).unwrap();
    let change = rotate(&place, &place.operator).unwrap();
    assert!(change.kept.is_empty() && change.announcement.epoch == 2);
    let second = back_up(&with_key(&place, &key), &new).unwrap();
    // Whoever took the read key before opens what was there, and nothing that came after.
    let taken = with_key(&place, &place.key);
    assert_eq!(restored(&taken, &first), old);
    assert!(is_shut(&taken, &second, 2));
    let operator = as_operator(&place, &place.operator).unwrap();
    assert_eq!(restored(&operator, &first), old);
    assert_eq!(restored(&operator, &second), new);
    assert_eq!(operator.older_epochs().unwrap(), Vec::<String>::new());
    sound(&place);
}

#[test]
fn operators_come_and_go_and_the_last_stays() {
    let place = Place::new();
    let (public, theirs) = pair();
    let more = [Recipient::PublicKey(public.clone())];
    assert!(as_operator(&place, &theirs).is_err());
    let operator = as_operator(&place, &place.operator).unwrap();
    let own = operator.announcement().unwrap().operators[0]
        .recipient
        .clone();
    operator.add_operators(&more, &[]).unwrap();
    let both = as_operator(&place, &theirs).unwrap();
    as_operator(&place, &place.operator).unwrap();
    for twice in [&more[..], &[Recipient::PublicKey(own.clone())]] {
        let error = both.add_operators(twice, &[]).unwrap_err();
        assert!(error.to_string().contains("already"), "{error}");
    }
    let none = [Recipient::PublicKey("age1nobody".into())];
    assert!(both.add_operators(&none, &[]).is_err());
    assert!(both.remove_operator("age1nobody", &[]).is_err());
    assert!(both.remove_operator("age1", &[]).is_err());
    // Taken out by the beginning of the name, by somebody else's identity.
    both.remove_operator(&own[..12], std::slice::from_ref(&theirs))
        .unwrap();
    let refused = as_operator(&place, &place.operator).err().unwrap();
    assert!(matches!(
        refused.object_error(),
        Some(ObjectError::Seal(SealError::WrongKey))
    ));
    let left = as_operator(&place, &theirs).unwrap();
    let error = left.remove_operator(&public, &[]).unwrap_err();
    assert!(error.to_string().contains("is the last"), "{error}");
    // With a read key and no identity at all.
    let read = with_key(&place, &place.key);
    read.add_operators(&[Recipient::PublicKey(own)], &[])
        .unwrap();
    as_operator(&place, &place.operator).unwrap();
    sound(&place);
}

#[test]
fn a_write_key_changes_nothing() {
    let place = Place::new();
    let host = with_key(&place, &host_key(&place, "web1"));
    let (public, _) = pair();
    let denied = |result: Result<Change, UpkeepError>| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("it needs role `read`"), "{error}");
    };
    denied(host.rotate(&Rotation::default(), &[]));
    denied(host.add_operators(&[Recipient::PublicKey(public.clone())], &[]));
    denied(host.remove_operator(&public, &[]));
}

/// Breaks a change at every operation, in every way. `then` looks at what came of it, and whether it was told to be done.
fn break_changes(
    base: &Place,
    change: impl Fn(&Repository, &[Identity]) -> Result<Change, UpkeepError>,
    then: impl Fn(&Place, bool, &str),
) {
    let kept = back_up(&base.open(Role::Write), &files(1)).unwrap();
    for (fault, after) in WAYS {
        let mut last = 0;
        for at in 1..OPERATIONS_MAX {
            last = at;
            let place = base.copy();
            let store = Arc::new(FaultStore::new(
                place.store(),
                Some(Plan { at, fault, after }),
            ));
            let broken = Setup {
                store: store.clone(),
                ..setup(place.directory.path())
            };
            let operators = std::slice::from_ref(&place.operator);
            let result = Repository::open_as_operator(broken, operators)
                .map_err(UpkeepError::from)
                .and_then(|repository| change(&repository, operators));
            let struck = store.struck();
            let is_done = result.is_ok();
            let told = format!("{fault:?} {after:?} at {struck:?}: {:?}", result.err());
            // The old identity opens it, and what was there comes back.
            let repository = as_operator(&place, &place.operator)
                .unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(restored(&repository, &kept), files(1), "{told}");
            // A run that comes now is sealed to what operators open.
            let next = back_up(&place.open(Role::Write), &files(2)).unwrap();
            let repository = as_operator(&place, &place.operator).unwrap();
            assert_eq!(restored(&repository, &next), files(2), "{told}");
            then(&place, is_done, &told);
            // The next change is clean, and opens everything too.
            rotate(&place, &place.operator).unwrap_or_else(|error| panic!("{told}: {error}"));
            let repository = as_operator(&place, &place.operator).unwrap();
            assert_eq!(restored(&repository, &next), files(2), "{told}");
            assert_eq!(restored(&repository, &kept), files(1), "{told}");
            let is_torn = fault == Fault::Tear;
            if is_torn && struck.as_ref().is_some_and(|at| at.contains("spares/")) {
                // Half a spare is named, and any key mends it.
                assert_eq!(repaired(&place, Role::Write).remaining().len(), 0, "{told}");
            }
            sound(&place);
            if struck.is_none() {
                break;
            }
        }
        assert!(last > 7 && last < OPERATIONS_MAX - 1, "{fault:?}: {last}");
    }
}

#[test]
fn a_rotation_that_breaks_at_any_operation_leaves_what_the_old_identity_opens() {
    let rotate = |repository: &Repository, identities: &[Identity]| {
        repository.rotate(&Rotation::default(), identities)
    };
    break_changes(&Place::new(), rotate, |_, _, _| {});
}

#[test]
fn a_change_of_operators_that_breaks_at_any_operation_leaves_what_the_old_identity_opens() {
    let (public, _) = pair();
    let add = |repository: &Repository, identities: &[Identity]| {
        repository.add_operators(&[Recipient::PublicKey(public.clone())], identities)
    };
    break_changes(&Place::new(), add, |_, _, _| {});
}

#[test]
fn a_removal_of_an_operator_that_breaks_at_any_operation_is_done_or_can_be_repeated() {
    let place = Place::new();
    let (public, theirs) = pair();
    let more = [Recipient::PublicKey(public.clone())];
    let operator = as_operator(&place, &place.operator).unwrap();
    operator.add_operators(&more, &[]).unwrap();
    let remove = |repository: &Repository, identities: &[Identity]| {
        repository.remove_operator(&public, identities)
    };
    break_changes(&place, remove, |place, is_done, told| {
        let operator = as_operator(place, &place.operator).unwrap();
        let announced = &operator.announcement().unwrap().operators;
        let is_listed = announced.iter().any(|one| one.recipient == public);
        assert!(!(is_done && is_listed), "{told}");
        if is_listed {
            // Who is listed is not shut out, and the removal can be repeated.
            as_operator(place, &theirs).unwrap_or_else(|error| panic!("{told}: {error}"));
            let operators = std::slice::from_ref(&place.operator);
            operator.remove_operator(&public, operators).unwrap();
        }
        // Whoever could open an object that is left still can, until the next change clears it away.
        let operator = as_operator(place, &place.operator).unwrap();
        let is_shut = operator.older_epochs().unwrap().is_empty();
        assert_eq!(as_operator(place, &theirs).is_err(), is_shut, "{told}");
        rotate(place, &place.operator).unwrap();
        assert!(as_operator(place, &theirs).is_err(), "{told}");
    });
}

#[test]
fn a_revocation_that_breaks_at_any_operation_counts_whole_or_not_at_all() {
    let place = Place::new();
    let stolen = host_key(&place, "web1");
    let theirs = back_up(&with_key(&place, &stolen), &files(7)).unwrap();
    let rotation = Rotation {
        revoke: vec!["web1".into()],
        ..Rotation::default()
    };
    let revoke =
        |repository: &Repository, identities: &[Identity]| repository.rotate(&rotation, identities);
    break_changes(&place, revoke, |place, is_done, told| {
        let operator = as_operator(place, &place.operator).unwrap();
        let revoked = &operator.announcement().unwrap().revoked;
        let is_revoked = revoked.iter().any(|one| one.host == "web1");
        assert!(is_revoked || !is_done, "{told}");
        let attempt = back_up(&with_key(place, &stolen), &files(8));
        assert_eq!(attempt.is_err(), is_revoked, "{told}");
        assert_eq!(restored(&operator, &theirs), files(7), "{told}");
        revoke(&operator, std::slice::from_ref(&place.operator)).unwrap();
        // What was made with the key before it was revoked stays, and nothing is added.
        let operator = as_operator(place, &place.operator).unwrap();
        assert_eq!(restored(&operator, &theirs), files(7), "{told}");
        if let Ok(root) = attempt {
            assert_eq!(restored(&operator, &root), files(8), "{told}");
        }
        assert!(
            back_up(&with_key(place, &stolen), &files(9)).is_err(),
            "{told}"
        );
    });
}

#[test]
fn where_nothing_may_be_removed_the_old_epochs_stay_and_are_told() {
    let place = Place::new();
    let (_, outsider) = pair();
    let setup = Setup {
        store: Bent::keeping(place.store()),
        ..setup(place.directory.path())
    };
    let operators = std::slice::from_ref(&place.operator);
    let repository = Repository::open_as_operator(setup, operators).unwrap();
    let change = repository.rotate(&Rotation::default(), operators).unwrap();
    let names: Vec<_> = change.kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["spares/epochs/00000001", "epochs/00000001"]);
    let after = as_operator(&place, &place.operator).unwrap();
    assert_eq!(after.older_epochs().unwrap(), ["epochs/00000001"]);
    assert!(as_operator(&place, &outsider).is_err());
    // The next change, where it may, clears them away.
    rotate(&place, &place.operator).unwrap();
    let after = as_operator(&place, &place.operator).unwrap();
    assert_eq!(after.older_epochs().unwrap(), Vec::<String>::new());
}

#[test]
fn a_revoked_host_keeps_what_it_had_and_adds_nothing_until_it_has_a_new_key() {
    let place = Place::new();
    let (stolen, other) = (host_key(&place, "web1"), host_key(&place, "db1"));
    let before = back_up(&with_key(&place, &stolen), &files(1)).unwrap();
    back_up(&with_key(&place, &other), &files(2)).unwrap();
    // Opened before the key is revoked, as somebody would who does not listen.
    let deaf = with_key(&place, &stolen);
    let operator = as_operator(&place, &place.operator).unwrap();
    let rotation = Rotation {
        revoke: vec!["web1".into()],
        ..Rotation::default()
    };
    let change = operator.rotate(&rotation, &[]).unwrap();
    assert_eq!(change.announcement.revoked[0].snapshots, [before.snapshot]);
    let forged = back_up(&deaf, &files(3)).unwrap();
    let repository = as_operator(&place, &place.operator).unwrap();
    let (roots, failures) = repository.snapshots_from_store().unwrap();
    assert_eq!(roots.len(), 2);
    assert!(roots.iter().any(|root| root.snapshot == before.snapshot));
    // It counts for nothing, and is in nobody's way.
    assert!(failures.is_empty(), "{failures:?}");
    let refused = repository.snapshot(&forged.snapshot).unwrap_err();
    assert!(refused.is_revoked(), "{refused}");
    let damage = |depth| {
        let unseen = Default::default();
        check_repository(&repository, depth, &Cancel::new(), &unseen)
            .unwrap()
            .damage
    };
    assert_eq!(damage(Depth::Data), []);
    let collect_at_once = || gc(&repository, &at_once()).unwrap();
    for _ in 0..3 {
        collect_at_once();
    }
    assert!(repository.stored_ids().unwrap().contains(&forged.snapshot));
    repository
        .forget(&[(forged.snapshot, "forged".into())], "here")
        .unwrap();
    for _ in 0..2 {
        collect_at_once();
    }
    assert!(!repository.stored_ids().unwrap().contains(&forged.snapshot));
    assert_eq!(restored(&repository, &before), files(1));
    assert_eq!(damage(Depth::Data), []);
    let error = back_up(&with_key(&place, &stolen), &files(4)).unwrap_err();
    assert!(error.to_string().contains("was revoked on"), "{error}");
    back_up(&with_key(&place, &other), &files(5)).unwrap();
    let again = repository.host_key("web1").unwrap();
    back_up(&with_key(&place, &again), &files(6)).unwrap();
    assert_eq!(repository.snapshots_from_store().unwrap().0.len(), 4);
}

#[test]
fn a_store_that_hides_the_newest_epoch_is_noticed_and_written_to_no_more() {
    let place = Place::new();
    let key = host_key(&place, "web1");
    rotate(&place, &place.operator).unwrap();
    let root = back_up(&with_key(&place, &key), &files(1)).unwrap();
    let object = place
        .directory
        .path()
        .join("repository/announcements/00000002");
    std::fs::remove_file(&object).unwrap();
    let spare = place.directory.path().join("repository/spares");
    std::fs::remove_file(spare.join("announcements/00000002")).unwrap();
    let host = with_key(&place, &key);
    let error = back_up(&host, &files(2)).unwrap_err();
    assert!(error.to_string().contains("announcement 2"), "{error}");
    assert_eq!(host.snapshots_from_store().unwrap().0.len(), 1);
    let operator = as_operator(&place, &place.operator).unwrap();
    assert_eq!(restored(&operator, &root), files(1));
    let progress = holdfast_base::progress::Progress::default();
    let report = check_repository(&operator, Depth::Structure, &Cancel::new(), &progress).unwrap();
    assert_eq!(report.damage[0].0, "announcements/00000002");
    // A new epoch mends it.
    let change = rotate(&place, &place.operator).unwrap();
    assert_eq!(
        (change.announcement.announcement, change.announcement.epoch),
        (3, 3)
    );
    back_up(&with_key(&place, &key), &files(2)).unwrap();
    sound(&place);
}

fn resealing() -> Options {
    Options {
        reseal_before: Some(2),
        grace: Duration::ZERO,
        // Whoever crashed is known to be dead.
        expire_after: Duration::ZERO,
        host: "here".into(),
        ..Options::default()
    }
}

#[test]
fn sealing_anew_that_breaks_at_any_operation_loses_nothing_and_the_next_completes_it() {
    let base = Place::new();
    let root = back_up(&base.open(Role::Write), &files(1)).unwrap();
    rotate(&base, &base.operator).unwrap();
    let reseal = |place: &Place, store: Arc<dyn Store>| {
        let broken = Setup {
            store,
            ..setup(place.directory.path())
        };
        let operators = std::slice::from_ref(&place.operator);
        let operator = Repository::open_as_operator(broken, operators).map(Arc::new)?;
        collect(&operator, &resealing(), &Cancel::new(), &Default::default())
    };
    let after = After::Gone;
    for fault in [Fault::Fail, Fault::LoseAnswer] {
        let mut last = 0;
        for at in 1..OPERATIONS_MAX {
            last = at;
            let place = base.copy();
            let plan = Plan { at, fault, after };
            let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
            let result = reseal(&place, store.clone());
            let struck = store.struck();
            let changes = ["create", "commit", "delete"];
            let is_change = |what: &String| changes.iter().any(|word| what.starts_with(word));
            if fault == Fault::LoseAnswer && struck.as_ref().is_some_and(|what| !is_change(what)) {
                // The same as a failure.
                continue;
            }
            let told = format!("{plan:?} at {struck:?}: {:?}", result.err());
            let operator = as_operator(&place, &place.operator).unwrap();
            assert_eq!(restored(&operator, &root), files(1), "{told}");
            for _ in 0..4 {
                let again = reseal(&place, place.store());
                again.unwrap_or_else(|error| panic!("{told}: {error}"));
            }
            let operator = as_operator(&place, &place.operator).unwrap();
            assert_eq!(restored(&operator, &root), files(1), "{told}");
            let taken = with_key(&place, &place.key);
            assert!(is_shut(&taken, &root, 2), "{told}");
            sound(&place);
            if struck.is_none() {
                break;
            }
        }
        assert!(last > 7 && last < OPERATIONS_MAX - 1, "{fault:?}: {last}");
    }
}

#[test]
fn old_data_is_sealed_anew_and_opens_without_the_old_epoch() {
    let place = Place::new();
    let root = back_up(&place.open(Role::Write), &files(1)).unwrap();
    rotate(&place, &place.operator).unwrap();
    let operator = as_operator(&place, &place.operator).unwrap();
    for round in 0..4 {
        let report = collect(&operator, &resealing(), &Cancel::new(), &Default::default()).unwrap();
        // Only the first has anything to seal anew.
        assert_eq!(report.repacked.packs > 0, round == 0, "{report:?}");
        assert_eq!(restored(&operator, &root), files(1));
    }
    // The key of the first epoch, which somebody may have taken, opens nothing any more.
    let taken = with_key(&place, &place.key);
    assert!(is_shut(&taken, &root, 2));
    sound(&place);
}
