//! Readers, writers and blobs.
//!
//! - A reader ends well only after everything upstream succeeded. One that failed stays failed.
//! - A writer commits only by `finish`. Dropping it discards, whatever the reason; so does a failed
//!   write, splice or transfer, after which `finish` fails too.
//! - Whatever waits or works for long looks at the call's cancel flag.

use crate::capability::failure::{check_cancelled, failure, io_failure};
use crate::capability::unfinished::StartedEntry;
use crate::contract::{Failure, FailureKind};
use crate::ports::StreamSink;
use holdfast_base::cancel::Cancel;
use holdfast_base::limits::PIECE_MAX;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that one step of a splice moves.
pub(crate) const SPLICE_BYTES: usize = 256 << 10;

/// Bytes to come.
pub struct Reader {
    from: Box<dyn Read + Send>,
    pub(crate) size_hint: Option<u64>,
    end: Option<Result<(), Failure>>,
}

impl Reader {
    /// Makes a reader of unknown length.
    pub(crate) fn new(from: impl Read + Send + 'static) -> Self {
        Self::sized(from, None)
    }

    /// Makes a reader that probably has this length.
    pub(crate) fn sized(from: impl Read + Send + 'static, size_hint: Option<u64>) -> Self {
        Self {
            from: Box::new(from),
            size_hint,
            end: None,
        }
    }

    /// Reads some bytes; none is the end, and stays the end.
    pub(crate) fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        match &self.end {
            Some(Ok(())) => return Ok(0),
            Some(Err(failure)) => return Err(failure.clone()),
            None => {}
        }
        let end = loop {
            match self.from.read(buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(io_failure(&error)),
            }
        };
        // What lies behind is let go of at once: a pipe, a connection.
        self.from = Box::new(io::empty());
        self.end = Some(end.clone());
        end.map(|()| 0)
    }

    /// Reads until the buffer is full or the end is there.
    pub(crate) fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
}

/// Bytes to be taken.
pub struct Writer {
    to: Result<Box<dyn StreamSink>, Failure>,
    taken: u64,
    entry: Option<StartedEntry>,
}

impl Writer {
    pub(crate) fn new(to: Box<dyn StreamSink>) -> Self {
        Self {
            to: Ok(to),
            taken: 0,
            entry: None,
        }
    }

    /// Makes the writer of an entry, which the source has to finish.
    pub(crate) fn for_entry(to: Box<dyn StreamSink>, entry: StartedEntry) -> Self {
        Self {
            to: Ok(to),
            taken: 0,
            entry: Some(entry),
        }
    }

    /// Returns a writer that stands in for one that is at work elsewhere.
    pub(crate) fn placeholder() -> Self {
        let failure = failure(FailureKind::Invalid, "the writer is at work elsewhere");
        Self {
            to: Err(failure),
            taken: 0,
            entry: None,
        }
    }

    /// Takes bytes; the first failure discards all of them.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let to = self.to.as_mut().map_err(|failure| failure.clone())?;
        match to.write(bytes) {
            Ok(()) => {
                self.taken += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                let failure = io_failure(&error);
                self.discard(&failure);
                Err(failure)
            }
        }
    }

    /// Discards what was taken: the rest cannot come any more.
    pub(crate) fn discard(&mut self, failure: &Failure) {
        if let Some(entry) = &self.entry {
            entry.mark_failed(failure);
        }
        if self.to.is_ok() {
            self.to = Err(failure.clone());
        }
    }

    /// Commits what was taken and returns its length.
    pub(crate) fn finish(self) -> Result<u64, Failure> {
        let finished = self
            .to
            .and_then(|to| to.finish().map_err(|e| io_failure(&e)));
        match (finished, self.entry) {
            (Ok(_), Some(entry)) => entry.mark_finished(),
            (Err(failure), Some(entry)) => {
                entry.mark_failed(&failure);
                return Err(failure);
            }
            (Err(failure), None) => return Err(failure),
            (Ok(_), None) => {}
        }
        Ok(self.taken)
    }
}

impl Writer {
    /// Gives up what was taken, for a reason that is reported if the writer belongs to an entry.
    pub(crate) fn give_up(self, reason: &str) {
        if let Some(entry) = self.entry {
            entry.give_up(reason);
        }
    }
}

/// A sink whose owner sees by itself whether it was finished.
pub(crate) struct PlainTarget {
    pub(crate) to: Box<dyn Write + Send>,
    pub(crate) taken: u64,
    pub(crate) finished: Arc<AtomicBool>,
}

impl StreamSink for PlainTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.taken += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<u64> {
        self.to.flush()?;
        self.finished.store(true, Ordering::SeqCst);
        Ok(self.taken)
    }
}

/// Bytes at rest.
pub struct Blob {
    pub(crate) bytes: Arc<dyn BlobBytes>,
}

/// Bytes at rest, readable at any place.
pub trait BlobBytes: Send + Sync {
    /// Returns the length in bytes.
    fn size(&self) -> u64;

    /// Returns bytes from a place; fewer only at the end.
    ///
    /// # Errors
    /// They cannot be read.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl Blob {
    /// Returns bytes from a place; fewer only at the end.
    pub(crate) fn read_at(&self, offset: u64, max_bytes: u32) -> Result<Vec<u8>, Failure> {
        let length = (max_bytes as usize).min(PIECE_MAX.len());
        let read = self.bytes.read_at(offset, length);
        read.map_err(|e| io_failure(&e))
    }

    /// Returns a range as a stream.
    pub(crate) fn open_range(&self, offset: u64, length: u64) -> Result<Reader, Failure> {
        let end = offset.checked_add(length);
        let Some(end) = end.filter(|end| *end <= self.bytes.size()) else {
            let what = "the range reaches past the end";
            return Err(failure(FailureKind::Damaged, what));
        };
        let range = BlobRange {
            bytes: Arc::clone(&self.bytes),
            at: offset,
            end,
            current: Vec::new(),
            used: 0,
        };
        Ok(Reader::sized(range, Some(length)))
    }
}

/// A range of a blob as a stream.
struct BlobRange {
    bytes: Arc<dyn BlobBytes>,
    at: u64,
    end: u64,
    current: Vec<u8>,
    used: usize,
}

impl Read for BlobRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.current.len() && self.at < self.end {
            let wanted = (self.end - self.at).min(PIECE_MAX.bytes()) as usize;
            self.current = self.bytes.read_at(self.at, wanted)?;
            if self.current.is_empty() || self.current.len() > wanted {
                let what = "the range reaches past the end";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
            }
            self.used = 0;
            self.at += self.current.len() as u64;
        }
        let rest = &self.current[self.used..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        Ok(count)
    }
}

/// Moves everything from a reader into a writer.
pub(crate) fn copy_stream(
    from: &mut Reader,
    to: &mut Writer,
    cancel: &Cancel,
    buffer: &mut [u8],
    mut report: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut total = 0;
    loop {
        check_cancelled(cancel)?;
        report(total)?;
        let count = from.read_some(buffer)?;
        if count == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..count])?;
        total += count as u64;
    }
}
