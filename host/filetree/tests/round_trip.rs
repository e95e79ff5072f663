//! What is read from a tree and written into another is the same, and nothing else is touched.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_base::entry::{Entry, EntryKind, EntryPath, FileContent, OpenFile, RestoreTarget};
use holdfast_filetree::compare::compare;
use holdfast_filetree::{Excludes, ExtractOptions, Extractor, Found, Tree, WalkOptions};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// Entries with their content, and what was left out.
type Walked = (Vec<(Entry, Option<Box<dyn FileContent>>)>, Vec<String>);

fn walk(root: &Path, options: WalkOptions) -> Walked {
    let mut entries = Vec::new();
    let mut skipped = Vec::new();
    for found in Tree::open(root).unwrap().walk(options).unwrap() {
        match found {
            Found::Entry(entry, content) => entries.push((entry, content)),
            Found::Skipped(warning) => {
                skipped.push(format!("{}: {}", warning.subject, warning.message))
            }
        }
    }
    (entries, skipped)
}

fn copy(from: &Path, to: &Path, options: ExtractOptions) -> io::Result<()> {
    let target = Extractor::new(to, options)?;
    let mut links = Vec::new();
    for (entry, content) in walk(from, WalkOptions::default()).0 {
        match content {
            None if matches!(entry.kind, EntryKind::HardLink { .. }) => links.push(entry),
            None => target.make(&entry)?,
            Some(content) => write(&target, entry, content.open()?)?,
        }
    }
    links.iter().try_for_each(|entry| target.make(entry))?;
    target.finish()
}

fn write(target: &Extractor, mut entry: Entry, mut file: Box<dyn OpenFile>) -> io::Result<()> {
    let extents = file.extents().map(<[_]>::to_vec);
    let size = file.size();
    entry.kind = EntryKind::File {
        size,
        extents: extents.clone(),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let Some(written) = target.start(&entry, size)? else {
        return Ok(());
    };
    let mut rest = bytes.as_slice();
    for extent in extents.unwrap_or_else(|| {
        vec![holdfast_base::entry::Extent {
            offset: 0,
            length: size,
        }]
    }) {
        let (now, later) = rest.split_at(extent.length as usize);
        written.write_at(extent.offset, now)?;
        rest = later;
    }
    written.finish(&entry)
}

fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Returns an access list that names a user.
fn an_acl() -> Vec<u8> {
    // Version 2; user::rw-, user:1:r--, group::r--, mask::r--, other::---.
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 4, 1),
        (4, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ] {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&permissions.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    acl
}

/// Makes one of everything.
fn rich_tree(root: &Path) {
    std::fs::create_dir_all(root.join("dir/empty")).unwrap();
    std::fs::write(root.join("dir/file"), b"content").unwrap();
    std::fs::write(root.join("empty"), b"").unwrap();
    std::fs::hard_link(root.join("dir/file"), root.join("second name")).unwrap();
    symlink("dir/file", root.join("link")).unwrap();
    symlink("/nowhere/at all", root.join("dangling")).unwrap();
    std::fs::write(
        root.join(std::ffi::OsStr::from_bytes(b"latin-\xe9\n")),
        b"x",
    )
    .unwrap();
    std::fs::write(root.join("n".repeat(255)), b"long name").unwrap();
    let mut sparse = std::fs::File::create(root.join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(5 << 20)).unwrap();
    sparse.write_all(b"in the middle").unwrap();
    sparse.set_len(20 << 20).unwrap();
    rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    if rustix::process::geteuid().is_root() {
        let device = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(
            CWD,
            root.join("null"),
            FileType::CharacterDevice,
            Mode::RUSR,
            device,
        )
        .unwrap();
        std::os::unix::fs::lchown(root.join("empty"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(root.join("link"), Some(77), Some(78)).unwrap();
    }
    rustix::fs::setxattr(
        root.join("dir/file"),
        "user.note",
        b"\0binary\xff",
        XattrFlags::empty(),
    )
    .unwrap();
    rustix::fs::setxattr(root.join("dir"), "user.dir", b"d", XattrFlags::empty()).unwrap();
    let acl = an_acl();
    std::fs::write(root.join("with acl"), b"x").unwrap();
    rustix::fs::setxattr(
        root.join("with acl"),
        "system.posix_acl_access",
        &acl,
        XattrFlags::empty(),
    )
    .unwrap();
    std::fs::set_permissions(root.join("empty"), PermissionsExt::from_mode(0o4711)).unwrap();
    for (at, name) in ["dir/file", "empty", "sparse", "link", "fifo", "dir/empty"]
        .iter()
        .enumerate()
    {
        set_time(
            &root.join(name),
            1_000_000_000 - at as i64 * 1_000_000_007,
            123_456_789,
        );
    }
    std::fs::set_permissions(root.join("dir"), PermissionsExt::from_mode(0o1555)).unwrap();
    set_time(&root.join("dir"), 5, 6);
}

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
fn running_again_completes_what_was_begun_and_leaves_what_is_foreign() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    rich_tree(&from);
    copy(&from, &to, ExtractOptions::default()).unwrap();
    // As a kill leaves it: begun, without permissions and with another time.
    std::fs::write(to.join("sparse"), b"half").unwrap();
    std::fs::set_permissions(to.join("sparse"), PermissionsExt::from_mode(0o000)).unwrap();
    copy(&from, &to, ExtractOptions::default()).unwrap();
    assert_eq!(compare(&from, &to).unwrap(), Vec::<String>::new());
    std::fs::write(to.join("empty"), b"somebody's work").unwrap();
    let refused = copy(&from, &to, ExtractOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(to.join("empty")).unwrap(), b"somebody's work");
    copy(&from, &to, ExtractOptions { overwrite: true }).unwrap();
    assert_eq!(compare(&from, &to).unwrap(), Vec::<String>::new());
}

#[test]
fn a_planted_link_is_not_followed_out_of_the_target() {
    let place = tempfile::tempdir().unwrap();
    let (from, to, outside) = (
        place.path().join("from"),
        place.path().join("to"),
        place.path().join("outside"),
    );
    for directory in [&from.join("dir"), &to, &outside] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(from.join("dir/file"), b"x").unwrap();
    std::fs::write(outside.join("file"), b"precious").unwrap();
    symlink(&outside, to.join("dir")).unwrap();
    let target = Extractor::new(&to, ExtractOptions { overwrite: true }).unwrap();
    let entry = walk(&from, WalkOptions::default()).0.remove(1).0;
    assert!(target.start(&entry, 1).is_err());
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"precious");
    // A link where a file belongs is replaced, not written through.
    std::fs::remove_file(to.join("dir")).unwrap();
    std::fs::create_dir(to.join("dir")).unwrap();
    symlink(outside.join("file"), to.join("dir/file")).unwrap();
    copy(&from, &to, ExtractOptions { overwrite: true }).unwrap();
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"precious");
    assert_eq!(std::fs::read(to.join("dir/file")).unwrap(), b"x");
}

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
fn a_single_file_and_a_deep_tree_can_be_walked() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("one"), b"x").unwrap();
    let (entries, _) = walk(&place.path().join("one"), WalkOptions::default());
    assert_eq!(entries[0].0.path.to_string(), "one");
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    let mut at = rustix::fs::open(&from, rustix::fs::OFlags::RDONLY, Mode::empty()).unwrap();
    for _ in 0..300 {
        rustix::fs::mkdirat(&at, "deeper-and-deeper", Mode::RWXU).unwrap();
        at = rustix::fs::openat(
            &at,
            "deeper-and-deeper",
            rustix::fs::OFlags::RDONLY,
            Mode::empty(),
        )
        .unwrap();
    }
    copy(&from, &to, ExtractOptions::default()).unwrap();
    assert_eq!(compare(&from, &to).unwrap(), Vec::<String>::new());
}
