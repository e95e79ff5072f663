//! What the tests of this crate share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses a part of it, and a failure here is a failed test"
)]

use holdfast_base::entry::{
    Entry, EntryKind, FileContent, OpenFile, RestoreTarget, Started, TargetFile,
};
use holdfast_filetree::compare::compare;
use holdfast_filetree::{ExtractOptions, Extractor, Found, Tree, WalkOptions};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Entries with their content, and what was left out.
pub type Walked = (Vec<(Entry, Option<Box<dyn FileContent>>)>, Vec<String>);

/// Walks a tree: its entries, and what was skipped.
pub fn walk(root: &Path, options: WalkOptions) -> Walked {
    let mut entries = Vec::new();
    let mut skipped = Vec::new();
    for found in Tree::open(root).unwrap().walk(options).unwrap() {
        match found {
            Found::Entry(entry, content) => entries.push((entry, content)),
            Found::Skipped(warning) | Found::Unreadable(warning, _) | Found::Noted(warning) => {
                skipped.push(format!("{}: {}", warning.subject, warning.message))
            }
        }
    }
    (entries, skipped)
}

/// Copies a tree by walking and extracting it, as a backup and a restore would.
pub fn copy(from: &Path, to: &Path, options: ExtractOptions) -> io::Result<()> {
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

/// Completes a file's entry with what only the open file tells.
pub fn completed(mut entry: Entry, file: &dyn OpenFile) -> Entry {
    if let Some(ownership) = &mut entry.ownership {
        ownership.xattrs = file.xattrs().pairs;
    }
    entry.kind = EntryKind::File {
        size: file.size(),
        extents: file.extents().map(<[_]>::to_vec),
    };
    entry
}

/// Writes a file's entry with its content.
pub fn write(target: &Extractor, entry: Entry, mut file: Box<dyn OpenFile>) -> io::Result<()> {
    let extents = file.extents().map(<[_]>::to_vec);
    let size = file.size();
    let entry = completed(entry, file.as_ref());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let written = match target.start(&entry, size)? {
        Started::New(written) => written,
        Started::Trusted => return Ok(()),
        Started::Alike(mut there) => {
            let mut held = Vec::new();
            there.read_to_end(&mut held)?;
            // Of a sparse file, only its time is compared: content is the repository's to compare.
            if extents.is_some() || held == bytes {
                return Ok(());
            }
            target.start_over(&entry, size)?
        }
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

/// Starts a file in whose place nothing like it stands.
pub fn start_new(
    target: &Extractor,
    entry: &Entry,
    size: u64,
) -> io::Result<Option<Box<dyn TargetFile>>> {
    Ok(match target.start(entry, size)? {
        Started::New(written) => Some(written),
        Started::Trusted | Started::Alike(_) => None,
    })
}

/// What replaces what stands in the way.
pub fn overwriting() -> ExtractOptions {
    ExtractOptions {
        overwrite: true,
        trust_times: false,
    }
}

/// Sets when something was changed.
pub fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
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

/// Makes one of everything.
pub fn rich_tree(root: &Path) {
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
    std::fs::write(root.join("with acl"), b"x").unwrap();
    rustix::fs::setxattr(
        root.join("with acl"),
        "system.posix_acl_access",
        &acl(1),
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

/// Makes a POSIX ACL: user::rwx, user:`user`:r--, group::r--, mask::r--, other::---.
pub fn acl(user: u32) -> Vec<u8> {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 7_u16, u32::MAX),
        (2, 4, user),
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

/// Fails with what differs between two trees.
pub fn assert_equal(from: &Path, to: &Path) {
    assert_eq!(compare(from, to).unwrap(), Vec::<String>::new());
}

/// Makes the two places that most tests need, and one outside of both.
pub fn places() -> (tempfile::TempDir, [std::path::PathBuf; 3]) {
    let place = tempfile::tempdir().unwrap();
    let places = ["from", "to", "outside"].map(|name| place.path().join(name));
    std::fs::create_dir(&places[0]).unwrap();
    std::fs::create_dir(&places[2]).unwrap();
    (place, places)
}
