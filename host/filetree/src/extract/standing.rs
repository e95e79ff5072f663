//! What stands where an entry belongs, and whose it is.
//!
//! A restore that was killed must go on when it is run again, and must never take somebody else's
//! file for its own. So what is begun carries a mark that nothing else carries: the sticky bit, with
//! nothing but its owner's permission to write (on a directory: its owner's permissions). The mark
//! costs no call, since it is the mode that the entry is made with; the final mode is set last of
//! all, so it ends the mark in one step. Without the permission to write, the system would refuse
//! the owner to set attributes, whatever descriptor is held.
//!
//! | stands there | is |
//! |---|---|
//! | the mark, and the owner is us or the entry's | begun: made again |
//! | the sticky bit that the entry lacks, and its size and time | begun, but for the last step: made again |
//! | a file with the entry's size and time | perhaps complete: left if its content is the entry's |
//! | anything else | foreign: refused, or with `overwrite` replaced once what comes is whole |

use holdfast_base::entry::Entry;
use holdfast_base::time::Instant;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// The mode of a file or node that is begun.
pub(super) const BEGUN: Mode = Mode::SVTX.union(Mode::WUSR);
/// The mode of a directory that is begun.
pub(super) const BEGUN_DIRECTORY: Mode = Mode::SVTX.union(Mode::RWXU);

const PERMISSIONS: u32 = 0o7777;
const STICKY: u32 = 0o1000;
/// A directory hands this on to directories that are made in it.
const HANDED_ON: u32 = 0o2000;

/// Looks at what stands somewhere; none if nothing does.
pub(super) fn stat_entry(parent: &OwnedFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn modified(stat: &Stat) -> Instant {
    Instant::from_parts(stat.st_mtime, stat.st_mtime_nsec as i64)
}

/// Returns whether something bears the mark of what is begun, and is this user's.
pub(super) fn is_marked(stat: &Stat, owner: u32) -> bool {
    let mark = match file_type(stat) {
        FileType::Directory => BEGUN_DIRECTORY,
        FileType::Symlink => return false,
        _ => BEGUN,
    };
    stat.st_mode & PERMISSIONS & !HANDED_ON == mark.as_raw_mode() && stat.st_uid == owner
}

/// Returns whether an earlier restore began this and did not end it.
pub(super) fn is_begun(stat: &Stat, entry: &Entry, size: Option<u64>, own: u32) -> bool {
    if file_type(stat).is_symlink() {
        return false;
    }
    let mode = stat.st_mode & PERMISSIONS & !HANDED_ON;
    let owner = entry.ownership.as_ref().map_or(own, |it| it.uid);
    let is_marked = is_marked(stat, own) || is_marked(stat, owner);
    // An ACL was set, which sets permissions too, and the final mode was not.
    let wanted = entry.ownership.as_ref().map_or(0o600, |it| it.mode);
    let lacks_only_mode = mode & STICKY != 0
        && wanted & STICKY == 0
        && modified(stat) == entry.modified
        && size.is_none_or(|size| stat.st_size as u64 == size);
    is_marked || lacks_only_mode
}

/// Returns whether a file was completed by an earlier restore.
///
/// `strictly` also compares owner and mode, for who asked that all of it be as it was.
pub(super) fn is_complete(stat: &Stat, entry: &Entry, size: u64, strictly: Option<bool>) -> bool {
    let is_same = file_type(stat).is_file()
        && stat.st_size as u64 == size
        && modified(stat) == entry.modified;
    match (strictly, &entry.ownership) {
        (Some(with_owner), Some(wanted)) if is_same => {
            stat.st_mode & PERMISSIONS == wanted.mode
                && (!with_owner || (stat.st_uid, stat.st_gid) == (wanted.uid, wanted.gid))
        }
        _ => is_same,
    }
}

/// Returns whether a directory that stands there may be given the entry's owner, mode and time.
pub(super) fn is_adopted(parent: &OwnedFd, stat: &Stat, entry: &Entry, own: u32) -> bool {
    let has_all = modified(stat) == entry.modified
        && entry
            .ownership
            .as_ref()
            .is_some_and(|it| it.mode == stat.st_mode & PERMISSIONS);
    is_begun(stat, entry, None, own) || has_all || is_empty(parent, entry.path.name())
}

fn is_empty(parent: &OwnedFd, name: &[u8]) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(parent, name, flags, Mode::empty()) else {
        return false;
    };
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut listing = RawDir::new(&fd, &mut buffer);
    while let Some(Ok(found)) = listing.next() {
        let name = found.file_name().to_bytes();
        if name != b"." && name != b".." {
            return false;
        }
    }
    true
}

/// Makes the error of an entry whose place is taken and may not be replaced.
pub(super) fn already_taken() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "something stands there already, and this restore does not overwrite",
    )
}

/// Removes what stands where an entry belongs: never a directory that holds something.
pub(super) fn remove(parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(first @ (Errno::ISDIR | Errno::PERM)) => {
            match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTDIR) => Err(first.into()),
                Err(Errno::NOTEMPTY | Errno::EXIST) => Err(io::Error::new(
                    io::ErrorKind::DirectoryNotEmpty,
                    "a directory that is not empty stands there",
                )),
                other => Ok(other?),
            }
        }
        Err(error) => Err(error.into()),
    }
}
