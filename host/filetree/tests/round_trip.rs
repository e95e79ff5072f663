//! What is read from a tree and written into another is the same.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_filetree::ExtractOptions;
use holdfast_filetree::compare::{Aspect, compare, differences};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use support::{assert_equal, copy, places, rich_tree, set_time};

#[test]
fn one_of_everything_comes_back_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    rich_tree(&from);
    copy(&from, &to, ExtractOptions::default()).unwrap();
    assert_eq!(compare(&from, &to).unwrap(), Vec::<String>::new());
    let sparse = std::fs::metadata(to.join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "holes stay holes");
    assert_eq!(
        std::fs::metadata(to.join("dir/file")).unwrap().ino(),
        std::fs::metadata(to.join("second name")).unwrap().ino()
    );
}

#[test]
fn the_comparison_sees_what_differs() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    rich_tree(&from);
    copy(&from, &to, ExtractOptions::default()).unwrap();
    set_time(&to.join("empty"), 7, 7);
    std::fs::remove_file(to.join("link")).unwrap();
    assert_eq!(compare(&from, &to).unwrap().len(), 2);
}
#[test]
fn each_aspect_in_which_two_trees_can_differ_is_seen_alone() {
    let (_place, [from, to, _]) = places();
    for name in ["content", "mode", "time", "attributes", "link", "only"] {
        std::fs::write(from.join(name), b"same").unwrap();
    }
    copy(&from, &to, ExtractOptions::default()).unwrap();
    let time = std::fs::metadata(from.join("content")).unwrap();
    std::fs::write(to.join("content"), b"sane").unwrap();
    set_time(&to.join("content"), time.mtime(), time.mtime_nsec());
    std::fs::set_permissions(to.join("mode"), PermissionsExt::from_mode(0o1)).unwrap();
    set_time(&to.join("time"), 1, 1);
    rustix::fs::setxattr(to.join("attributes"), "user.a", b"", XattrFlags::empty()).unwrap();
    std::fs::remove_file(to.join("link")).unwrap();
    std::fs::hard_link(to.join("content"), to.join("link")).unwrap();
    std::fs::remove_file(to.join("only")).unwrap();
    let found = differences(&from, &to).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.path.as_str(), it.aspect))
        .collect();
    assert!(found.contains(&("content", Aspect::Content)), "{found:?}");
    assert!(found.contains(&("mode", Aspect::Mode)));
    assert!(found.contains(&("time", Aspect::Time)));
    assert!(found.contains(&("attributes", Aspect::Attributes)));
    assert!(found.contains(&("link", Aspect::Kind)));
    assert!(found.contains(&("only", Aspect::Presence)));
}

#[test]
fn content_is_compared_to_its_last_byte_with_holes_as_zeros() {
    let (_place, [from, to, _]) = places();
    let sparse = std::fs::File::create(from.join("file")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    sparse.write_all_at(b"end", (3 << 20) - 3).unwrap();
    set_time(&from.join("file"), 1, 2);
    std::fs::create_dir(&to).unwrap();
    let mut whole = vec![0; 3 << 20];
    whole[(3 << 20) - 3..].copy_from_slice(b"end");
    let write = |bytes: &[u8]| {
        std::fs::write(to.join("file"), bytes).unwrap();
        set_time(&to.join("file"), 1, 2);
    };
    write(&whole);
    assert_equal(&from, &to);
    whole[(3 << 20) - 1] = b'D';
    write(&whole);
    let found = differences(&from, &to).unwrap();
    assert_eq!(found[0].message, "the content differs from byte 3145727 on");
}

#[test]
fn attributes_come_back_on_links_and_nodes_too() {
    if !rustix::process::geteuid().is_root() {
        println!("only root may set trusted attributes: not tried");
        return;
    }
    let (_place, [from, to, _]) = places();
    symlink("nowhere", from.join("link")).unwrap();
    std::fs::write(from.join("file"), b"x").unwrap();
    rustix::fs::mknodat(CWD, from.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for name in ["link", "fifo", "file"] {
        let path = from.join(name);
        rustix::fs::lsetxattr(
            path,
            "trusted.holdfast",
            name.as_bytes(),
            XattrFlags::empty(),
        )
        .unwrap();
    }
    // Version 2 of a file capability, CAP_NET_BIND_SERVICE permitted and effective.
    let capability: Vec<u8> = [0x0200_0001_u32, 1 << 10, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let set = |name: &str, value: &[u8]| {
        rustix::fs::setxattr(from.join("file"), name, value, XattrFlags::empty()).unwrap();
    };
    std::os::unix::fs::chown(from.join("file"), Some(7), Some(8)).unwrap();
    set("security.capability", &capability);
    rustix::fs::setxattr(
        &from,
        "system.posix_acl_default",
        &support::acl(5),
        XattrFlags::empty(),
    )
    .unwrap();
    std::fs::create_dir(from.join("inherits")).unwrap();
    std::fs::write(from.join("inherits/file"), b"x").unwrap();
    copy(&from, &to, ExtractOptions::default()).unwrap();
    assert_equal(&from, &to);
}

#[test]
fn a_tree_deeper_than_a_path_can_be_and_wider_than_descriptors_comes_back() {
    let (_place, [from, to, _]) = places();
    let flags = rustix::fs::OFlags::RDONLY;
    let mut at = rustix::fs::open(&from, flags, Mode::empty()).unwrap();
    for depth in 0..3_000 {
        rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        // Names on both sides of the way down: the walk goes on above after it came back.
        if depth % 100 == 0 {
            for name in ["a", "e"] {
                let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
                let file = rustix::fs::openat(&at, name, flags, Mode::RUSR).unwrap();
                rustix::io::write(&file, b"deep").unwrap();
            }
        }
        at = rustix::fs::openat(&at, "d", flags, Mode::empty()).unwrap();
    }
    for wide in 0..600 {
        std::fs::create_dir(from.join(format!("w{wide}"))).unwrap();
        std::fs::write(from.join(format!("w{wide}/file")), b"x").unwrap();
    }
    let walked = || {
        let tree = holdfast_filetree::Tree::open(&from).unwrap();
        let walk = tree.walk(holdfast_filetree::WalkOptions::default());
        let mut open_max = 0;
        let mut count = 0;
        for found in walk.unwrap() {
            assert!(matches!(found, holdfast_filetree::Found::Entry(..)));
            count += 1;
            if count % 500 == 0 {
                open_max = open_max.max(std::fs::read_dir("/proc/self/fd").unwrap().count());
            }
        }
        (count, open_max)
    };
    let (count, open_max) = walked();
    assert_eq!(count, 3_000 + 60 + 1_200);
    assert!(open_max < 250, "{open_max}");
    copy_streaming(&from, &to);
    assert_equal(&from, &to);
    assert_eq!(compare(&from, &to).unwrap().len(), 0);
}

/// Copies while walking, as the order of a backup is: nothing is collected first.
fn copy_streaming(from: &Path, to: &Path) {
    use holdfast_base::entry::RestoreTarget;
    let target = holdfast_filetree::Extractor::new(to, ExtractOptions::default()).unwrap();
    let tree = holdfast_filetree::Tree::open(from).unwrap();
    for found in tree
        .walk(holdfast_filetree::WalkOptions::default())
        .unwrap()
    {
        match found {
            holdfast_filetree::Found::Entry(entry, None) => target.make(&entry).unwrap(),
            holdfast_filetree::Found::Entry(entry, Some(content)) => {
                support::write(&target, entry, content.open().unwrap()).unwrap();
            }
            holdfast_filetree::Found::Skipped(warning)
            | holdfast_filetree::Found::Unreadable(warning, _)
            | holdfast_filetree::Found::Noted(warning) => panic!("{warning:?}"),
        }
    }
    target.finish().unwrap();
}

#[derive(Debug, Clone)]
enum Node {
    Directory,
    File { length: usize, hole: usize },
    Symlink(Vec<u8>),
    HardLink(usize),
    Fifo,
}

#[derive(Debug, Clone)]
struct Made {
    path: Vec<Vec<u8>>,
    node: Node,
    mode: u32,
    time: (i64, i64),
    attribute: Option<Vec<u8>>,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec![b"a".to_vec(), b"b".to_vec(), b"a.b".to_vec(), b"-".to_vec()]),
        1 => prop::collection::vec(any::<u8>().prop_filter("a name", |b| *b != 0 && *b != b'/'), 1..40)
            .prop_filter("a name", |name| name != b"." && name != b".."),
    ]
}

fn made() -> impl Strategy<Value = Made> {
    let node = prop_oneof![
        2 => Just(Node::Directory),
        4 => (0..100_000_usize, 0..3_usize).prop_map(|(length, hole)| Node::File { length, hole }),
        1 => prop::collection::vec(1_u8.., 1..50).prop_map(Node::Symlink),
        1 => any::<usize>().prop_map(Node::HardLink),
        1 => Just(Node::Fifo),
    ];
    let path = prop::collection::vec(name(), 1..4);
    let time = (-2_000_000_000_i64..4_000_000_000, 0..1_000_000_000_i64);
    let attribute = prop::option::of(prop::collection::vec(any::<u8>(), 0..500));
    (path, node, 0..0o10000_u32, time, attribute).prop_map(|(path, node, mode, time, attribute)| {
        Made {
            path,
            node,
            mode,
            time,
            attribute,
        }
    })
}

/// Makes what can be made of a plan; what is in its own way is left out.
fn build(root: &Path, plan: &[Made]) {
    let at = |made: &Made| {
        let parts = made.path.iter().map(|part| OsStr::from_bytes(part));
        root.join(parts.collect::<std::path::PathBuf>())
    };
    for made in plan {
        let path = at(made);
        let parent = path.parent().unwrap();
        if std::fs::create_dir_all(parent).is_err() || std::fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        match &made.node {
            Node::Directory => std::fs::create_dir(&path).unwrap(),
            Node::File { length, hole } => {
                let file = std::fs::File::create(&path).unwrap();
                let bytes: Vec<u8> = (0..*length).map(|at| (at / 7) as u8 | 1).collect();
                file.write_all_at(&bytes, (*hole as u64) << 20).unwrap();
            }
            Node::Symlink(target) => symlink(OsStr::from_bytes(target), &path).unwrap(),
            Node::HardLink(which) => {
                let _ = std::fs::hard_link(at(&plan[which % plan.len()]), &path);
            }
            Node::Fifo => {
                rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
            }
        }
    }
    let is_root = rustix::process::geteuid().is_root();
    for made in plan.iter().rev() {
        let path = at(made);
        let Ok(there) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if !there.is_symlink() {
            if let Some(value) = made
                .attribute
                .as_ref()
                .filter(|_| there.is_file() || there.is_dir())
            {
                rustix::fs::setxattr(&path, "user.holdfast", value, XattrFlags::empty()).unwrap();
            }
            // Nobody but root reads what has no permissions.
            let mode = if is_root {
                made.mode
            } else {
                made.mode | 0o700
            };
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
        set_time(&path, made.time.0, made.time.1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_tree_comes_back_as_it_was_twice(plan in prop::collection::vec(made(), 0..25)) {
        let (_place, [from, to, _]) = places();
        build(&from, &plan);
        copy(&from, &to, ExtractOptions::default()).unwrap();
        prop_assert_eq!(compare(&from, &to).unwrap(), Vec::<String>::new());
        // Once more over what is complete, and once more over it with --overwrite.
        for overwrite in [false, true] {
            copy(&from, &to, ExtractOptions { overwrite, ..ExtractOptions::default() }).unwrap();
            prop_assert_eq!(compare(&from, &to).unwrap(), Vec::<String>::new());
        }
    }
}
