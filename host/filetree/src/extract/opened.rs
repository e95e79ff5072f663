//! The directories that a restore writes into, kept open: the next entry is most often in one of them.
//!
//! - They are reached beneath the target's root, never through a symbolic link.
//! - Each knows what it would hand on to what is made in it (a group, an ACL), so that this can be
//!   undone if an entry did not have it.

use crate::beneath::open_beneath;
use crate::xattr;
use holdfast_base::entry::EntryPath;
use holdfast_base::sync::Unpoisoned;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Directories that are kept open.
const OPEN_DIRECTORIES: usize = 16;

/// Enough to make and reach what lies in it, even if its owner may not list it.
const REACH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory that is written into.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    pub(super) fd: OwnedFd,
    /// The group of what is made in it.
    pub(super) group: u32,
    /// Whether what is made in it gets an ACL.
    pub(super) hands_on_acl: bool,
}

impl OpenDirectory {
    fn new(fd: OwnedFd, own_group: u32) -> io::Result<Self> {
        let stat = rustix::fs::fstat(&fd)?;
        let hands_on_group = stat.st_mode & Mode::SGID.as_raw_mode() != 0;
        Ok(Self {
            group: if hands_on_group {
                stat.st_gid
            } else {
                own_group
            },
            hands_on_acl: xattr::has_default_acl(&fd),
            fd,
        })
    }
}

type Held = VecDeque<(Vec<u8>, Arc<OpenDirectory>)>;

/// The directories that are kept open.
pub(super) struct Directories {
    root: Arc<OpenDirectory>,
    own_group: u32,
    held: Mutex<Held>,
}

impl Directories {
    /// Opens the root, which may lie behind symbolic links: its path is the operator's.
    pub(super) fn new(root: &Path, own_group: u32) -> io::Result<Self> {
        let root = rustix::fs::open(root, REACH, Mode::empty())?;
        Ok(Self {
            root: Arc::new(OpenDirectory::new(root, own_group)?),
            own_group,
            held: Mutex::default(),
        })
    }

    /// Returns the directory that holds an entry; `made` hears of each that had to be made for it.
    pub(super) fn open_parent(
        &self,
        entry: &EntryPath,
        made: &dyn Fn(&[u8]),
    ) -> io::Result<Arc<OpenDirectory>> {
        let path = entry.as_bytes();
        match path.iter().rposition(|b| *b == b'/') {
            Some(slash) => self.open_path(&path[..slash], made),
            None => Ok(Arc::clone(&self.root)),
        }
    }

    fn open_path(&self, path: &[u8], made: &dyn Fn(&[u8])) -> io::Result<Arc<OpenDirectory>> {
        if let Some(directory) = self.find_open(path) {
            return Ok(directory);
        }
        // Most often it lies in one that is held.
        let above = path.iter().rposition(|b| *b == b'/');
        let above = above.and_then(|slash| Some((self.find_open(&path[..slash])?, slash + 1)));
        let opened = match &above {
            Some((above, start)) => open_beneath(&above.fd, &path[*start..], REACH, Mode::empty()),
            None => open_beneath(&self.root.fd, path, REACH, Mode::empty()),
        };
        let fd = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_path(path, made)?,
            other => other?,
        };
        let directory = Arc::new(OpenDirectory::new(fd, self.own_group)?);
        let mut held = self.held.lock_unpoisoned();
        if held.len() == OPEN_DIRECTORIES {
            held.pop_front();
        }
        held.push_back((path.to_vec(), Arc::clone(&directory)));
        Ok(directory)
    }

    fn find_open(&self, path: &[u8]) -> Option<Arc<OpenDirectory>> {
        let held = self.held.lock_unpoisoned();
        let (_, directory) = held.iter().rev().find(|(held, _)| held == path)?;
        Some(Arc::clone(directory))
    }

    /// Makes a directory, and what is absent above it.
    fn make_path(&self, path: &[u8], made: &dyn Fn(&[u8])) -> io::Result<OwnedFd> {
        let slashes = path.iter().enumerate().filter(|(_, b)| **b == b'/');
        let ends = slashes.map(|(at, _)| at).chain([path.len()]);
        let mut reached: Option<OwnedFd> = None;
        let mut start = 0;
        for end in ends {
            let from = reached.as_ref().unwrap_or(&self.root.fd);
            let name = &path[start..end];
            match rustix::fs::mkdirat(from, name, Mode::RWXU) {
                Ok(()) => made(&path[..end]),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            reached = Some(open_beneath(from, name, REACH, Mode::empty())?);
            start = end + 1;
        }
        reached.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Opens a directory to set what belongs to it; the root itself if the path is empty.
    pub(super) fn open_to_change(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        open_beneath(&self.root.fd, path, flags, Mode::empty())
    }

    /// Closes all but the root.
    pub(super) fn close_all(&self) {
        self.held.lock_unpoisoned().clear();
    }
}
