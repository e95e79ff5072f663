//! Copies between repositories: as packs where the keys are the same, and otherwise as content.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_repository::copy::{Copied, Copier};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::{ObjectFault, UpkeepError};
use support::collecting::is_clean;
use support::{Place, noise};

fn copier(from: &Place, to: &Place) -> Copier {
    Copier::new(from.open(Role::Read), to.open(Role::Write), "here").unwrap()
}

fn copy(from: &Place, to: &Place, root: &Root) -> Copied {
    copier(from, to)
        .copy(root, &Cancel::new(), &Progress::default())
        .unwrap()
}

#[test]
fn content_comes_to_a_repository_with_other_keys() {
    let (from, to) = (Place::new(), Place::new());
    let files = [
        ("a", noise(1, 900_000)),
        ("b/large", noise(2, 9 << 20)),
        ("empty", vec![]),
    ];
    let first = from.backup(&files);
    let copied = copy(&from, &to, &first);
    assert_eq!(to.restore(&copied.root), from.restore(&first));
    let (made, of) = (&copied.root, copied.root.origin.clone().unwrap());
    assert_eq!(
        (of.repository, of.snapshot),
        (first.repository, first.snapshot)
    );
    assert_eq!(
        (&made.job, made.started, made.finished),
        (&first.job, first.started, first.finished)
    );
    // The same again is there already, and a change costs what changed.
    assert!(copier(&from, &to).is_there(&first));
    let second = from.backup(&[("a", noise(1, 900_000)), ("c", noise(3, 200_000))]);
    let copied = copy(&from, &to, &second);
    assert_eq!(copied.root.counts.new_bytes, 200_000);
    is_clean(&to);
    // And back, into a third: it names where it was first made.
    let third = Place::new();
    let again = copy(&to, &third, &copied.root);
    assert_eq!(
        again.root.origin.as_ref().unwrap().identity_key(),
        (second.repository, second.snapshot)
    );
    assert_eq!(third.restore(&again.root), from.restore(&second));
    // What came from there need not go back.
    assert!(copier(&to, &from).is_there(&copied.root));
}

#[test]
fn what_cannot_be_read_is_never_left_out_of_a_copy() {
    let (from, to) = (Place::new(), Place::new());
    let root = from.backup(&[("a", noise(1, 900_000)), ("b", noise(2, 9 << 20))]);
    let packs = from.store().list("packs").unwrap();
    let largest = packs.iter().max_by_key(|pack| pack.size).unwrap();
    let path = from
        .directory
        .path()
        .join("repository")
        .join(largest.name.as_str());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let error = copier(&from, &to)
        .copy(&root, &Cancel::new(), &Progress::default())
        .unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert!(to.open(Role::Audit).snapshots().unwrap().0.is_empty());
}

#[test]
fn a_repository_is_not_copied_into_itself() {
    let place = Place::new();
    let same = Copier::new(place.open(Role::Read), place.open(Role::Write), "here");
    assert!(matches!(
        same.err(),
        Some(UpkeepError::SameRepository { .. })
    ));
}
