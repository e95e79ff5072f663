//! A file that is written from its beginning to its end.

use crate::aligned::Aligned;
use crate::{ALIGNMENT, BUFFER_BYTES, is_suited, set_direct};
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;

/// Bytes after which what was written the usual way is handed to the disk, so that a final sync has
/// little left.
const WRITE_BACK_BYTES: u64 = 4 << 20;

#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// Nothing was written yet.
    Undecided,
    /// Past the page cache.
    Direct,
    /// Through it.
    Cached,
}

/// A file that is written from its beginning to its end, through a buffer of its own.
pub struct SequentialFile {
    file: File,
    way: Way,
    buffer: Aligned,
    filled: usize,
    /// Bytes in the file.
    written: u64,
    /// Bytes of them that the disk was asked to take.
    handed_over: u64,
}

impl SequentialFile {
    /// Takes an empty file.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self {
            file,
            way: Way::Undecided,
            buffer: Aligned::new(),
            filled: 0,
            written: 0,
            handed_over: 0,
        }
    }

    /// Writes what is buffered, and makes all of it durable.
    ///
    /// # Errors
    /// Passes on what the system answers.
    pub fn finish(mut self) -> io::Result<File> {
        self.drain_buffer()?;
        if self.way == Way::Direct {
            self.go_cached()?;
        }
        self.file.sync_data()?;
        Ok(self.file)
    }

    fn drain_buffer(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.filled {
            let end = at + self.choose_way(self.filled - at)?;
            match self.file.write(&self.buffer.as_bytes()[at..end]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    at += count;
                    self.written += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some file systems say only now that they cannot.
                Err(error)
                    if self.way == Way::Direct && error.kind() == io::ErrorKind::InvalidInput =>
                {
                    self.go_cached()?;
                }
                Err(error) => return Err(error),
            }
        }
        self.filled = 0;
        self.start_write_back();
        Ok(())
    }

    /// Decides how the next bytes are written, and how many of them at once.
    fn choose_way(&mut self, left: usize) -> io::Result<usize> {
        if self.way == Way::Undecided {
            // What fits into one buffer is not worth it.
            let is_large = left == BUFFER_BYTES && is_suited(&self.file);
            self.way = if is_large && set_direct(&self.file, true).is_ok() {
                Way::Direct
            } else {
                Way::Cached
            };
        }
        let whole = left - left % ALIGNMENT;
        let is_aligned = whole > 0 && self.written.is_multiple_of(ALIGNMENT as u64);
        match self.way {
            Way::Direct if is_aligned => Ok(whole),
            Way::Direct => self.go_cached().map(|()| left),
            Way::Undecided | Way::Cached => Ok(left),
        }
    }

    fn go_cached(&mut self) -> io::Result<()> {
        self.way = Way::Cached;
        self.handed_over = self.written;
        set_direct(&self.file, false)
    }

    fn start_write_back(&mut self) {
        let waiting = self.written - self.handed_over;
        if self.way != Way::Cached || waiting < WRITE_BACK_BYTES {
            return;
        }
        // Only a hint to start early; durability comes from the sync at the end.
        let length = NonZeroU64::new(waiting);
        let _ = fadvise(&self.file, self.handed_over, length, Advice::DontNeed);
        self.handed_over = self.written;
    }
}

impl Write for SequentialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled == BUFFER_BYTES {
            self.drain_buffer()?;
        }
        let count = bytes.len().min(BUFFER_BYTES - self.filled);
        self.buffer.as_bytes_mut()[self.filled..self.filled + count]
            .copy_from_slice(&bytes[..count]);
        self.filled += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain_buffer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_getfl};
    use std::io::{Read, Seek};

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 7 + n / 4096 * 13) as u8).collect()
    }

    /// Temporary files beside the sources, which lie on a disk, and in memory.
    fn files() -> [File; 2] {
        let on_disk = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        [on_disk, tempfile::tempfile_in("/dev/shm").unwrap()]
    }

    #[test]
    fn any_length_comes_back_however_it_was_written() {
        let around = |n: usize| [n - 1, n, n + 1];
        let lengths = [[0, 1, 77], around(ALIGNMENT), around(BUFFER_BYTES)];
        let long = around(BUFFER_BYTES + ALIGNMENT).into_iter();
        for length in lengths.into_iter().flatten().chain(long).chain([5_000_003]) {
            for piece in [length.max(1), 65_536, 10_007] {
                for file in files() {
                    let expected = bytes(length);
                    let mut writer = SequentialFile::new(file);
                    for part in expected.chunks(piece) {
                        writer.write_all(part).unwrap();
                    }
                    let mut file = writer.finish().unwrap();
                    let mut found = Vec::new();
                    file.rewind().unwrap();
                    file.read_to_end(&mut found).unwrap();
                    assert!(found == expected, "{length} by {piece}");
                }
            }
        }
    }

    #[test]
    fn the_flag_of_the_file_is_what_the_writer_believes() {
        for file in files() {
            let mut writer = SequentialFile::new(file);
            writer.write_all(&bytes(3 * BUFFER_BYTES)).unwrap();
            let flags = fcntl_getfl(&writer.file).unwrap();
            assert_eq!(flags.contains(OFlags::DIRECT), writer.way == Way::Direct);
            assert_ne!(writer.way, Way::Undecided);
        }
    }
}
