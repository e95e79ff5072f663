//! Collection: what nobody needs goes, and what a committed or committing snapshot needs stays.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::error::{Describe, Kind};
use holdfast_repository::collect::{Options, Report};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::write::SourceEnd;
use holdfast_repository::{ObjectError, ObjectFault, UpkeepError};
use holdfast_repository::{RepositoryError, SnapshotWriter};
use std::path::Path;
use std::time::Duration;
use support::collecting::{at_once, gc, is_clean};
use support::{Bytes, Place, file, noise};

fn try_collect(place: &Place, role: Role, options: &Options) -> Result<Report, RepositoryError> {
    gc(&place.open(role), options)
}

fn collected(place: &Place, role: Role) -> Report {
    try_collect(place, role, &at_once()).unwrap()
}

/// Collects until whatever can go has gone.
fn collect_all(place: &Place, role: Role) {
    for _ in 0..4 {
        collected(place, role);
    }
}

fn forget(place: &Place, root: &Root) {
    let which = [(root.snapshot, "a test".to_owned())];
    place.open(Role::Write).forget(&which, "here").unwrap();
}

fn packs(place: &Place) -> usize {
    place.store().list("packs").unwrap().len()
}

fn add(session: &SnapshotWriter, path: &str, bytes: &[u8]) {
    let content = Box::new(Bytes::of(bytes));
    session
        .add_entry(file(path, bytes.len()), Some(content))
        .unwrap();
}

/// Waits until the store's clock, which is coarse, shows a later time than what is there bears.
fn tick(place: &Place) {
    let newest = place.store().list("snapshots").unwrap();
    let newest = newest.iter().map(|listed| listed.received).max().unwrap();
    let probe = place.directory.path().join("probe");
    loop {
        std::fs::write(&probe, b"x").unwrap();
        let now = probe.metadata().unwrap().modified().unwrap();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        if now.as_nanos() > newest.0.unsigned_abs().into() {
            return;
        }
    }
}

#[test]
fn what_only_a_forgotten_snapshot_needed_goes_and_the_rest_stays() {
    let place = Place::new();
    let first = place.backup(&[("a", noise(1, 900_000)), ("b", noise(2, 900_000))]);
    let kept = [("c", noise(3, 900_000)), ("d", noise(4, 50_000))];
    let second = place.backup(&kept);
    let before = packs(&place);
    forget(&place, &first);
    let generations: Vec<Report> = (0..3).map(|_| collected(&place, Role::Audit)).collect();
    assert_eq!(generations[0].removed_snapshots, [first.snapshot]);
    assert!(generations[0].named.packs > 0);
    assert_eq!(
        generations[0].removed.packs, 0,
        "named before it is removed"
    );
    assert_eq!(generations[1].removed.packs, 0, "two generations pass");
    assert_eq!(generations[2].removed, generations[0].named);
    assert_eq!(
        packs(&place) as u64,
        before as u64 - generations[2].removed.packs
    );
    assert_eq!(place.restore(&second).len(), 2);
    is_clean(&place);
    // What was removed is stored anew, and not taken for held.
    let again = place.backup(&[("a", noise(1, 900_000))]);
    assert_eq!(again.counts.new_bytes, 900_000);
    assert_eq!(place.restore(&again)["a"], noise(1, 900_000));
    is_clean(&place);
}

#[test]
fn nothing_goes_before_its_time() {
    let place = Place::new();
    let first = place.backup(&[("a", noise(1, 300_000))]);
    forget(&place, &first);
    let options = Options {
        host: "here".into(),
        ..Options::default()
    };
    for _ in 0..4 {
        let report = try_collect(&place, Role::Audit, &options).unwrap();
        assert_eq!(report.removed_snapshots, []);
    }
    place.open(Role::Write).undelete(&first.snapshot).unwrap();
    assert_eq!(place.restore(&first).len(), 1);
    // Its packs wait for the grace time though the snapshot is gone.
    forget(&place, &first);
    let options = Options {
        forgotten_grace: Duration::ZERO,
        ..options
    };
    for _ in 0..4 {
        let report = try_collect(&place, Role::Audit, &options).unwrap();
        assert_eq!(report.removed.packs, 0);
    }
    assert!(packs(&place) > 0);
}

#[test]
fn a_held_snapshot_stays() {
    let place = Place::new();
    let root = place.backup(&[("a", noise(1, 300_000))]);
    forget(&place, &root);
    let repository = place.open(Role::Write);
    repository
        .find_hold(&root.snapshot, "evidence", None, "here")
        .unwrap();
    collect_all(&place, Role::Audit);
    assert_eq!(place.restore(&root).len(), 1);
}

#[test]
fn a_run_that_relies_on_what_was_forgotten_can_still_commit() {
    let place = Place::new();
    let bytes = noise(1, 900_000);
    let first = place.backup(&[("a", bytes.clone())]);
    tick(&place);
    let session = place.begin();
    add(&session, "a", &bytes);
    session.settle().unwrap();
    forget(&place, &first);
    collect_all(&place, Role::Audit);
    let root = session.commit(SourceEnd::seen()).unwrap();
    assert_eq!(root.counts.new_bytes, 0, "it relied on what was there");
    collect_all(&place, Role::Audit);
    assert_eq!(place.restore(&root)["a"], bytes);
    is_clean(&place);
    // A pack that was named once is not relied on again, and goes when what it held lies elsewhere.
    let next = place.backup(&[("a", bytes.clone())]);
    assert_eq!(next.counts.new_bytes, 900_000);
    collect_all(&place, Role::Audit);
    assert_eq!(place.restore(&root)["a"], bytes);
    assert_eq!(place.restore(&next)["a"], bytes);
    is_clean(&place);
}

#[test]
fn a_run_whose_session_was_ended_goes_on_in_another_if_all_is_there() {
    let place = Place::new();
    let session = place.begin();
    add(&session, "a", &noise(1, 900_000));
    session.settle().unwrap();
    let expire = sessions(&place);
    let options = Options {
        expire: expire.clone(),
        ..at_once()
    };
    let report = try_collect(&place, Role::Audit, &options).unwrap();
    assert_eq!(report.expired, expire);
    let root = session.commit(SourceEnd::seen()).unwrap();
    assert_ne!(root.snapshot, expire[0]);
    collect_all(&place, Role::Audit);
    assert_eq!(place.restore(&root)["a"], noise(1, 900_000));
    assert_eq!(place.open(Role::Audit).snapshots().unwrap().0.len(), 1);
    is_clean(&place);
}

#[test]
fn a_run_whose_session_and_packs_are_gone_commits_nothing() {
    let place = Place::new();
    let first = place.backup(&[("a", noise(1, 900_000))]);
    tick(&place);
    let session = place.begin();
    add(&session, "a", &noise(1, 900_000));
    session.settle().unwrap();
    let options = Options {
        expire: sessions(&place),
        ..at_once()
    };
    forget(&place, &first);
    try_collect(&place, Role::Audit, &options).unwrap();
    collect_all(&place, Role::Audit);
    let again = try_collect(&place, Role::Audit, &options).unwrap_err();
    assert!(
        matches!(
            again,
            RepositoryError::Upkeep(UpkeepError::NoSession { .. })
        ),
        "{again}"
    );
    let error = session.commit(SourceEnd::seen()).unwrap_err();
    assert!(
        matches!(error.object_error(), Some(ObjectError::Overtaken { .. })),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::Temporary);
    assert!(place.open(Role::Audit).snapshots().unwrap().0.is_empty());
    let root = place.backup(&[("a", noise(1, 900_000))]);
    assert_eq!(place.restore(&root).len(), 1);
    is_clean(&place);
}

fn sessions(place: &Place) -> Vec<holdfast_base::id::SnapshotId> {
    let listed = place.store().list("sessions").unwrap();
    let open = listed.iter().map(|l| l.name.last().parse().unwrap());
    let committed = place.open(Role::Audit).snapshot_ids().unwrap();
    open.filter(|id| !committed.contains(id)).collect()
}

#[test]
fn what_dead_runs_left_goes() {
    let place = Place::new();
    let root = place.backup(&[("a", noise(1, 300_000))]);
    let before = packs(&place);
    let session = place.begin();
    add(&session, "b", &noise(2, 900_000));
    session.settle().unwrap();
    assert!(session.abandon().is_none());
    // One that no segment lists.
    let stray = blake3::hash(b"stray").to_hex();
    let stray = place
        .directory
        .path()
        .join(format!("repository/packs/{}/{stray}", &stray[..2]));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, noise(5, 10_000)).unwrap();
    assert!(packs(&place) > before);
    collect_all(&place, Role::Audit);
    assert_eq!(packs(&place), before);
    assert_eq!(place.restore(&root).len(), 1);
    is_clean(&place);
}

#[test]
fn packs_of_which_little_is_needed_are_copied_with_a_reading_key() {
    let place = Place::new();
    let files: Vec<(String, Vec<u8>)> = (0..40)
        .map(|n| (format!("f{n:02}"), noise(n, 200_000)))
        .collect();
    let all: Vec<(&str, Vec<u8>)> = files.iter().map(|(p, b)| (p.as_str(), b.clone())).collect();
    let first = place.backup(&all);
    let second = place.backup(&all[..4]);
    forget(&place, &first);
    let stored = |place: &Place| -> u64 {
        place
            .store()
            .list("packs")
            .unwrap()
            .iter()
            .map(|l| l.size)
            .sum()
    };
    collect_all(&place, Role::Audit);
    let audited = stored(&place);
    let report = collected(&place, Role::Read);
    assert!(
        report.repacked.packs > 0 && report.rewritten_bytes > 0,
        "{report:?}"
    );
    collect_all(&place, Role::Read);
    let rest = stored(&place);
    assert!(rest < 1_200_000 && rest < audited, "{rest} of {audited}");
    let restored = place.restore(&second);
    assert!(
        all[..4]
            .iter()
            .all(|(path, bytes)| restored[*path] == *bytes)
    );
    is_clean(&place);
}

/// Three snapshots whose runs stored the same at once.
fn stored_thrice() -> (Place, Vec<Root>) {
    let place = Place::new();
    let sessions = [place.begin(), place.begin(), place.begin()];
    for (n, session) in (1..).zip(&sessions) {
        add(session, "shared", &noise(0, 900_000));
        add(session, "own", &noise(n, 100_000));
        session.settle().unwrap();
    }
    let roots = sessions.map(|session| session.commit(SourceEnd::seen()).unwrap());
    (place, roots.into())
}

/// Collects with a reading key until nothing is wasted and nothing more is done; what is shared is there once.
fn comes_to_rest(place: &Place, roots: &[Root]) {
    let options = Options {
        unused_permille: 0,
        ..at_once()
    };
    let mut report = Report::default();
    for _ in 0..5 {
        report = try_collect(place, Role::Read, &options).unwrap();
    }
    assert_eq!(report.repacked.packs, 0, "{report:?}");
    assert_eq!(report.kept.packs + report.waiting.packs, 0, "{report:?}");
    assert!(report.stored.bytes < 1_400_000, "{report:?}");
    for root in roots {
        let files = place.restore(root);
        assert_eq!(files["shared"], noise(0, 900_000));
    }
    is_clean(place);
}

#[test]
fn what_several_runs_stored_at_once_is_copied_once() {
    let (place, roots) = stored_thrice();
    assert!(packs(&place) > 6);
    comes_to_rest(&place, &roots);
}

#[test]
fn what_tombstones_name_and_is_needed_again_is_copied_once() {
    let (place, roots) = stored_thrice();
    tick(&place);
    let session = place.begin();
    add(&session, "shared", &noise(0, 900_000));
    session.settle().unwrap();
    roots.iter().for_each(|root| forget(&place, root));
    assert!(collected(&place, Role::Audit).named.packs > 2);
    let root = session.commit(SourceEnd::seen()).unwrap();
    assert_eq!(root.counts.new_bytes, 0);
    comes_to_rest(&place, &[root]);
}

#[test]
fn a_dry_run_says_what_a_real_one_does_and_changes_nothing() {
    let place = Place::new();
    let first = place.backup(&[("a", noise(1, 900_000))]);
    place.backup(&[("b", noise(2, 900_000))]);
    forget(&place, &first);
    let dry = Options {
        dry_run: true,
        ..at_once()
    };
    for _ in 0..3 {
        let before = objects(place.directory.path());
        let said = try_collect(&place, Role::Audit, &dry).unwrap();
        assert_eq!(objects(place.directory.path()), before);
        let done = collected(&place, Role::Audit);
        assert_eq!(said.named, done.named);
        assert_eq!(said.removed, done.removed);
        assert_eq!(said.removed_snapshots, done.removed_snapshots);
    }
}

/// Returns the files of a repository with what they hold.
fn objects(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![directory.join("repository")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn nothing_is_removed_while_something_is_unclear() {
    let place = Place::new();
    let first = place.backup(&[("a", noise(1, 900_000))]);
    let second = place.backup(&[("b", noise(2, 900_000))]);
    forget(&place, &first);
    for _ in 0..2 {
        collected(&place, Role::Audit);
    }
    let there = place.directory.path().join("repository");
    let snapshot = there.join(format!("snapshots/{}", second.snapshot));
    let sound = std::fs::read(&snapshot).unwrap();
    std::fs::remove_file(&snapshot).unwrap();
    std::fs::write(&snapshot, &sound[..sound.len() / 2]).unwrap();
    std::fs::remove_dir_all(place.directory.path().join("cache")).unwrap();
    let before = objects(place.directory.path());
    let error = try_collect(&place, Role::Audit, &at_once()).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
    assert_eq!(objects(place.directory.path()), before);
    std::fs::remove_file(&snapshot).unwrap();
    std::fs::write(&snapshot, &sound).unwrap();
    assert!(collected(&place, Role::Audit).removed.packs > 0);
    assert_eq!(place.restore(&second).len(), 1);
}
