//! A directory that access was given to.
//!
//! Everything below it is reached from an open descriptor, and the system itself refuses paths that
//! would leave it: through `..`, through an absolute path, or through a symbolic link.

use crate::beneath::{open_beneath, resolve_within};
use crate::trusted::read_place;
use holdfast_base::entry::EntryPath;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, or a single file, that access was given to.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Arc<OwnedFd>,
    path: PathBuf,
    is_directory: bool,
}

impl Tree {
    /// Opens a directory or a file by its path on this machine. The path itself may lead through
    /// symbolic links: it is the operator's.
    ///
    /// # Errors
    /// It is absent, forbidden, or neither a directory nor a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Self::from_descriptor(rustix::fs::open(path, flags, Mode::empty())?, path)
    }

    /// Opens a directory or a file that must lie in another directory, wherever the links on the
    /// way to it lead. The path to that other directory may lead through links: it is the operator's.
    ///
    /// # Errors
    /// It lies elsewhere (`CrossesDevices`), is absent, forbidden, or neither a directory nor a file.
    pub fn open_within(within: &Path, path: &Path) -> io::Result<Self> {
        let outside = || io::Error::from(io::ErrorKind::CrossesDevices);
        let below = path.strip_prefix(within).map_err(|_| outside())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(within, flags, Mode::empty()) {
            // A file is within itself.
            Err(Errno::NOTDIR) if below.as_os_str().is_empty() => return Self::open(path),
            opened => opened?,
        };
        let below = if below.as_os_str().is_empty() {
            Path::new(".")
        } else {
            below
        };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let root = resolve_within(&directory, below.as_os_str().as_bytes(), flags)?;
        // Links may lead elsewhere tomorrow: from here on it goes by where it really is.
        let real = read_place(&root)?;
        Self::from_descriptor(root, &real)
    }

    fn from_descriptor(root: OwnedFd, path: &Path) -> io::Result<Self> {
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&root)?.st_mode);
        if !kind.is_dir() && !kind.is_file() {
            return Err(io::Error::other("it is neither a directory nor a file"));
        }
        Ok(Self {
            root: Arc::new(root),
            path: path.to_owned(),
            is_directory: kind.is_dir(),
        })
    }

    /// Returns the path that the tree was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the tree's real path, with links and `..` on the way followed, and its file system.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn find_place(&self) -> io::Result<(PathBuf, u64)> {
        let stat = rustix::fs::fstat(&*self.root)?;
        Ok((read_place(&self.root)?, stat.st_dev))
    }

    /// Returns whether the tree is a directory and not a single file.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// Returns a path that leads to this very directory for as long as the tree is open, whatever
    /// is renamed meanwhile.
    #[must_use]
    pub fn held_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.root.as_raw_fd()))
    }

    pub(crate) fn root_directory(&self) -> &Arc<OwnedFd> {
        &self.root
    }

    /// Returns the last component of the path that the tree was opened by.
    pub(crate) fn root_name(&self) -> &[u8] {
        self.path.file_name().map_or(b"", OsStrExt::as_bytes)
    }

    /// Opens the directory that holds a tree that is a single file, and returns the file's name in
    /// it. Whether it is still the same file shows when it is opened.
    pub(crate) fn open_parent(&self) -> io::Result<(OwnedFd, Vec<u8>)> {
        // The path may be a link; the name in the directory is the file's own.
        let full = std::fs::canonicalize(&self.path)?;
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        let (parent, name) = full.parent().zip(full.file_name()).ok_or_else(absent)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(parent, flags, Mode::empty())?;
        Ok((parent, name.as_bytes().to_vec()))
    }

    /// Opens a file below the tree for reading.
    ///
    /// # Errors
    /// It is absent, forbidden, behind a symbolic link, or no file.
    pub fn open_file(&self, path: &EntryPath) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let fd = open_beneath(&self.root, path.as_bytes(), flags, Mode::empty())?;
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        if kind.is_file() {
            Ok(File::from(fd))
        } else {
            Err(io::Error::other("it is no file"))
        }
    }

    /// Opens a directory below the tree as a tree; the tree itself if none is given.
    pub(crate) fn subtree(&self, directory: Option<&EntryPath>) -> io::Result<Self> {
        let Some(path) = directory else {
            return Ok(self.clone());
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let below = open_beneath(&self.root, path.as_bytes(), flags, Mode::empty())?;
        Ok(Self {
            root: Arc::new(below),
            path: self.path.clone(),
            is_directory: self.is_directory,
        })
    }

    /// Removes a file, a link or an empty directory.
    ///
    /// # Errors
    /// It is absent, forbidden, or a directory that is not empty.
    pub fn remove(&self, path: &EntryPath) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let parent = match path.parent() {
            Some(parent) => Arc::new(open_beneath(
                &self.root,
                parent.as_bytes(),
                flags,
                Mode::empty(),
            )?),
            None => Arc::clone(&self.root),
        };
        match rustix::fs::unlinkat(&*parent, path.name(), AtFlags::empty()) {
            Err(Errno::ISDIR) => Ok(rustix::fs::unlinkat(
                &*parent,
                path.name(),
                AtFlags::REMOVEDIR,
            )?),
            other => Ok(other?),
        }
    }
}
