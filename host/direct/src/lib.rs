//! Writes large files past the page cache.
//!
//! A backup and a restore write much that nobody reads soon. Through the page cache every byte would
//! be copied once more, and would push out what the machine's own work keeps there.
//!
//! - Direct writes want memory, offsets and lengths that are aligned. What is not goes the usual way:
//!   the end of a file, and the edges of what is written in pieces.
//! - They are used on file systems that are known to do them well. Anywhere else, and if the
//!   system says that it cannot after all, everything goes the usual way.

mod aligned;
mod positioned;
mod sequential;

pub use positioned::PositionedFile;
pub use sequential::SequentialFile;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, fstatfs};
use std::fs::File;
use std::io;

/// What file systems ask for at most: a page, which no sector is larger than.
pub(crate) const ALIGNMENT: usize = 4 << 10;
/// Bytes that go to the disk at once: enough for any disk to be busy with.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;

/// File systems on disks of this machine. On those of a network a direct write waits for the other
/// side each time.
const SUITED: [u64; 4] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
];

/// Returns whether direct writes to a file are worth trying.
pub(crate) fn is_suited(file: &File) -> bool {
    fstatfs(file).is_ok_and(|stat| SUITED.contains(&(stat.f_type as u64)))
}

pub(crate) fn set_direct(file: &File, direct: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    Ok(fcntl_setfl(file, flags)?)
}
