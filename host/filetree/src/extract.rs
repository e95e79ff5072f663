//! Writes entries into a directory, from several threads at once.
//!
//! - Nothing outside of the directory is ever touched: every step goes through descriptors, and
//!   symbolic links below it are not followed, whoever planted them.
//! - What stands there is not replaced, unless overwriting was asked for; then it is removed first,
//!   never written through.
//! - A file has no permission bits until it is whole, and gets its time last. So a restore that is
//!   run again knows what it had completed (same length, same time) and what it had begun (no
//!   permission bits), and what belongs to somebody else.

use crate::tree::open_beneath;
use crate::xattr;
use holdfast_base::entry::{Entry, EntryKind, EntryPath, Ownership, RestoreTarget, TargetFile};
use holdfast_base::time::Instant;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Directories that are kept open, since the next entry is most often in one of them.
const OPEN_DIRECTORIES: usize = 16;

/// Longest path that one call takes.
const CALL_PATH_MAX: usize = 4000;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// How entries are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtractOptions {
    /// Whether what stands in the way is removed.
    pub overwrite: bool,
}

/// Writes entries into a directory.
pub struct Extractor {
    root: Arc<OwnedFd>,
    options: ExtractOptions,
    set_owner: bool,
    own: (u32, u32),
    open: Mutex<VecDeque<(Vec<u8>, Arc<OwnedFd>)>>,
    directories: Mutex<Vec<(EntryPath, Ownership, Instant)>>,
    notes: Arc<Mutex<Vec<String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Extractor {
    /// Opens the directory, and makes it where it is absent.
    ///
    /// # Errors
    /// The directory cannot be made or opened.
    pub fn new(target: &Path, options: ExtractOptions) -> io::Result<Self> {
        std::fs::create_dir_all(target)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(target, flags, Mode::empty())?;
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Ok(Self {
            root: Arc::new(root),
            options,
            set_owner: uid.is_root(),
            own: (uid.as_raw(), gid.as_raw()),
            open: Mutex::default(),
            directories: Mutex::default(),
            notes: Arc::default(),
        })
    }

    /// Returns what could not be set on entries that were written all the same.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }

    /// Opens the directory that holds an entry, and makes what is absent of it.
    fn parent(&self, path: &EntryPath) -> io::Result<Arc<OwnedFd>> {
        match path.parent() {
            Some(parent) => self.directory(&parent),
            None => Ok(Arc::clone(&self.root)),
        }
    }

    fn directory(&self, path: &EntryPath) -> io::Result<Arc<OwnedFd>> {
        let held = lock(&self.open)
            .iter()
            .find(|(held, _)| held == path.as_bytes())
            .map(|(_, fd)| Arc::clone(fd));
        if let Some(fd) = held {
            return Ok(fd);
        }
        let fd = match self.reach(path) {
            Ok(fd) => fd,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = self.parent(path)?;
                match rustix::fs::mkdirat(&*parent, path.name(), Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                open_beneath(&parent, path.name(), DIRECTORY, Mode::empty())?
            }
            Err(error) => return Err(error),
        };
        let fd = Arc::new(fd);
        let mut open = lock(&self.open);
        if open.len() == OPEN_DIRECTORIES {
            open.pop_front();
        }
        open.push_back((path.as_bytes().to_vec(), Arc::clone(&fd)));
        Ok(fd)
    }

    /// Opens a directory that is there; one whose path is longer than a call takes, by its parent.
    fn reach(&self, path: &EntryPath) -> io::Result<OwnedFd> {
        if path.as_bytes().len() < CALL_PATH_MAX {
            return open_beneath(&self.root, path.as_bytes(), DIRECTORY, Mode::empty());
        }
        open_beneath(&*self.parent(path)?, path.name(), DIRECTORY, Mode::empty())
    }

    /// Makes room for an entry that stands in no directory's place.
    fn clear(&self, parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
        if !self.options.overwrite {
            return Err(taken());
        }
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {
                Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn make_directory(&self, entry: &Entry, ownership: Option<&Ownership>) -> io::Result<()> {
        let parent = self.parent(&entry.path)?;
        let name = entry.path.name();
        match rustix::fs::mkdirat(&*parent, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                if !look(&parent, name)?
                    .is_some_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
                {
                    self.clear(&parent, name)?;
                    rustix::fs::mkdirat(&*parent, name, Mode::RWXU)?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(ownership) = ownership {
            lock(&self.directories).push((entry.path.clone(), ownership.clone(), entry.modified));
        }
        Ok(())
    }

    /// Makes a link, a fifo or a device by `make`, unless the same already stands there.
    fn make_special(
        &self,
        entry: &Entry,
        is_same: impl Fn(&OwnedFd, &Stat) -> bool,
        make: impl Fn(&OwnedFd) -> Result<(), Errno>,
    ) -> io::Result<()> {
        let parent = self.parent(&entry.path)?;
        let name = entry.path.name();
        match make(&parent) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                if look(&parent, name)?.is_some_and(|stat| is_same(&parent, &stat)) {
                    return Ok(());
                }
                self.clear(&parent, name)?;
                make(&parent)?;
            }
            Err(error) => return Err(error.into()),
        }
        let Some(ownership) = &entry.ownership else {
            return Ok(());
        };
        if self.set_owner {
            let (uid, gid) = owner(ownership);
            rustix::fs::chownat(&*parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if !matches!(entry.kind, EntryKind::Symlink { .. }) {
            rustix::fs::chmodat(
                &*parent,
                name,
                Mode::from_raw_mode(ownership.mode),
                AtFlags::empty(),
            )?;
        }
        let times = times(entry.modified);
        Ok(rustix::fs::utimensat(
            &*parent,
            name,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn make_node(&self, entry: &Entry, kind: FileType, major: u32, minor: u32) -> io::Result<()> {
        let device = rustix::fs::makedev(major, minor);
        let is_same = |_: &OwnedFd, stat: &Stat| {
            FileType::from_raw_mode(stat.st_mode) == kind && stat.st_rdev == device
        };
        self.make_special(entry, is_same, |parent| {
            rustix::fs::mknodat(
                parent,
                entry.path.name(),
                kind,
                Mode::RUSR | Mode::WUSR,
                device,
            )
        })
    }

    fn make_link(&self, entry: &Entry, target: &EntryPath) -> io::Result<()> {
        let from = self.parent(target)?;
        let parent = self.parent(&entry.path)?;
        let link = || {
            rustix::fs::linkat(
                &*from,
                target.name(),
                &*parent,
                entry.path.name(),
                AtFlags::empty(),
            )
        };
        match link() {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let inode = |parent: &OwnedFd, name: &[u8]| {
                    look(parent, name).map(|stat| stat.map(|stat| (stat.st_dev, stat.st_ino)))
                };
                if inode(&from, target.name())? == inode(&parent, entry.path.name())? {
                    return Ok(());
                }
                self.clear(&parent, entry.path.name())?;
                Ok(link()?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn taken() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "something stands there already, and --overwrite was not given",
    )
}

fn look(parent: &OwnedFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn owner(ownership: &Ownership) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(ownership.uid)),
        Some(Gid::from_raw(ownership.gid)),
    )
}

fn times(modified: Instant) -> Timestamps {
    let time = Timespec {
        tv_sec: modified.seconds(),
        tv_nsec: modified.nanoseconds() as _,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

impl RestoreTarget for Extractor {
    fn make(&self, entry: &Entry) -> io::Result<()> {
        match &entry.kind {
            EntryKind::Directory => self.make_directory(entry, entry.ownership.as_ref()),
            EntryKind::Symlink { target } => {
                let name = entry.path.name();
                let is_same = |parent: &OwnedFd, _: &Stat| {
                    rustix::fs::readlinkat(parent, name, Vec::new())
                        .is_ok_and(|there| there.as_bytes() == target.as_slice())
                };
                self.make_special(entry, is_same, |parent| {
                    rustix::fs::symlinkat(target.as_slice(), parent, name)
                })
            }
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

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Option<Box<dyn TargetFile>>> {
        let parent = self.parent(&entry.path)?;
        let name = entry.path.name();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(&*parent, name, flags, Mode::empty());
        let fd = match create() {
            Ok(fd) => fd,
            Err(Errno::EXIST) => {
                let stat = look(&parent, name)?;
                let file = stat.filter(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
                let modified =
                    |stat: &Stat| Instant::from_parts(stat.st_mtime, stat.st_mtime_nsec as i64);
                match file {
                    Some(stat)
                        if stat.st_size as u64 == size && modified(&stat) == entry.modified =>
                    {
                        return Ok(None);
                    }
                    // Begun by us and not ended: nobody else has files without any permission.
                    Some(stat) if stat.st_mode & 0o7777 == 0 => {
                        rustix::fs::unlinkat(&*parent, name, AtFlags::empty())?;
                    }
                    _ => self.clear(&parent, name)?,
                }
                create()?
            }
            Err(error) => return Err(error.into()),
        };
        if matches!(
            entry.kind,
            EntryKind::File {
                extents: Some(_),
                ..
            }
        ) {
            rustix::fs::ftruncate(&fd, size)?;
        }
        Ok(Some(Box::new(WrittenFile {
            file: File::from(fd),
            set_owner: self.set_owner,
            own: self.own,
            notes: Arc::clone(&self.notes),
        })))
    }

    fn finish(&self) -> io::Result<()> {
        lock(&self.open).clear();
        let directories = std::mem::take(&mut *lock(&self.directories));
        // Deepest first: setting a mode may forbid what lies below, and writing below changes times.
        for (path, ownership, modified) in directories.iter().rev() {
            let set = || -> io::Result<()> {
                let fd = self.reach(path)?;
                finish(
                    &fd,
                    ownership,
                    *modified,
                    self.set_owner,
                    self.own,
                    &self.notes,
                )
            };
            set().map_err(|e| io::Error::new(e.kind(), format!("`{path}`: {e}")))?;
        }
        Ok(())
    }
}

/// Sets owner, attributes, mode and time, in the order in which none undoes another.
fn finish(
    fd: impl AsFd + Copy,
    ownership: &Ownership,
    modified: Instant,
    set_owner: bool,
    own: (u32, u32),
    notes: &Mutex<Vec<String>>,
) -> io::Result<()> {
    if set_owner && (ownership.uid, ownership.gid) != own {
        let (uid, gid) = owner(ownership);
        rustix::fs::fchown(fd, uid, gid)?;
    }
    if !ownership.xattrs.is_empty() {
        for name in xattr::write(fd, &ownership.xattrs)? {
            let note = format!("the system refused to set attribute `{name}`");
            let mut notes = lock(notes);
            if notes.len() < holdfast_base::limits::WARNINGS_KEPT_MAX {
                notes.push(note);
            }
        }
    }
    rustix::fs::fchmod(fd, Mode::from_raw_mode(ownership.mode))?;
    Ok(rustix::fs::futimens(fd, &times(modified))?)
}

struct WrittenFile {
    file: File,
    set_owner: bool,
    own: (u32, u32),
    notes: Arc<Mutex<Vec<String>>>,
}

impl TargetFile for WrittenFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn finish(&self, entry: &Entry) -> io::Result<()> {
        let plain = Ownership {
            mode: 0o600,
            uid: self.own.0,
            gid: self.own.1,
            xattrs: Vec::new(),
        };
        let ownership = entry.ownership.as_ref().unwrap_or(&plain);
        finish(
            &self.file,
            ownership,
            entry.modified,
            self.set_owner,
            self.own,
            &self.notes,
        )
    }
}
