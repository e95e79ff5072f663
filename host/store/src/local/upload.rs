//! An object in the making: a nameless file that is written past the page cache.
//!
//! - Packs are written once and seldom read. Through the page cache every byte would be copied once
//!   more, and would push out what the machine's own work keeps there.
//! - Direct writes want memory, offsets and lengths that are aligned: bytes are gathered in an
//!   aligned buffer, and the end of the object, which seldom is, goes the usual way.
//! - A file system that has no direct writes is written to the usual way altogether.

use super::LocalStore;
use crate::error::StoreError;
use crate::name::Name;
use crate::{Created, Upload};
use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;

/// What file systems ask for at most: a page, which no sector is larger than.
const ALIGNMENT: usize = 4 << 10;
/// Bytes that go to the disk at once: enough for any disk to be busy with.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes after which what was written the usual way is handed to the disk, so that the final sync
/// has little left.
const WRITE_BACK_BYTES: u64 = 4 << 20;

#[derive(PartialEq, Eq)]
enum Way {
    /// Nothing was written yet.
    Undecided,
    /// Past the page cache.
    Direct,
    /// Through it.
    Cached,
}

pub(super) struct LocalUpload {
    store: LocalStore,
    file: File,
    way: Way,
    /// Longer than what is used of it, so that the part in use can begin at an aligned address.
    memory: Vec<u8>,
    start: usize,
    filled: usize,
    /// Bytes in the file.
    written: u64,
    /// Bytes of them that the disk was asked to take.
    handed_over: u64,
}

impl LocalUpload {
    pub(super) fn start(store: &LocalStore) -> Result<Self, StoreError> {
        let memory = vec![0; BUFFER_BYTES + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Ok(Self {
            file: store.nameless()?,
            store: store.clone(),
            way: Way::Undecided,
            memory,
            start,
            filled: 0,
            written: 0,
            handed_over: 0,
        })
    }

    /// Writes what the buffer holds.
    fn drain(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.filled {
            let length = self.choose_way(self.filled - at);
            let from = self.start + at;
            match self.file.write(&self.memory[from..from + length]) {
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
        self.write_back();
        Ok(())
    }

    /// Decides how the next bytes are written, and how many of them at once.
    fn choose_way(&mut self, left: usize) -> usize {
        let whole = left - left % ALIGNMENT;
        if self.way == Way::Undecided {
            // What fits into one buffer is not worth it.
            let tried = left == BUFFER_BYTES && self.set_direct(true).is_ok();
            self.way = if tried { Way::Direct } else { Way::Cached };
        }
        let is_aligned = whole > 0 && self.written.is_multiple_of(ALIGNMENT as u64);
        if self.way == Way::Direct && is_aligned {
            return whole;
        }
        if self.way == Way::Direct && self.go_cached().is_err() {
            // The write that follows will tell what is wrong.
            self.way = Way::Cached;
        }
        left
    }

    fn go_cached(&mut self) -> io::Result<()> {
        self.way = Way::Cached;
        self.handed_over = self.written;
        self.set_direct(false)
    }

    fn set_direct(&self, direct: bool) -> io::Result<()> {
        let mut flags = fcntl_getfl(&self.file)?;
        flags.set(OFlags::DIRECT, direct);
        Ok(fcntl_setfl(&self.file, flags)?)
    }

    fn write_back(&mut self) {
        let waiting = self.written - self.handed_over;
        if self.way == Way::Cached && waiting >= WRITE_BACK_BYTES {
            // Only a hint to start early; durability comes from the sync in `commit`.
            let length = NonZeroU64::new(waiting);
            if let Some(length) = length {
                let _ = fadvise(&self.file, self.handed_over, Some(length), Advice::DontNeed);
            }
            self.handed_over = self.written;
        }
    }
}

impl Write for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled == BUFFER_BYTES {
            self.drain()?;
        }
        let count = bytes.len().min(BUFFER_BYTES - self.filled);
        let from = self.start + self.filled;
        self.memory[from..from + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for LocalUpload {
    fn commit(mut self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        let written = self.drain().and_then(|()| self.file.sync_data());
        written.map_err(|e| {
            self.store
                .failed(format!("make object `{name}` durable"), e)
        })?;
        self.store.link(&self.file, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 7 + n / 4096 * 13) as u8).collect()
    }

    #[test]
    fn objects_of_any_length_come_back_however_they_were_written() {
        let place = tempfile::tempdir().unwrap();
        let store = LocalStore::new(place.path().to_owned());
        let around = |n: usize| [n - 1, n, n + 1];
        let lengths = [[0, 1, 77], around(ALIGNMENT), around(BUFFER_BYTES)];
        let long = around(BUFFER_BYTES + ALIGNMENT).into_iter();
        for length in lengths.into_iter().flatten().chain(long).chain([5_000_003]) {
            for piece in [length.max(1), 65_536, 10_007] {
                let expected = bytes(length);
                let mut upload = store.upload().unwrap();
                for part in expected.chunks(piece) {
                    upload.write_all(part).unwrap();
                }
                let name = Name::new(format!("packs/o{length}-{piece}")).unwrap();
                upload.commit(&name).unwrap();
                assert!(store.get(&name).unwrap() == expected, "{length} by {piece}");
            }
        }
    }

    #[test]
    fn large_objects_do_not_fill_the_page_cache_where_that_can_be_had() {
        let place = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let store = LocalStore::new(place.path().to_owned());
        let mut upload = LocalUpload::start(&store).unwrap();
        upload.write_all(&bytes(3 * BUFFER_BYTES)).unwrap();
        let flags = fcntl_getfl(&upload.file).unwrap();
        assert_eq!(flags.contains(OFlags::DIRECT), upload.way == Way::Direct);
        assert!(upload.way != Way::Undecided);
    }
}
