//! What somebody plants among keys who may create objects and holds a host's key: it keeps no operator out, and
//! puts off no revocation.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_base::time::Instant;
use holdfast_repository::Repository;
use holdfast_repository::check::{Depth, check_repository};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::{KeyError, KeyFile, Role};
use holdfast_repository::operators::Rotation;
use holdfast_repository::read::Reader;
use holdfast_repository::restore::restore;
use holdfast_repository::seal::{Recipient, Sealer, Secret, seal_bytes};
use holdfast_store::{Attempts, Name, Store};
use holdfast_testkit::sealer::NativeAge;
use std::sync::Arc;
use support::collecting::back_up;
use support::repairs::repaired;
use support::{Files, Memory, Place, noise, setup};

fn files(seed: u32) -> Files {
    [("f".to_owned(), noise(seed, 5_000))].into()
}

fn operator(place: &Place) -> Arc<Repository> {
    let setup = setup(place.directory.path());
    let operators = std::slice::from_ref(&place.operator);
    Arc::new(Repository::open_as_operator(setup, operators).unwrap())
}

fn restored(place: &Place, root: &Root) -> Files {
    let (reader, target) = (Reader::new(operator(place)).unwrap(), Memory::default());
    restore(&reader, root, &|_| true, &target, &Cancel::new()).unwrap();
    target.whole()
}

fn rotate(place: &Place, revoke: &[&str]) {
    let rotation = Rotation {
        revoke: revoke.iter().map(|host| (*host).to_owned()).collect(),
        ..Rotation::default()
    };
    let operators = std::slice::from_ref(&place.operator);
    operator(place).rotate(&rotation, operators).unwrap();
}

fn plant(store: &dyn Store, name: &str, bytes: &[u8]) {
    let name = Name::new(name).unwrap();
    store.create(&name, bytes, Attempts::Repeated).unwrap();
}

/// Seals a key to the operators, who are no secret: announcements name them.
fn sealed(place: &Place, key: &KeyFile) -> Vec<u8> {
    let operator = operator(place);
    let operators = &operator.announcement().unwrap().operators;
    let operators = operators.iter().map(|one| one.recipient.clone());
    let operators: Vec<_> = operators.map(Recipient::PublicKey).collect();
    seal_bytes(&NativeAge, &operators, key.encode().unwrap()).unwrap()
}

/// What looks like the read key of this repository, made by who holds a write key: every secret is the thief's own.
fn forged(write_key: &KeyFile) -> KeyFile {
    let mut key = write_key.clone();
    key.role = Role::Read;
    key.root_key = Some(Secret::new("07".repeat(32)));
    key.catalog = NativeAge.generate().unwrap();
    key.read = Some(Vec::new());
    key
}

#[test]
fn what_a_thief_plants_among_keys_keeps_nobody_out_and_puts_off_no_revocation() {
    let place = Place::new();
    let store = place.store();
    let host = place.key.for_host("web1", Instant(1), &[7; 32]).unwrap();
    let as_host = || {
        let setup = setup(place.directory.path());
        Arc::new(Repository::open(setup, host.clone()).unwrap())
    };
    let first = back_up(&as_host(), &files(1)).unwrap();
    let before = store.get(&Name::new("epochs/00000001").unwrap()).unwrap();
    rotate(&place, &[]);
    let second = back_up(&as_host(), &files(2)).unwrap();

    let mut own_root = forged(&host);
    own_root.verifying_key = "11".repeat(32);
    for (name, bytes) in [
        ("epochs/00000003", sealed(&place, &forged(&host))),
        ("epochs/00000002-7", sealed(&place, &own_root)),
        ("epochs/4294967295", sealed(&place, &forged(&host))),
        // What an operator could open once, in a place where it looks like the newest.
        ("epochs/00000009", before),
        ("announcements/00000003", b"no announcement".to_vec()),
        ("announcements/4294967295", b"no announcement".to_vec()),
        ("spares/announcements/00000004", b"no announcement".to_vec()),
    ] {
        plant(store.as_ref(), name, &bytes);
        assert_eq!(restored(&place, &second), files(2), "{name}");
    }
    // A machine that never saw the repository, and one that did.
    std::fs::remove_dir_all(place.directory.path().join("cache")).unwrap();
    assert_eq!(restored(&place, &first), files(1));
    let third = back_up(&as_host(), &files(3)).unwrap();
    rotate(&place, &["web1"]);
    let error = back_up(&as_host(), &files(4)).unwrap_err();
    assert!(error.to_string().contains("was revoked on"), "{error}");
    for (root, seed) in [(&first, 1), (&second, 2), (&third, 3)] {
        assert_eq!(restored(&place, root), files(seed));
    }
    // What counts for nobody is named, and leaves its place.
    repaired(&place, Role::Read);
    let report = check_repository(
        &operator(&place),
        Depth::Data,
        &Cancel::new(),
        &Progress::default(),
    );
    assert_eq!(report.unwrap().damage, []);
    assert_eq!(restored(&place, &third), files(3));
}

#[test]
fn where_nothing_but_a_planted_epoch_is_left_that_is_said() {
    let place = Place::new();
    let host = place.key.for_host("web1", Instant(1), &[7; 32]).unwrap();
    let planted = sealed(&place, &forged(&host));
    let repository = place.directory.path().join("repository");
    std::fs::remove_file(repository.join("spares/epochs/00000001")).unwrap();
    std::fs::write(repository.join("epochs/00000001"), planted).unwrap();
    let setup = setup(place.directory.path());
    let opened = Repository::open_as_operator(setup, std::slice::from_ref(&place.operator));
    let Err(error) = opened else {
        panic!("a planted key was taken for the repository's");
    };
    assert_eq!(error.to_string(), KeyError::Planted.to_string());
}
