//! Writes entries into a directory, from several threads at once.
//!
//! - Nothing outside of the directory is ever touched: every step goes through descriptors, and
//!   symbolic links below it are not followed, whoever planted them.
//! - What stands there is not replaced, unless overwriting was asked for; then it stays until what
//!   replaces it is whole, and is never written through.
//! - A restore that was killed goes on when it is run again: see `standing`.
//! - A link is made only to a file that this restore, or an earlier run of it, completed.

mod opened;
mod replaced;
mod standing;
mod written;

use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, Ownership, RestoreTarget, Started, TargetFile, printable,
};
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::Instant;
use holdfast_direct::PositionedFile;
use opened::{Directories, OpenDirectory};
use replaced::{Place, make_beside, replace};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use standing::{
    BEGUN, BEGUN_DIRECTORY, already_taken, file_type, is_adopted, is_begun, is_complete, is_marked,
    stat_entry,
};
use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use written::{Common, Inherited, Notes, WrittenFile};

/// How entries are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtractOptions {
    /// Whether what stands in the way is replaced.
    pub overwrite: bool,
    /// Whether a file of the entry's size and time is believed to be the entry, unread.
    pub trust_times: bool,
}

/// How a file of an entry begins.
enum Creation {
    /// It is created; the place is what it takes when it is whole.
    New(OwnedFd, Option<Place>),
    /// One of its size and time stands there.
    Alike,
}

/// A directory whose owner, mode and time are set at the end.
struct Pending {
    path: Box<[u8]>,
    ownership: Ownership,
    modified: Instant,
}

/// Writes entries into a directory. Owners are set by number, and by root only: what anybody else
/// restores is theirs.
pub struct Extractor {
    options: ExtractOptions,
    common: Arc<Common>,
    /// Whether the directory itself was made by this restore.
    is_new: bool,
    directories: Directories,
    pending: Mutex<Vec<Pending>>,
    /// Directories that were made only because something lies in them.
    made_for_others: Mutex<HashSet<Vec<u8>>>,
    /// Files that are not restored, or not yet, by the hash of their paths: no link may be made to
    /// what stands in their places.
    absent: Arc<Mutex<HashSet<u64>>>,
    hasher: RandomState,
}

impl Extractor {
    /// Opens the directory, and makes it if it is absent.
    ///
    /// # Errors
    /// The directory cannot be made or opened.
    pub fn new(target: &Path, options: ExtractOptions) -> io::Result<Self> {
        let is_new = make_target(target)?;
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let common = Common {
            set_owner: uid.is_root(),
            set_attributes: true,
            own: (uid.as_raw(), gid.as_raw()),
            notes: Mutex::new(Notes::default()),
        };
        Ok(Self {
            options,
            is_new,
            directories: Directories::new(target, gid.as_raw())?,
            common: Arc::new(common),
            pending: Mutex::default(),
            made_for_others: Mutex::default(),
            absent: Arc::default(),
            hasher: RandomState::new(),
        })
    }

    /// Takes the directory itself for new: whoever opened it made it for this restore.
    #[must_use]
    pub fn into_new_root(mut self) -> Self {
        self.is_new = true;
        self
    }

    /// Sets owners if asked to, whoever runs this; by default only root sets them.
    #[must_use]
    pub fn with_owner(mut self, set_owner: bool) -> Self {
        if let Some(common) = Arc::get_mut(&mut self.common) {
            common.set_owner = set_owner;
        }
        self
    }

    /// Sets extended attributes, ACLs among them, only if asked to; by default they are set.
    #[must_use]
    pub fn with_attributes(mut self, set_attributes: bool) -> Self {
        if let Some(common) = Arc::get_mut(&mut self.common) {
            common.set_attributes = set_attributes;
        }
        self
    }

    /// Returns what could not be set on entries that were written all the same.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.common.notes.lock_unpoisoned().list_notes()
    }

    /// Opens the directory that holds an entry, and makes what is absent of it.
    fn open_parent(&self, path: &EntryPath) -> io::Result<Arc<OpenDirectory>> {
        let made = |path: &[u8]| {
            self.made_for_others.lock_unpoisoned().insert(path.to_vec());
        };
        self.directories.open_parent(path, &made).map_err(|error| {
            // The system does not say what it is that stands in the way.
            match Errno::from_io_error(&error) {
                Some(Errno::LOOP | Errno::NOTDIR) => io::Error::new(
                    io::ErrorKind::NotADirectory,
                    "a link or a file stands where its directory belongs",
                ),
                _ => error,
            }
        })
    }

    /// Replaces what stands there, if that was asked for.
    fn replace(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        make: impl Fn(&OwnedFd, &[u8]) -> Result<(), Errno>,
    ) -> io::Result<()> {
        if !self.options.overwrite {
            return Err(already_taken());
        }
        let make = |parent: &OwnedFd, name: &[u8]| Ok(make(parent, name)?);
        if is_directory(parent, name)? {
            standing::remove(parent, name)?;
            return make(parent, name);
        }
        replace(parent, name, self.common.own.0, make)
    }

    fn make_directory(&self, entry: &Entry) -> io::Result<()> {
        let parent = self.open_parent(&entry.path)?;
        let name = entry.path.name();
        // Without an owner and a mode to come, it is what it will be.
        let mode = match entry.ownership {
            Some(_) => BEGUN_DIRECTORY,
            None => Mode::RWXU,
        };
        let is_ours = match rustix::fs::mkdirat(&parent.fd, name, mode) {
            Ok(()) => true,
            Err(Errno::EXIST) => self.meet_directory(&parent.fd, entry, mode)?,
            Err(error) => return Err(error.into()),
        };
        match &entry.ownership {
            Some(_) if is_ours => self.set_later(entry.path.as_bytes(), entry),
            Some(_) => self.common.notes.lock_unpoisoned().add_note(format!(
                "{}: the directory stood there already, with something in it, and keeps its \
                 owner, mode and time; a restore that overwrites sets them",
                entry.path
            )),
            None => {}
        }
        Ok(())
    }

    /// Notes what a directory is given when all that lies in it is there.
    fn set_later(&self, path: &[u8], entry: &Entry) {
        if let Some(ownership) = &entry.ownership {
            self.pending.lock_unpoisoned().push(Pending {
                path: path.into(),
                ownership: ownership.clone(),
                modified: entry.modified,
            });
        }
    }

    /// Handles what stands where a directory belongs; returns whether its mode is ours to set.
    fn meet_directory(&self, parent: &OwnedFd, entry: &Entry, mode: Mode) -> io::Result<bool> {
        let name = entry.path.name();
        let there = stat_entry(parent, name)?;
        let Some(stat) = there.filter(|stat| file_type(stat).is_dir()) else {
            // A directory cannot take the place of something else in one step.
            if !self.options.overwrite {
                return Err(already_taken());
            }
            standing::remove(parent, name)?;
            rustix::fs::mkdirat(parent, name, mode)?;
            return Ok(true);
        };
        let was_made_here = self
            .made_for_others
            .lock_unpoisoned()
            .remove(entry.path.as_bytes());
        Ok(was_made_here
            || self.options.overwrite
            || is_adopted(parent, &stat, entry, self.common.own.0))
    }

    /// Makes a link, a fifo or a device by `make`, unless the same already stands there.
    fn make_special(
        &self,
        entry: &Entry,
        is_same: impl Fn(&OwnedFd, &Stat) -> bool,
        make: impl Fn(&OwnedFd, &[u8]) -> Result<(), Errno>,
    ) -> io::Result<()> {
        let parent = self.open_parent(&entry.path)?;
        let name = entry.path.name();
        match make(&parent.fd, name) {
            Ok(()) => {}
            Err(Errno::EXIST) => match stat_entry(&parent.fd, name)? {
                // The same link: its own owner and time give nobody anything.
                Some(stat) if is_same(&parent.fd, &stat) && file_type(&stat).is_symlink() => {}
                Some(stat) if is_begun(&stat, entry, None, self.common.own.0) => {
                    standing::remove(&parent.fd, name)?;
                    make(&parent.fd, name)?;
                }
                Some(stat) if is_same(&parent.fd, &stat) && !self.options.overwrite => {
                    return Ok(());
                }
                _ => self.replace(&parent.fd, name, make)?,
            },
            Err(error) => return Err(error.into()),
        }
        self.common.set_unopened(&parent, entry)
    }

    fn make_node(&self, entry: &Entry, node: FileType, major: u32, minor: u32) -> io::Result<()> {
        let device = rustix::fs::makedev(major, minor);
        let is_same = |_: &OwnedFd, stat: &Stat| file_type(stat) == node && stat.st_rdev == device;
        let mode = match entry.ownership {
            Some(_) => BEGUN,
            None => Mode::RUSR | Mode::WUSR,
        };
        let made = self.make_special(entry, is_same, |parent, name| {
            rustix::fs::mknodat(parent, name, node, mode, device)
        });
        let is_device = node != FileType::Fifo;
        made.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied if is_device => io::Error::new(
                error.kind(),
                format!("the system lets only root make device {major}:{minor}: {error}"),
            ),
            _ => error,
        })
    }

    fn make_symlink(&self, entry: &Entry, target: &[u8]) -> io::Result<()> {
        let name = entry.path.name();
        let is_same = |parent: &OwnedFd, _: &Stat| {
            rustix::fs::readlinkat(parent, name, Vec::new())
                .is_ok_and(|there| there.as_bytes() == target)
        };
        self.make_special(entry, is_same, |parent, name| {
            rustix::fs::symlinkat(target, parent, name)
        })
    }

    fn make_link(&self, entry: &Entry, target: &EntryPath) -> io::Result<()> {
        let from = self.open_parent(target)?;
        let parent = self.open_parent(&entry.path)?;
        let (first, name) = (target.name(), entry.path.name());
        let is_absent = self
            .absent
            .lock_unpoisoned()
            .contains(&self.hasher.hash_one(target.as_bytes()));
        let there = stat_entry(&from.fd, first)?;
        let is_whole = |stat: &Stat| stat.st_mode & 0o7777 != BEGUN.as_raw_mode();
        let Some(stat) = there.filter(|stat| is_whole(stat) && !is_absent) else {
            let message = format!("`{target}`, of which it is another name, was not restored");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        };
        let link = |parent: &OwnedFd, name: &[u8]| {
            rustix::fs::linkat(&from.fd, first, parent, name, AtFlags::empty())
        };
        match link(&parent.fd, name) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let is_it = |it: &Stat| (it.st_dev, it.st_ino) == (stat.st_dev, stat.st_ino);
                if stat_entry(&parent.fd, name)?.is_some_and(|it| is_it(&it)) {
                    return Ok(());
                }
                self.replace(&parent.fd, name, link)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the file of an entry, unless what stands there may be it; `differs` says that it is not.
    fn create_file(
        &self,
        parent: &Arc<OpenDirectory>,
        entry: &Entry,
        size: u64,
        differs: bool,
    ) -> io::Result<Creation> {
        let (opened, parent) = (parent, &parent.fd);
        let name = entry.path.name();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = |name: &[u8]| rustix::fs::openat(parent, name, flags, BEGUN);
        match create(name) {
            Ok(fd) => return Ok(Creation::New(fd, None)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let strictly = self.options.overwrite.then_some(self.common.set_owner);
        match stat_entry(parent, name)?.filter(|stat| file_type(stat).is_file()) {
            Some(stat) if is_begun(&stat, entry, Some(size), self.common.own.0) => {
                standing::remove(parent, name)?;
            }
            Some(stat) if !differs && is_complete(&stat, entry, size, strictly) => {
                return Ok(Creation::Alike);
            }
            _ if !self.options.overwrite => return Err(already_taken()),
            _ if is_directory(parent, name)? => standing::remove(parent, name)?,
            _ => {
                let own = self.common.own.0;
                let owner = entry.ownership.as_ref().map_or(own, |it| it.uid);
                let (aside, fd) =
                    make_beside(parent, name, [own, owner], |aside| Ok(create(aside)?))?;
                let place = self.reserve_place(opened, entry, aside);
                return Ok(Creation::New(fd, Some(place)));
            }
        }
        Ok(Creation::New(create(name)?, None))
    }

    /// Notes that a file takes its place only when it is whole.
    fn reserve_place(&self, parent: &Arc<OpenDirectory>, entry: &Entry, aside: Vec<u8>) -> Place {
        let hash = self.hasher.hash_one(entry.path.as_bytes());
        self.absent.lock_unpoisoned().insert(hash);
        Place {
            parent: Arc::clone(parent),
            name: entry.path.name().to_vec(),
            aside,
            absent: (Arc::clone(&self.absent), hash),
            is_taken: false,
        }
    }

    fn open_written(
        &self,
        parent: &OpenDirectory,
        entry: &Entry,
        size: u64,
        fd: OwnedFd,
        place: Option<Place>,
    ) -> io::Result<Box<dyn TargetFile>> {
        let has_holes = matches!(&entry.kind, EntryKind::File { extents, .. } if extents.is_some());
        if has_holes {
            rustix::fs::ftruncate(&fd, size)?;
        }
        let inherited = Inherited {
            owner: (self.common.own.0, parent.group),
            has_acl: parent.hands_on_acl,
        };
        Ok(Box::new(WrittenFile {
            file: PositionedFile::new(File::from(fd), size),
            inherited,
            common: Arc::clone(&self.common),
            place: place.map(Mutex::new),
        }))
    }

    /// Notes that a file is not restored: no link may be made to what stands in its place.
    fn note_absent(&self, entry: &Entry) {
        let hash = self.hasher.hash_one(entry.path.as_bytes());
        self.absent.lock_unpoisoned().insert(hash);
    }

    fn set_directory(&self, pending: &Pending) -> io::Result<()> {
        let path = match &*pending.path {
            [] => ".".to_owned(),
            path => printable(path),
        };
        let set = || -> io::Result<()> {
            let fd = self.directories.open_to_change(&pending.path)?;
            let stat = rustix::fs::fstat(&fd)?;
            // It may have stood there before, with an owner and an ACL of its own.
            let inherited = Inherited {
                owner: (stat.st_uid, stat.st_gid),
                has_acl: true,
            };
            self.common
                .set_opened(&fd, &path, &pending.ownership, pending.modified, inherited)
        };
        set().map_err(|e| io::Error::new(e.kind(), format!("`{path}`: {e}")))
    }
}

/// Makes the directory that a restore writes into, and returns whether it was absent.
fn make_target(target: &Path) -> io::Result<bool> {
    let made = std::fs::create_dir(target).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => std::fs::create_dir_all(target),
        _ => Err(error),
    });
    match made {
        Ok(()) => Ok(true),
        Err(_) if target.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a file that may be the one that is to be restored, to read it.
fn open_alike(parent: &OwnedFd, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(fd) => Ok(File::from(fd)),
        Err(error) => Err(io::Error::new(
            io::Error::from(error).kind(),
            format!(
                "a file of its size and time stands there, which cannot be read to compare it: {error}"
            ),
        )),
    }
}

/// Returns whether a directory stands there.
fn is_directory(parent: &OwnedFd, name: &[u8]) -> io::Result<bool> {
    Ok(stat_entry(parent, name)?.is_some_and(|stat| file_type(&stat).is_dir()))
}

impl RestoreTarget for Extractor {
    fn make(&self, entry: &Entry) -> io::Result<()> {
        match &entry.kind {
            EntryKind::Directory => self.make_directory(entry),
            EntryKind::Symlink { target } => self.make_symlink(entry, target),
            EntryKind::HardLink { target } => self.make_link(entry, target),
            EntryKind::Fifo => self.make_node(entry, FileType::Fifo, 0, 0),
            EntryKind::CharDevice { major, minor } => {
                self.make_node(entry, FileType::CharacterDevice, *major, *minor)
            }
            EntryKind::BlockDevice { major, minor } => {
                self.make_node(entry, FileType::BlockDevice, *major, *minor)
            }
            EntryKind::Stream | EntryKind::File { .. } => Err(io::Error::other("it has content")),
        }
    }

    fn make_parent(&self, entry: &Entry) -> io::Result<()> {
        let parent = self.open_parent(&entry.path)?;
        let name = entry.path.name();
        let path = entry.path.as_bytes();
        let is_ours = match rustix::fs::mkdirat(&parent.fd, name, BEGUN_DIRECTORY) {
            Ok(()) => true,
            Err(Errno::EXIST) => {
                let there = stat_entry(&parent.fd, name)?;
                self.made_for_others.lock_unpoisoned().remove(path)
                    || there.is_some_and(|stat| is_marked(&stat, self.common.own.0))
            }
            Err(error) => return Err(error.into()),
        };
        if is_ours {
            self.set_later(path, entry);
        }
        Ok(())
    }

    fn set_root(&self, entry: &Entry) -> io::Result<()> {
        if self.is_new || self.options.overwrite {
            self.set_later(b"", entry);
        }
        Ok(())
    }

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Started> {
        let start = || -> io::Result<Started> {
            let parent = self.open_parent(&entry.path)?;
            Ok(match self.create_file(&parent, entry, size, false)? {
                Creation::New(fd, place) => {
                    Started::New(self.open_written(&parent, entry, size, fd, place)?)
                }
                Creation::Alike if self.options.trust_times => Started::Trusted,
                Creation::Alike => Started::Alike(open_alike(&parent.fd, entry.path.name())?),
            })
        };
        start().inspect_err(|_| self.note_absent(entry))
    }

    fn start_over(&self, entry: &Entry, size: u64) -> io::Result<Box<dyn TargetFile>> {
        let start = || -> io::Result<Box<dyn TargetFile>> {
            let parent = self.open_parent(&entry.path)?;
            match self.create_file(&parent, entry, size, true)? {
                Creation::New(fd, place) => self.open_written(&parent, entry, size, fd, place),
                Creation::Alike => Err(already_taken()),
            }
        };
        start().inspect_err(|_| self.note_absent(entry))
    }

    fn finish(&self) -> io::Result<()> {
        let pending = std::mem::take(&mut *self.pending.lock_unpoisoned());
        let mut first = Ok(());
        // Deepest first: setting a mode may forbid what lies below, and writing below changes times.
        for directory in pending.iter().rev() {
            first = first.and(self.set_directory(directory));
        }
        self.directories.close_all();
        first
    }
}
