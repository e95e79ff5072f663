//! A file that is written in pieces, in any order and from any thread.

use crate::aligned::Aligned;
use crate::{ALIGNMENT, BUFFER_BYTES, is_suited};
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files below this size are left to the page cache: they are many, and their ends cost more than
/// the copy.
const WORTH_BYTES: u64 = 8 << 20;
/// A piece below this length goes through the page cache.
const PIECE_MIN: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Option<Aligned>> = const { RefCell::new(None) };
}

/// A file that is written in pieces, in any order and from any thread.
///
/// Two pieces may share the page where they meet: both write their part of it the usual way, and
/// only pages that belong to one piece altogether are written directly.
pub struct PositionedFile {
    file: File,
    /// The same file once more, for direct writes.
    direct: Option<File>,
    gave_up: AtomicBool,
}

impl PositionedFile {
    /// Takes a file that will have `size` bytes.
    #[must_use]
    pub fn new(file: File, size: u64) -> Self {
        let direct = (size >= WORTH_BYTES && is_suited(&file))
            .then(|| open_again(&file).ok())
            .flatten();
        Self {
            file,
            direct,
            gave_up: AtomicBool::new(false),
        }
    }

    /// Returns the file, for everything but writing.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// Passes on what the system answers.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Some(direct) = &self.direct else {
            return self.file.write_all_at(bytes, offset);
        };
        if bytes.len() < PIECE_MIN || self.gave_up.load(Ordering::Relaxed) {
            return self.file.write_all_at(bytes, offset);
        }
        let head = (offset.next_multiple_of(ALIGNMENT as u64) - offset) as usize;
        let (head, rest) = bytes.split_at(head);
        let (middle, tail) = rest.split_at(rest.len() - rest.len() % ALIGNMENT);
        let start = offset + head.len() as u64;
        self.file.write_all_at(head, offset)?;
        self.file.write_all_at(tail, start + middle.len() as u64)?;
        match write_aligned(direct, middle, start) {
            // Some file systems say only now that they cannot.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.gave_up.store(true, Ordering::Relaxed);
                self.file.write_all_at(middle, start)
            }
            other => other,
        }
    }
}

/// Opens what a descriptor stands for once more: it is the same file whatever its name is now.
fn open_again(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Writes whole pages to an aligned offset, by way of aligned memory.
fn write_aligned(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    BUFFER.with_borrow_mut(|buffer| {
        let buffer = buffer.get_or_insert_with(Aligned::new);
        let mut at = offset;
        for piece in bytes.chunks(BUFFER_BYTES) {
            let place = &mut buffer.as_bytes_mut()[..piece.len()];
            place.copy_from_slice(piece);
            file.write_all_at(place, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_come_together_from_several_threads() {
        for directory in [env!("CARGO_MANIFEST_DIR"), "/dev/shm"] {
            let expected: Vec<u8> = (0..WORTH_BYTES as usize + 4_321)
                .map(|n| (n * 7 + n / 4096 * 13) as u8)
                .collect();
            let file = tempfile::NamedTempFile::new_in(directory).unwrap();
            let written = PositionedFile::new(file.reopen().unwrap(), expected.len() as u64);
            let lengths = [100_003, 4_096, 70_000, 65_536, 7, 1_300_000, 8_191];
            let mut pieces = Vec::new();
            let mut at = 0;
            for length in lengths.iter().cycle() {
                let end = expected.len().min(at + length);
                pieces.push(at..end);
                at = end;
                if at == expected.len() {
                    break;
                }
            }
            std::thread::scope(|scope| {
                for thread in 0..3 {
                    let (pieces, expected, written) = (&pieces, &expected, &written);
                    scope.spawn(move || {
                        for piece in pieces.iter().rev().skip(thread).step_by(3) {
                            let bytes = &expected[piece.clone()];
                            written.write_all_at(bytes, piece.start as u64).unwrap();
                        }
                    });
                }
            });
            assert!(
                std::fs::read(file.path()).unwrap() == expected,
                "{directory}"
            );
        }
    }
}
