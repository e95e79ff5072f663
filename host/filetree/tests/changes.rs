//! What changes while a tree is being read.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::entry::{EntryKind, EntryPath};
use holdfast_filetree::{Excludes, Found, Tree, WalkOptions};
use rustix::fs::{CWD, FileType, Mode};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, symlink};
use support::{places, walk};

#[test]
fn what_changes_between_finding_and_reading_is_noticed() {
    let place = tempfile::tempdir().unwrap();
    for name in ["grows", "vanishes", "swapped", "rewritten"] {
        std::fs::write(place.path().join(name), b"12345").unwrap();
    }
    let mut found = walk(place.path(), WalkOptions::default()).0;
    let mut content = |name: &str| {
        let at = found
            .iter()
            .position(|(entry, _)| entry.path.to_string() == name)
            .unwrap();
        found.remove(at).1.unwrap()
    };
    let (grows, vanishes, swapped, rewritten) = (
        content("grows"),
        content("vanishes"),
        content("swapped"),
        content("rewritten"),
    );
    std::fs::write(place.path().join("grows"), b"1234567890").unwrap();
    std::fs::remove_file(place.path().join("vanishes")).unwrap();
    std::fs::remove_file(place.path().join("swapped")).unwrap();
    symlink("/etc/passwd", place.path().join("swapped")).unwrap();
    let mut file = rewritten.open().unwrap();
    std::fs::write(place.path().join("rewritten"), b"54321").unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert!(file.has_changed().unwrap());
    assert!(grows.open().unwrap().has_changed().unwrap());
    assert_eq!(
        vanishes.open().err().unwrap().kind(),
        io::ErrorKind::NotFound
    );
    assert!(swapped.open().is_err());
}
#[test]
fn what_vanishes_after_its_directory_was_listed_is_named() {
    let (_place, [root, ..]) = places();
    for name in ["a", "b", "c"] {
        std::fs::write(root.join(name), b"x").unwrap();
    }
    let mut walk = Tree::open(&root)
        .unwrap()
        .walk(WalkOptions::default())
        .unwrap();
    assert!(matches!(walk.next(), Some(Found::Entry(..))));
    std::fs::remove_file(root.join("b")).unwrap();
    match walk.next() {
        Some(Found::Skipped(warning)) => {
            assert_eq!(warning.subject, "b");
            assert_eq!(warning.message, "it vanished before it could be looked at");
        }
        _ => panic!("it is gone"),
    }
    assert!(matches!(walk.next(), Some(Found::Entry(..))));
    assert!(walk.next().is_none());
}

#[test]
fn a_file_that_shrinks_ends_early_and_says_so() {
    let (_place, [root, ..]) = places();
    std::fs::write(root.join("whole"), vec![7; 100_000]).unwrap();
    let sparse = std::fs::File::create(root.join("with holes")).unwrap();
    sparse.write_all_at(b"data", 5 << 20).unwrap();
    for (entry, content) in walk(&root, WalkOptions::default()).0 {
        let mut file = content.unwrap().open().unwrap();
        let path = root.join(entry.path.to_string());
        let shrinking = std::fs::File::options().write(true).open(path).unwrap();
        shrinking.set_len(10).unwrap();
        let mut bytes = Vec::new();
        match file.read_to_end(&mut bytes) {
            Ok(count) => assert_eq!(count, 10),
            Err(error) => assert_eq!(error.to_string(), "it shrank while it was read"),
        }
        assert!(file.has_changed().unwrap());
    }
}

#[test]
fn a_file_that_became_a_fifo_or_another_file_is_an_error_and_does_not_block() {
    let (_place, [root, ..]) = places();
    for name in ["fifo", "other"] {
        std::fs::write(root.join(name), b"x").unwrap();
    }
    let found = walk(&root, WalkOptions::default()).0;
    // Made before the old one goes, so that the inode is another.
    std::fs::write(root.join("new"), b"x").unwrap();
    std::fs::rename(root.join("new"), root.join("other")).unwrap();
    std::fs::remove_file(root.join("fifo")).unwrap();
    rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for (_, content) in found {
        let error = content.unwrap().open().err().unwrap();
        assert_eq!(error.to_string(), "something else has taken its place");
    }
}

#[test]
fn a_directory_that_is_moved_away_is_named_and_its_new_place_is_not_entered() {
    let (_place, [root, _, outside]) = places();
    let deep = "d/".repeat(100);
    std::fs::create_dir_all(root.join(&deep)).unwrap();
    std::fs::write(root.join("d/d/z"), b"x").unwrap();
    std::fs::write(outside.join("z"), b"precious").unwrap();
    let mut walk = Tree::open(&root)
        .unwrap()
        .walk(WalkOptions::default())
        .unwrap();
    // Far below, where the upper directories are closed.
    for _ in 0..100 {
        assert!(matches!(walk.next(), Some(Found::Entry(..))));
    }
    std::fs::rename(root.join("d/d/d"), outside.join("d")).unwrap();
    std::fs::rename(root.join("d/d"), outside.join("was d")).unwrap();
    std::fs::create_dir(root.join("d/d")).unwrap();
    std::fs::write(root.join("d/d/z"), b"another").unwrap();
    let rest: Vec<_> = walk.collect();
    assert_eq!(rest.len(), 1);
    match &rest[0] {
        Found::Unreadable(warning, _) => {
            assert_eq!(warning.subject, "d/d");
            assert_eq!(
                warning.message,
                "1 more of its entries are left out: somebody moved it"
            );
        }
        _ => panic!("it was moved away"),
    }
}

#[test]
fn a_link_is_never_made_to_a_name_that_became_no_entry() {
    let (_place, [root, ..]) = places();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("a")).unwrap();
    std::fs::hard_link(root.join("a"), root.join("b")).unwrap();
    std::fs::write(root.join("excluded"), b"x").unwrap();
    std::fs::hard_link(root.join("excluded"), root.join("kept")).unwrap();
    std::fs::hard_link(root.join("excluded"), root.join("linked")).unwrap();
    let options = WalkOptions {
        excludes: Excludes::new(&["excluded".into()]).unwrap(),
        ..WalkOptions::default()
    };
    let (entries, skipped) = walk(&root, options);
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    let kinds: Vec<_> = entries.into_iter().map(|(entry, _)| entry.kind).collect();
    assert!(matches!(kinds[0], EntryKind::File { .. }));
    let kept = EntryPath::new("kept").unwrap();
    assert_eq!(kinds[1], EntryKind::HardLink { target: kept });
}
