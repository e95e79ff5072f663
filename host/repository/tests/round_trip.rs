//! From entries to sealed packs in a directory, and back.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_base::entry::EntryPath;
use holdfast_base::progress::Progress;
use holdfast_repository::check::{Depth, check_repository};
use holdfast_repository::keys::Role;
use holdfast_repository::read::Reader;
use holdfast_repository::seal::{Identity, Recipient, Sealer};
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{Repository, Setup};
use holdfast_testkit::sealer::NativeAge;
use std::path::Path;
use std::sync::Arc;
use support::{Bytes, Place, file, find_files, noise, setup};

fn sample() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = (0..600)
        .map(|n| {
            (
                format!("d{:02}/f{n:04}", n / 40),
                noise(n, 100 + n as usize * 37),
            )
        })
        .collect();
    files.push(("e/empty".into(), vec![]));
    files.push(("e/large".into(), noise(1_000_000, 11 << 20)));
    files.push((
        "e/text".into(),
        b"id,name,city\n1,anna,oslo\n".repeat(300_000),
    ));
    files
}

fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, Vec<u8>)> {
    files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.clone()))
        .collect()
}

#[test]
fn what_was_backed_up_comes_back() {
    let place = Place::new();
    let files = sample();
    let root = place.backup(&borrowed(&files));
    assert_eq!(root.counts.entries, files.len() as u64);
    assert_eq!(place.restore(&root), files.into_iter().collect());
    let report = check_repository(
        &place.open(Role::Read),
        Depth::Data,
        &Cancel::new(),
        &Progress::default(),
    )
    .unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
    assert_eq!(report.snapshots, 1);
}

#[test]
fn a_second_run_stores_next_to_nothing_and_an_edit_little() {
    let place = Place::new();
    let mut files = sample();
    let first = place.backup(&borrowed(&files));
    let second = place.backup(&borrowed(&files));
    assert_eq!(second.counts.new_bytes, 0);
    assert_eq!(second.counts.unchanged_files, files.len() as u64);
    assert!(second.counts.stored_bytes < 2_000, "{:?}", second.counts);
    files[600 + 1].1[5 << 20] ^= 1;
    let third = place.backup(&borrowed(&files));
    assert!(third.counts.new_bytes < 3 << 20, "{:?}", third.counts);
    assert!(third.counts.stored_bytes < first.counts.stored_bytes / 4);
    assert_eq!(place.restore(&third), files.into_iter().collect());
}

#[test]
fn an_operators_identity_and_the_store_are_enough() {
    let place = Place::new();
    let files = sample();
    let root = place.backup(&borrowed(&files));
    let mut setup = setup(place.directory.path());
    setup.cache = None;
    let repository =
        Repository::open_as_operator(setup, std::slice::from_ref(&place.operator)).unwrap();
    assert_eq!(repository.snapshots().unwrap().0, [root]);
    let stranger = Identity::Key(NativeAge.generate().unwrap().identity);
    let setup = Setup {
        cache: None,
        ..support::setup(place.directory.path())
    };
    assert!(Repository::open_as_operator(setup, &[stranger]).is_err());
}

#[test]
fn a_write_key_cannot_read_content_and_an_audit_key_can_list() {
    let place = Place::new();
    let root = place.backup(&[("a", noise(1, 5_000))]);
    let reader = Reader::new(place.open(Role::Write)).unwrap();
    assert!(reader.read_items(&root).unwrap().next().unwrap().is_err());
    let audit = place.open(Role::Audit);
    assert_eq!(audit.snapshots().unwrap().0.len(), 1);
    let reader = Reader::new(audit).unwrap();
    assert_eq!(reader.references(&root).unwrap().count(), 2);
}

#[test]
fn a_second_init_and_a_foreign_key_are_refused() {
    let place = Place::new();
    let operator = NativeAge.generate().unwrap();
    let again = Repository::init(
        &setup(place.directory.path()),
        &[Recipient::PublicKey(operator.public_key)],
    );
    assert!(again.is_err());
    let other = Place::new();
    assert!(Repository::open(setup(place.directory.path()), other.key.clone()).is_err());
}

#[test]
fn streams_are_entries_and_a_dropped_one_is_not() {
    let place = Place::new();
    let session = Arc::new(place.begin());
    let dump = b"INSERT INTO t VALUES (1);\n".repeat(400_000);
    let mut dropped = session
        .stream(EntryPath::new("half").unwrap(), vec![])
        .unwrap();
    dropped.write(&noise(3, 6 << 20)).unwrap();
    drop(dropped);
    let mut stream = session
        .stream(EntryPath::new("dump.sql").unwrap(), vec![])
        .unwrap();
    for piece in dump.chunks(100_000) {
        stream.write(piece).unwrap();
    }
    assert!(
        session
            .stream(EntryPath::new("dump.sql").unwrap(), vec![])
            .is_err()
    );
    assert_eq!(stream.finish().unwrap(), dump.len() as u64);
    let session = Arc::into_inner(session).unwrap();
    let root = session.commit(SourceEnd::seen()).unwrap();
    let restored = place.restore(&root);
    assert_eq!(restored.keys().collect::<Vec<_>>(), ["dump.sql"]);
    assert_eq!(restored["dump.sql"], dump);
}

#[test]
fn a_run_that_is_given_up_leaves_no_snapshot_and_its_packs_serve_the_next() {
    let place = Place::new();
    let files = sample();
    let session = place.begin();
    for (path, bytes) in borrowed(&files) {
        session
            .add_entry(file(path, bytes.len()), Some(Box::new(Bytes::of(&bytes))))
            .unwrap();
    }
    session.settle().unwrap();
    assert!(session.abandon().is_none());
    assert!(place.open(Role::Write).snapshot_ids().unwrap().is_empty());
    let root = place.backup(&borrowed(&files));
    assert_eq!(root.counts.new_bytes, 0, "{:?}", root.counts);
    assert_eq!(place.restore(&root), files.into_iter().collect());
}

#[test]
fn every_flipped_byte_region_of_every_object_is_noticed() {
    let place = Place::new();
    place.backup(&borrowed(&sample()[..50]));
    let mut objects = Vec::new();
    find_files(&place.directory.path().join("repository"), &mut objects);
    for object in objects {
        let sound = std::fs::read(&object).unwrap();
        for at in [0, sound.len() / 3, sound.len() / 2, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x40;
            replace(&object, &damaged);
            assert!(is_noticed(&place), "byte {at} of {object:?}");
        }
        replace(&object, &sound[..sound.len() - 1]);
        assert!(is_noticed(&place), "a cut of {object:?}");
        std::fs::remove_file(&object).unwrap();
        // Removing these is how a snapshot is removed, and how collection ends a session. Spares need not be there.
        let may_go = ["/snapshots/", "/sessions/", "/spares/"];
        let may_go = may_go
            .iter()
            .any(|area| object.to_string_lossy().contains(area));
        assert!(is_noticed(&place) || may_go, "loss of {object:?}");
        replace(&object, &sound);
    }
    assert!(!is_noticed(&place));
}

fn replace(object: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(object);
    std::fs::write(object, bytes).unwrap();
}

/// Opens as an operator without a cache, so that every kind of object is needed.
fn is_noticed(place: &Place) -> bool {
    let setup = Setup {
        cache: None,
        ..setup(place.directory.path())
    };
    let opened = Repository::open_as_operator(setup, std::slice::from_ref(&place.operator));
    let Ok(repository) = opened else { return true };
    let report = check_repository(
        &Arc::new(repository),
        Depth::Data,
        &Cancel::new(),
        &Progress::default(),
    );
    report.map_or(true, |report| !report.damage.is_empty())
}
