//! What a walk meets, and what it leaves out.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::entry::EntryPath;
use holdfast_filetree::{Excludes, Tree, WalkOptions};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use support::{places, walk};

#[test]
fn sockets_are_named_and_excludes_and_caches_are_left_out() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    for directory in ["cache", "keep"] {
        std::fs::create_dir(root.join(directory)).unwrap();
        std::fs::write(root.join(directory).join("data"), b"x").unwrap();
    }
    std::fs::write(
        root.join("cache/CACHEDIR.TAG"),
        b"Signature: 8a477f597d28d172789f06886806bc55\n",
    )
    .unwrap();
    std::fs::write(root.join("keep/CACHEDIR.TAG"), b"not one").unwrap();
    std::fs::write(root.join("x.tmp"), b"x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let options = WalkOptions {
        excludes: Excludes::new(&["*.tmp".into()]).unwrap(),
        exclude_caches: true,
        prefix: Some(EntryPath::new("srv").unwrap()),
        ..WalkOptions::default()
    };
    let (entries, skipped) = walk(root, options);
    let names: Vec<_> = entries
        .iter()
        .map(|(entry, _)| entry.path.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "srv",
            "srv/cache",
            "srv/cache/CACHEDIR.TAG",
            "srv/keep",
            "srv/keep/CACHEDIR.TAG",
            "srv/keep/data"
        ]
    );
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].starts_with("srv/socket: it is a socket"));
}
#[test]
fn names_come_sorted_by_their_bytes_and_parents_before_children() {
    let (_place, [root, ..]) = places();
    std::fs::create_dir_all(root.join("a/x")).unwrap();
    for name in [&b"a-b"[..], b"a.b", b"\xff", b"Z", b"a/x/y"] {
        std::fs::write(root.join(OsStr::from_bytes(name)), b"").unwrap();
    }
    let (entries, _) = walk(&root, WalkOptions::default());
    let paths: Vec<_> = entries.iter().map(|(entry, _)| &entry.path).collect();
    let shown: Vec<_> = paths.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["Z", "a", "a/x", "a/x/y", "a-b", "a.b", "\\xff"]);
    assert!(paths.is_sorted());
}

#[test]
fn another_file_system_is_named_but_not_entered_when_asked_for_one() {
    let place = tempfile::tempdir_in("/dev/shm").unwrap();
    let device = |path: &str| std::fs::metadata(path).unwrap().dev();
    assert_ne!(
        device("/dev"),
        device("/dev/shm"),
        "this test needs two file systems"
    );
    let inside = format!("shm/{}", place.path().file_name().unwrap().display());
    for (one_file_system, expected) in [(true, false), (false, true)] {
        let options = WalkOptions {
            one_file_system,
            // Other tests work below it meanwhile.
            excludes: Excludes::new(&["/*".into(), "!/shm".into()]).unwrap(),
            ..WalkOptions::default()
        };
        let names: Vec<_> = walk(Path::new("/dev"), options).0;
        let has = |wanted: &str| names.iter().any(|(it, _)| it.path.to_string() == wanted);
        assert!(has("shm"));
        assert_eq!(has(&inside), expected);
    }
}

#[test]
fn a_single_file_is_an_entry_by_the_name_that_was_given_even_behind_a_link() {
    let (_place, [root, ..]) = places();
    std::fs::write(root.join("one"), b"content").unwrap();
    symlink("one", root.join("link")).unwrap();
    for name in ["one", "link"] {
        let mut entries = walk(&root.join(name), WalkOptions::default()).0;
        let (entry, content) = entries.remove(0);
        assert_eq!(entry.path.to_string(), name);
        let mut bytes = Vec::new();
        let mut file = content.unwrap().open().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"content");
        assert!(entries.is_empty());
    }
}

#[test]
fn one_tree_can_be_walked_twice_at_once() {
    let (_place, [root, ..]) = places();
    for name in ["a", "b"] {
        std::fs::write(root.join(name), b"x").unwrap();
    }
    let tree = Tree::open(&root).unwrap();
    let one = tree.walk(WalkOptions::default()).unwrap();
    let other = tree.walk(WalkOptions::default()).unwrap();
    assert_eq!(one.zip(other).count(), 2);
    assert_eq!(tree.walk(WalkOptions::default()).unwrap().count(), 2);
    assert_eq!(tree.list_directory(None).unwrap().len(), 2);
}

#[test]
fn what_is_left_out_by_options_is_counted() {
    let (_place, [root, ..]) = places();
    std::fs::create_dir(root.join("cache")).unwrap();
    std::fs::write(root.join("cache/inside"), b"x").unwrap();
    std::fs::write(root.join("a.tmp"), b"x").unwrap();
    let options = WalkOptions {
        excludes: Excludes::new(&["cache/".into(), "*.tmp".into()]).unwrap(),
        ..WalkOptions::default()
    };
    let mut walk = Tree::open(&root).unwrap().walk(options).unwrap();
    assert!(walk.next().is_none());
    assert_eq!(walk.excluded(), 2);
}

#[test]
fn a_directory_that_cannot_be_read_is_an_entry_and_a_warning() {
    if rustix::process::geteuid().is_root() {
        println!("root reads every directory: not tried");
        return;
    }
    let (_place, [root, ..]) = places();
    std::fs::create_dir(root.join("closed")).unwrap();
    std::fs::set_permissions(root.join("closed"), PermissionsExt::from_mode(0o000)).unwrap();
    let (entries, skipped) = walk(&root, WalkOptions::default());
    assert_eq!((entries.len(), skipped.len()), (1, 1));
}

#[test]
fn what_a_walk_passes_over_is_known_without_walking() {
    let (_place, [root, ..]) = places();
    std::fs::create_dir_all(root.join("cache/below")).unwrap();
    std::fs::create_dir_all(root.join("kept/left out")).unwrap();
    std::fs::write(root.join("kept/file"), b"x").unwrap();
    let tag = b"Signature: 8a477f597d28d172789f06886806bc55\n";
    std::fs::write(root.join("cache/CACHEDIR.TAG"), tag).unwrap();
    let tree = Tree::open(&root).unwrap();
    let options = WalkOptions {
        excludes: Excludes::new(&["left out".into(), "file/".into()]).unwrap(),
        exclude_caches: true,
        one_file_system: true,
        ..WalkOptions::default()
    };
    let passes_over = |name: &str| tree.passes_over(&options, name.as_bytes());
    assert!(passes_over("cache/below") && passes_over("kept/left out"));
    for met in [
        "cache",
        "cache/CACHEDIR.TAG",
        "kept",
        "kept/file",
        "kept/file/in it",
        "absent/x",
    ] {
        assert!(!passes_over(met), "{met}");
    }
    let all = WalkOptions::default();
    assert!(!tree.passes_over(&all, b"cache/below"));
}
