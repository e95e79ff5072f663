//! Goes through a tree, depth first, the names of each directory sorted by their bytes.
//!
//! - Symbolic links are entries and are never followed.
//! - What cannot be read is named and passed over; nothing is left out in silence but what the
//!   options exclude.
//! - A directory's names lie in one buffer: a million of them take some 30 MiB.

use crate::content::{FoundFile, identity};
use crate::exclude::Excludes;
use crate::tree::Tree;
use crate::xattr;
use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, FileContent, Ownership, Warning, printable,
};
use holdfast_base::time::Instant;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The line that a valid CACHEDIR.TAG begins with.
const CACHEDIR_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// What a walk meets and what it leaves out.
#[derive(Debug, Clone, Default)]
pub struct WalkOptions {
    /// Where the entries stand in the snapshot; at its top where none is given.
    pub prefix: Option<EntryPath>,
    /// What is left out.
    pub excludes: Excludes,
    /// Whether to stay on the file system of the tree's root.
    pub one_file_system: bool,
    /// Whether to leave out what lies beside a valid CACHEDIR.TAG.
    pub exclude_caches: bool,
}

/// What a walk met.
pub enum Found {
    /// An entry, with its content where it is a file.
    Entry(Entry, Option<Box<dyn FileContent>>),
    /// Something that had to be left out.
    Skipped(Warning),
}

struct Level {
    directory: Arc<OwnedFd>,
    /// Path of the directory below the tree, for patterns.
    inner: Vec<u8>,
    /// Path of the directory in the snapshot; empty at the top.
    outer: Vec<u8>,
    names: Vec<u8>,
    order: Vec<(u32, u32)>,
    next: usize,
    is_cache: bool,
}

impl Level {
    fn name(&self, at: usize) -> &[u8] {
        let (start, length) = self.order[at];
        &self.names[start as usize..(start + length) as usize]
    }
}

/// Goes through a tree.
pub struct Walk {
    options: WalkOptions,
    levels: Vec<Level>,
    first: Option<Found>,
    device: u64,
    links: HashMap<(u64, u64), EntryPath>,
    scratch: Vec<u8>,
    /// Whether directories are only named.
    is_flat: bool,
}

impl Tree {
    /// Starts a walk. With a prefix, the first entry is the root itself.
    ///
    /// # Errors
    /// The root cannot be read.
    pub fn walk(&self, options: WalkOptions) -> io::Result<Walk> {
        let stat = rustix::fs::fstat(&**self.root())?;
        let mut walk = Walk {
            device: stat.st_dev,
            levels: Vec::new(),
            first: None,
            links: HashMap::new(),
            scratch: Vec::new(),
            is_flat: false,
            options,
        };
        let prefix = walk.options.prefix.clone();
        if self.is_directory() {
            let outer = prefix
                .as_ref()
                .map_or(Vec::new(), |prefix| prefix.as_bytes().to_vec());
            if let Some(path) = prefix {
                let entry = walk.entry(path, EntryKind::Directory, &stat, self.root(), b"")?;
                walk.first = Some(Found::Entry(entry, None));
            }
            let level = walk.enter(Arc::clone(self.root()), Vec::new(), outer)?;
            walk.levels.push(level);
        } else {
            use std::os::unix::ffi::OsStrExt;
            let name = self
                .path()
                .file_name()
                .map_or(&b""[..], OsStrExt::as_bytes)
                .to_vec();
            let directory = Arc::new(self.parent()?);
            let path = match prefix {
                Some(path) => path,
                None => EntryPath::new(name.clone()).map_err(io::Error::other)?,
            };
            walk.first = Some(walk.found(&directory, &name, path, &stat));
        }
        Ok(walk)
    }
}

impl Tree {
    /// Starts a walk that does not enter directories, and leaves out the root itself.
    pub(crate) fn walk_flat(&self, options: WalkOptions) -> io::Result<Walk> {
        let mut walk = self.walk(options)?;
        walk.first = walk.first.filter(|_| !self.is_directory());
        walk.is_flat = true;
        Ok(walk)
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let level = self.levels.last_mut()?;
            if level.next == level.order.len() {
                self.levels.pop();
                continue;
            }
            let at = level.next;
            level.next += 1;
            if let Some(found) = self.visit(at) {
                return Some(found);
            }
        }
    }
}

impl Walk {
    /// Looks at one name; none if it is excluded.
    fn visit(&mut self, at: usize) -> Option<Found> {
        let level = self.levels.last()?;
        let name = level.name(at).to_vec();
        let join = |to: &[u8]| {
            if to.is_empty() {
                name.clone()
            } else {
                [to, b"/", &name].concat()
            }
        };
        let (inner, outer) = (join(&level.inner), join(&level.outer));
        let directory = Arc::clone(&level.directory);
        if level.is_cache && name != b"CACHEDIR.TAG" {
            return None;
        }
        let skipped = |message: String| {
            Some(Found::Skipped(Warning {
                subject: printable(&outer),
                message,
            }))
        };
        let stat = match rustix::fs::statat(&*directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
        {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return skipped("it vanished before it could be looked at".into()),
            Err(error) => return skipped(format!("it cannot be looked at: {error}")),
        };
        let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        if self.options.excludes.excludes(&inner, is_directory) {
            return None;
        }
        let path = match EntryPath::new(outer.clone()) {
            Ok(path) => path,
            Err(error) => return skipped(error.to_string()),
        };
        if is_directory {
            return Some(self.descend(&directory, &name, inner, path, &stat));
        }
        Some(self.found(&directory, &name, path, &stat))
    }

    fn descend(
        &mut self,
        directory: &Arc<OwnedFd>,
        name: &[u8],
        inner: Vec<u8>,
        path: EntryPath,
        stat: &Stat,
    ) -> Found {
        let entry = match self.entry(path.clone(), EntryKind::Directory, stat, directory, name) {
            Ok(entry) => entry,
            Err(error) => return unreadable(&path, &error),
        };
        if self.is_flat || self.options.one_file_system && stat.st_dev != self.device {
            return Found::Entry(entry, None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&**directory, name, flags, Mode::empty());
        let level = opened
            .map_err(io::Error::from)
            .and_then(|fd| self.enter(Arc::new(fd), inner, path.as_bytes().to_vec()));
        match level {
            Ok(level) => {
                self.levels.push(level);
                Found::Entry(entry, None)
            }
            Err(error) => unreadable(&path, &error),
        }
    }

    /// Reads the names of a directory.
    fn enter(&self, directory: Arc<OwnedFd>, inner: Vec<u8>, outer: Vec<u8>) -> io::Result<Level> {
        let mut names = Vec::new();
        let mut order = Vec::new();
        for found in Dir::read_from(&*directory)? {
            let found = found?;
            let name = found.file_name().to_bytes();
            if name != b"." && name != b".." {
                order.push((names.len() as u32, name.len() as u32));
                names.extend_from_slice(name);
            }
        }
        let name =
            |(start, length): &(u32, u32)| &names[*start as usize..(start + length) as usize];
        order.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        let is_cache = self.options.exclude_caches && has_cache_tag(&directory);
        Ok(Level {
            directory,
            inner,
            outer,
            names,
            order,
            next: 0,
            is_cache,
        })
    }

    /// Makes what is found of anything but a directory.
    fn found(
        &mut self,
        directory: &Arc<OwnedFd>,
        name: &[u8],
        path: EntryPath,
        stat: &Stat,
    ) -> Found {
        let kind = match self.kind(directory, name, &path, stat) {
            Ok(Some(kind)) => kind,
            Ok(None) => {
                let message = "it is a socket, which only its own program can make again".into();
                return Found::Skipped(Warning {
                    subject: path.to_string(),
                    message,
                });
            }
            Err(error) => return unreadable(&path, &error),
        };
        let content: Option<Box<dyn FileContent>> = match kind {
            EntryKind::File { .. } => Some(Box::new(FoundFile {
                directory: Arc::clone(directory),
                name: name.to_vec(),
                identity: identity(stat),
            })),
            _ => None,
        };
        match self.entry(path.clone(), kind, stat, directory, name) {
            Ok(entry) => Found::Entry(entry, content),
            Err(error) => unreadable(&path, &error),
        }
    }

    fn kind(
        &mut self,
        directory: &OwnedFd,
        name: &[u8],
        path: &EntryPath,
        stat: &Stat,
    ) -> io::Result<Option<EntryKind>> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if stat.st_nlink > 1 {
            if let Some(target) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                return Ok(Some(EntryKind::HardLink {
                    target: target.clone(),
                }));
            }
            self.links.insert((stat.st_dev, stat.st_ino), path.clone());
        }
        let (major, minor) = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        Ok(Some(match kind {
            FileType::RegularFile => EntryKind::File {
                size: stat.st_size as u64,
                extents: None,
            },
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
                EntryKind::Symlink {
                    target: target.into_bytes(),
                }
            }
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            FileType::Directory | FileType::Socket | FileType::Unknown => return Ok(None),
        }))
    }

    fn entry(
        &mut self,
        path: EntryPath,
        kind: EntryKind,
        stat: &Stat,
        directory: &OwnedFd,
        name: &[u8],
    ) -> io::Result<Entry> {
        xattr::proc_path(directory, name, &mut self.scratch);
        let xattrs = if name.is_empty() {
            self.scratch.extend_from_slice(b"/.");
            xattr::read(&self.scratch)?
        } else {
            xattr::read(&self.scratch)?
        };
        Ok(Entry {
            path,
            kind,
            modified: Instant::from_parts(stat.st_mtime, stat.st_mtime_nsec as i64),
            ownership: Some(Ownership {
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
                xattrs,
            }),
            attributes: Vec::new(),
        })
    }
}

fn unreadable(path: &EntryPath, error: &io::Error) -> Found {
    let message = format!("it cannot be read and is left out: {error}");
    Found::Skipped(Warning {
        subject: path.to_string(),
        message,
    })
}

fn has_cache_tag(directory: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(directory, c"CACHEDIR.TAG", flags, Mode::empty()) else {
        return false;
    };
    let mut head = [0; CACHEDIR_SIGNATURE.len()];
    let read = rustix::io::pread(&fd, &mut head, 0);
    read == Ok(head.len()) && head == *CACHEDIR_SIGNATURE
}
