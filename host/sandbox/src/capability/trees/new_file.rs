//! A file in the making.
//!
//! - It lies beside its place under a name of its own, and takes its name in one step when it is
//!   whole. What stands there stays until then, and for ever if the file is never finished.
//! - The system itself refuses a path that would leave the tree.

use crate::ports::StreamSink;
use holdfast_base::entry::EntryPath;
use holdfast_base::hex;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A file that is being written.
pub(crate) struct NewFile {
    directory: OwnedFd,
    name: Vec<u8>,
    /// Where it lies until it is whole; empty once it has its name.
    aside: String,
    file: File,
    mode: Mode,
    overwrite: bool,
    taken: u64,
}

impl NewFile {
    pub(crate) fn create_aside(
        tree: &Path,
        path: &EntryPath,
        mode: u32,
        overwrite: bool,
    ) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, tree, flags, Mode::empty())?;
        let directory = match path.parent() {
            None => root,
            Some(parent) => {
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                rustix::fs::openat2(&root, parent.as_bytes(), flags, Mode::empty(), resolve)?
            }
        };
        if !overwrite && is_taken(&directory, path.name())? {
            return Err(already_taken());
        }
        let mut chance = [0; 8];
        getrandom::fill(&mut chance).map_err(io::Error::other)?;
        let aside = format!(".holdfast-{}", hex::encode(chance));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&directory, aside.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self {
            directory,
            name: path.name().to_vec(),
            aside,
            file: File::from(fd),
            mode: Mode::from_raw_mode(mode & 0o777),
            overwrite,
            taken: 0,
        })
    }
}

fn already_taken() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "something stands there already",
    )
}

fn is_taken(directory: &OwnedFd, name: &[u8]) -> io::Result<bool> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl StreamSink for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.taken += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<u64> {
        rustix::fs::fchmod(&self.file, self.mode)?;
        self.file.sync_data()?;
        let (from, to) = (self.aside.as_str(), self.name.as_slice());
        let flags = if self.overwrite {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        match rustix::fs::renameat_with(&self.directory, from, &self.directory, to, flags) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(already_taken()),
            // A file system that cannot promise it: looked at just before instead.
            Err(Errno::INVAL) if !is_taken(&self.directory, to)? => {
                rustix::fs::renameat(&self.directory, from, &self.directory, to)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.aside.clear();
        Ok(self.taken)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.aside.is_empty() {
            let _ = rustix::fs::unlinkat(&self.directory, self.aside.as_str(), AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(tree: &Path, name: &str, overwrite: bool) -> io::Result<Box<NewFile>> {
        NewFile::create_aside(tree, &EntryPath::new(name).unwrap(), 0o640, overwrite).map(Box::new)
    }

    #[test]
    fn a_file_appears_only_when_it_is_whole_and_the_old_one_stays_until_then() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("a"), "old").unwrap();
        let mut given_up = start(tree.path(), "a", true).unwrap();
        StreamSink::write(given_up.as_mut(), b"ne").unwrap();
        drop(given_up);
        assert_eq!(std::fs::read(tree.path().join("a")).unwrap(), b"old");
        let mut whole = start(tree.path(), "a", true).unwrap();
        StreamSink::write(whole.as_mut(), b"new").unwrap();
        assert_eq!(StreamSink::finish(whole).unwrap(), 3);
        assert_eq!(std::fs::read(tree.path().join("a")).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(tree.path()).unwrap().count(), 1);
        assert!(start(tree.path(), "a", false).is_err());
    }

    #[test]
    fn a_symbolic_link_leads_nowhere() {
        let (tree, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), tree.path().join("out")).unwrap();
        assert!(start(tree.path(), "out/x", true).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
