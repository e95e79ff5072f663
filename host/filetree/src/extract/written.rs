//! What an entry is given beside its content, and in which order.
//!
//! The order in which no step undoes another: owner (which takes set-user-id bits and capabilities
//! away), attributes, time, and the mode last, which ends the mark of what is begun. An ACL that
//! the directory inherited on and the entry did not have is taken away.

use super::opened::OpenDirectory;
use super::replaced::Place;
use crate::xattr;
use holdfast_base::entry::{Entry, Ownership, TargetFile};
use holdfast_base::limits::WARNINGS_KEPT_MAX;
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::Instant;
use holdfast_direct::PositionedFile;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

/// Lets a file run as its owner.
const SET_USER_ID: u32 = 0o4000;
/// Lets a file run as its group.
const SET_GROUP_ID: u32 = 0o2000;

/// What could not be set on entries that were written all the same.
#[derive(Debug, Default)]
pub(super) struct Notes {
    kept: Vec<String>,
    more: u64,
}

impl Notes {
    pub(super) fn add_note(&mut self, note: String) {
        if self.kept.len() < WARNINGS_KEPT_MAX {
            self.kept.push(note);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn list_notes(&self) -> Vec<String> {
        let mut all = self.kept.clone();
        if self.more > 0 {
            all.push(format!("and {} more of the same kind", self.more));
        }
        all
    }
}

/// What is the same for all entries of a restore.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) set_owner: bool,
    pub(super) set_attributes: bool,
    /// Owner and group of what we make.
    pub(super) own: (u32, u32),
    pub(super) notes: Mutex<Notes>,
}

impl Common {
    /// Returns the mode that something gets whose owner, unless owners are set, is `owner`: what runs as its owner
    /// or its group does so only if these are the entry's.
    fn find_mode(&self, path: &dyn fmt::Display, ownership: &Ownership, owner: (u32, u32)) -> Mode {
        let mut mode = ownership.mode & 0o7777;
        if !self.set_owner && owner.0 != ownership.uid {
            mode &= !SET_USER_ID;
        }
        if !self.set_owner && owner.1 != ownership.gid {
            mode &= !SET_GROUP_ID;
        }
        if mode != ownership.mode & 0o7777 {
            let wanted = ownership.mode & 0o7777;
            self.notes.lock_unpoisoned().add_note(format!(
                "{path}: its mode is {mode:04o}, not {wanted:04o}: it is not owned by whom it was \
                 owned by, as whom it would run"
            ));
        }
        Mode::from_raw_mode(mode)
    }

    fn note_refused(&self, path: &dyn fmt::Display, refused: Vec<(String, Errno)>) {
        for (name, error) in refused {
            let note = format!("{path}: the system refused to set attribute `{name}`: {error}");
            self.notes.lock_unpoisoned().add_note(note);
        }
    }

    /// Sets owner, attributes, time and mode of an open file or directory that has the group and
    /// the ACL of `from`.
    pub(super) fn set_opened(
        &self,
        fd: impl AsFd + Copy,
        path: &dyn fmt::Display,
        ownership: &Ownership,
        modified: Instant,
        from: Inherited,
    ) -> io::Result<()> {
        if self.set_owner && (ownership.uid, ownership.gid) != from.owner {
            let (uid, gid) = owner_ids(ownership);
            rustix::fs::fchown(fd, uid, gid)?;
        }
        if from.has_acl {
            for name in [xattr::ACL_ACCESS, xattr::ACL_DEFAULT] {
                match rustix::fs::fremovexattr(fd, name) {
                    Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if self.set_attributes && !ownership.xattrs.is_empty() {
            self.note_refused(path, xattr::write_open(fd, &ownership.xattrs)?);
        }
        rustix::fs::futimens(fd, &timestamps(modified))?;
        Ok(rustix::fs::fchmod(
            fd,
            self.find_mode(path, ownership, from.owner),
        )?)
    }

    /// The same for what cannot be opened: a link, a fifo or a device.
    pub(super) fn set_unopened(&self, parent: &OpenDirectory, entry: &Entry) -> io::Result<()> {
        let Some(ownership) = &entry.ownership else {
            return Ok(());
        };
        let name = entry.path.name();
        if self.set_owner {
            let (uid, gid) = owner_ids(ownership);
            rustix::fs::chownat(&parent.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let is_link = matches!(entry.kind, holdfast_base::entry::EntryKind::Symlink { .. });
        let mut path = xattr::proc_prefix(&parent.fd);
        path.extend_from_slice(name);
        if parent.hands_on_acl && !is_link {
            let _ = rustix::fs::lremovexattr(path.as_slice(), xattr::ACL_ACCESS);
        }
        if self.set_attributes && !ownership.xattrs.is_empty() {
            let refused = xattr::write_at(&path, &ownership.xattrs)?;
            self.note_refused(&entry.path, refused);
        }
        let times = timestamps(entry.modified);
        rustix::fs::utimensat(&parent.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        if is_link {
            return Ok(());
        }
        let owner = (self.own.0, parent.group);
        let mode = self.find_mode(&entry.path, ownership, owner);
        change_mode(&parent.fd, name, mode)
    }
}

/// Sets the mode of what cannot be opened, without following a link that took its place.
fn change_mode(parent: &OwnedFd, name: &[u8], mode: Mode) -> io::Result<()> {
    use rustix::fs::{CWD, OFlags};
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    if super::standing::file_type(&rustix::fs::fstat(&held)?).is_symlink() {
        return Err(io::Error::other("a link has taken its place"));
    }
    let mut path = xattr::proc_prefix(&held);
    path.pop();
    Ok(rustix::fs::chmodat(
        CWD,
        path.as_slice(),
        mode,
        AtFlags::empty(),
    )?)
}

/// What a new file or directory has from the directory that it was made in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inherited {
    pub(super) owner: (u32, u32),
    pub(super) has_acl: bool,
}

fn owner_ids(ownership: &Ownership) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(ownership.uid)),
        Some(Gid::from_raw(ownership.gid)),
    )
}

fn timestamps(modified: Instant) -> Timestamps {
    let time = Timespec {
        tv_sec: modified.seconds(),
        tv_nsec: modified.nanoseconds() as _,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// A file that is being written.
pub(super) struct WrittenFile {
    pub(super) file: PositionedFile,
    pub(super) inherited: Inherited,
    pub(super) common: Arc<Common>,
    /// The place that it takes when it is whole, if something stands there.
    pub(super) place: Option<Mutex<Place>>,
}

impl TargetFile for WrittenFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn finish(&self, entry: &Entry) -> io::Result<()> {
        let plain = Ownership {
            mode: 0o600,
            uid: self.common.own.0,
            gid: self.common.own.1,
            xattrs: Vec::new(),
        };
        let ownership = entry.ownership.as_ref().unwrap_or(&plain);
        self.common.set_opened(
            self.file.as_file(),
            &entry.path,
            ownership,
            entry.modified,
            self.inherited,
        )?;
        self.place
            .as_ref()
            .map_or(Ok(()), |place| place.lock_unpoisoned().take_place())
    }
}
