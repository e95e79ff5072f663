//! Files that were found, and are read later.
//!
//! - The file that is read is the file that was found: inode and type are compared after opening.
//! - What is read are the file's data extents, as they were when it was opened; growing, shrinking
//!   and rewriting while it is read are noticed by size and times.
//! - A small file costs an open, one `fstat`, a list of attributes, one read and one more `fstat`: its end is known by
//!   its size. Holes are looked for only if a file takes less room than its size.

use crate::xattr;
use holdfast_base::entry::{Extent, FileContent, Identity, OpenFile, Xattrs};
use holdfast_base::time::Instant;
use rustix::fs::{Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A file of more extents than this is read with its holes as zeros.
const EXTENTS_MAX: usize = 65_536;

pub(crate) struct FoundFile {
    pub(crate) directory: Arc<OwnedFd>,
    pub(crate) name: Vec<u8>,
    pub(crate) identity: Identity,
}

/// Makes the identity of a file from what the system says of it.
pub(crate) fn identity(stat: &Stat) -> Identity {
    Identity {
        inode: stat.st_ino,
        device: stat.st_dev,
        size: stat.st_size as u64,
        changed: Instant::from_parts(stat.st_ctime, stat.st_ctime_nsec as i64),
    }
}

impl FileContent for FoundFile {
    fn identity(&self) -> Option<Identity> {
        Some(self.identity)
    }

    fn open(self: Box<Self>) -> io::Result<Box<dyn OpenFile>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |flags| {
            rustix::fs::openat(&*self.directory, self.name.as_slice(), flags, Mode::empty())
        };
        // Only the owner may ask that reading leaves no trace.
        let fd = match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags)?,
            other => other?,
        };
        let stat = rustix::fs::fstat(&fd)?;
        let found = identity(&stat);
        let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
        if !is_file || found.inode != self.identity.inode || found.device != self.identity.device {
            return Err(io::Error::other("something else has taken its place"));
        }
        let is_sparse = (stat.st_blocks as u64) * 512 < found.size;
        let extents = if is_sparse {
            data_extents(&fd, found.size)?
        } else {
            None
        };
        Ok(Box::new(ReadFile {
            file: File::from(fd),
            found: self.identity,
            size: found.size,
            whole: [Extent {
                offset: 0,
                length: found.size,
            }],
            extents,
            extent: 0,
            at: 0,
        }))
    }
}

/// Returns the extents of the data; none if there is no hole after all.
fn data_extents(fd: &OwnedFd, size: u64) -> io::Result<Option<Vec<Extent>>> {
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(fd, SeekFrom::Data(at)) {
            Ok(start) => start,
            // No more data, or a file system that does not tell.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = match rustix::fs::seek(fd, SeekFrom::Hole(start)) {
            Ok(end) => end.min(size),
            // It shrank since; `has_changed` will tell.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        if start >= end {
            break;
        }
        extents.push(Extent {
            offset: start,
            length: end - start,
        });
        if extents.len() > EXTENTS_MAX {
            return Ok(None);
        }
        at = end;
    }
    let is_whole = matches!(extents.as_slice(), [one] if one.offset == 0 && one.length == size);
    Ok(if is_whole { None } else { Some(extents) })
}

struct ReadFile {
    file: File,
    found: Identity,
    size: u64,
    whole: [Extent; 1],
    extents: Option<Vec<Extent>>,
    extent: usize,
    at: u64,
}

impl Read for ReadFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let extents = self.extents.as_deref().unwrap_or(&self.whole);
        while let Some(extent) = extents.get(self.extent) {
            let left = extent.length - self.at;
            if left == 0 {
                self.extent += 1;
                self.at = 0;
                continue;
            }
            let wanted = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = self
                .file
                .read_at(&mut buffer[..wanted], extent.offset + self.at)?;
            if count == 0 && wanted > 0 {
                if self.extents.is_some() {
                    return Err(io::Error::other("it shrank while it was read"));
                }
                // It shrank: what is left is what there is, and `has_changed` will tell.
                self.extent = extents.len();
                return Ok(0);
            }
            self.at += count as u64;
            return Ok(count);
        }
        Ok(0)
    }
}

impl OpenFile for ReadFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn extents(&self) -> Option<&[Extent]> {
        self.extents.as_deref()
    }

    fn xattrs(&self) -> Xattrs {
        xattr::read_open(&self.file)
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(identity(&rustix::fs::fstat(&self.file)?) != self.found)
    }
}
