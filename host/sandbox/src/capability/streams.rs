//! Bytes in motion and at rest.
//!
//! - A reader ends well only after everything upstream succeeded. One that failed stays failed.
//! - A writer commits only by `finish`. Dropping it discards, whatever the reason; so does a failed
//!   write, splice or transfer, after which `finish` fails too.
//! - Whatever waits or works for long looks at the call's cancel flag.

mod fast;
mod transfer;

pub(crate) use fast::{Pieces, link_fast};
pub use transfer::Transfer;
pub(crate) use transfer::Transfers;

use super::ledger::Started;
use super::{Answer, Guest, cancelled, failure, of_io};
use crate::bindings::v1::shared::streams::{Host, HostBlob, HostReader, HostWriter};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::ports::StreamSink;
use holdfast_base::cancel::Cancel;
use holdfast_base::limits::PIECE_MAX;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmtime::component::Resource;

/// Bytes that one step of a splice moves.
pub(crate) const SPLICE_BYTES: usize = 256 << 10;

/// Bytes to come.
pub struct Reader {
    from: Box<dyn Read + Send>,
    size_hint: Option<u64>,
    end: Option<Result<(), Failure>>,
}

impl Reader {
    pub(crate) fn new(from: impl Read + Send + 'static) -> Self {
        Self::sized(from, None)
    }

    pub(crate) fn sized(from: impl Read + Send + 'static, size_hint: Option<u64>) -> Self {
        Self {
            from: Box::new(from),
            size_hint,
            end: None,
        }
    }

    /// Reads some bytes; none is the end, and stays the end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
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
                Err(error) => break Err(of_io(&error)),
            }
        };
        // What lies behind is let go of at once: a pipe, a connection.
        self.from = Box::new(io::empty());
        self.end = Some(end.clone());
        end.map(|()| 0)
    }

    /// Reads until the buffer is full or the end is there.
    pub(crate) fn fill_all(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.fill(&mut buffer[filled..])? {
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
    entry: Option<Started>,
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
    pub(crate) fn of_entry(to: Box<dyn StreamSink>, entry: Started) -> Self {
        Self {
            to: Ok(to),
            taken: 0,
            entry: Some(entry),
        }
    }

    /// Stands in for one that is at work elsewhere.
    fn away() -> Self {
        let failure = failure(FailureKind::Invalid, "the writer is at work elsewhere");
        Self {
            to: Err(failure),
            taken: 0,
            entry: None,
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let to = self.to.as_mut().map_err(|failure| failure.clone())?;
        match to.write(bytes) {
            Ok(()) => {
                self.taken += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                let failure = of_io(&error);
                self.fail(&failure);
                Err(failure)
            }
        }
    }

    /// Discards what was taken: what should have come cannot come any more.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        if let Some(entry) = &self.entry {
            entry.failed(failure);
        }
        if self.to.is_ok() {
            self.to = Err(failure.clone());
        }
    }

    pub(crate) fn finish(self) -> Result<u64, Failure> {
        let finished = self.to.and_then(|to| to.finish().map_err(|e| of_io(&e)));
        match (finished, self.entry) {
            (Ok(_), Some(entry)) => entry.done(),
            (Err(failure), Some(entry)) => {
                entry.failed(&failure);
                return Err(failure);
            }
            (Err(failure), None) => return Err(failure),
            (Ok(_), None) => {}
        }
        Ok(self.taken)
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
pub(crate) fn copy(
    from: &mut Reader,
    to: &mut Writer,
    cancel: &Cancel,
    buffer: &mut [u8],
    mut moved: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut total = 0;
    loop {
        cancel
            .reason()
            .map_or(Ok(()), |reason| Err(cancelled(reason)))?;
        moved(total)?;
        let count = from.fill(buffer)?;
        if count == 0 {
            return Ok(total);
        }
        to.take(&buffer[..count])?;
        total += count as u64;
    }
}

impl Guest {
    /// Works with a reader and a writer at once; a failure of the work discards the writer's bytes.
    pub(crate) fn with_streams(
        &mut self,
        source: &Resource<Reader>,
        target: &Resource<Writer>,
        work: impl FnOnce(&mut Reader, &mut Writer) -> Result<u64, Failure>,
    ) -> Answer<u64> {
        // Taken out for the time of the work, since the table lends one thing at a time.
        let empty = Reader::new(io::empty());
        let mut writer = std::mem::replace(self.table.get_mut(target)?, Writer::away());
        let mut reader = std::mem::replace(self.table.get_mut(source)?, empty);
        let result = work(&mut reader, &mut writer);
        if let Err(failure) = &result {
            writer.fail(failure);
        }
        *self.table.get_mut(source)? = reader;
        *self.table.get_mut(target)? = writer;
        Ok(result)
    }
}

impl Host for Guest {
    fn splice(&mut self, source: Resource<Reader>, target: Resource<Writer>) -> Answer<u64> {
        let cancel = self.call.clone();
        let mut piece = self.pieces.take(SPLICE_BYTES);
        self.with_streams(&source, &target, |from, to| {
            copy(from, to, &cancel, &mut piece.bytes, |_| Ok(()))
        })
    }
}

impl HostReader for Guest {
    // The linked one is in `fast.rs`: it gives its buffer back.
    fn read(&mut self, this: Resource<Reader>, max_bytes: u32) -> Answer<Option<Vec<u8>>> {
        let piece = fast::read(self, &this, max_bytes)?;
        Ok(piece.map(|piece| piece.map(|bytes| bytes.to_vec())))
    }

    fn size_hint(&mut self, this: Resource<Reader>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&this)?.size_hint)
    }

    fn drop(&mut self, this: Resource<Reader>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostWriter for Guest {
    // The linked one is in `fast.rs`: it borrows the guest's memory.
    fn write(&mut self, this: Resource<Writer>, data: Vec<u8>) -> Answer<()> {
        if let Err(failure) = self.check_cancelled() {
            return Ok(Err(failure));
        }
        Ok(self.table.get_mut(&this)?.take(&data))
    }

    fn finish(&mut self, this: Resource<Writer>) -> Answer<u64> {
        let mut writer = self.table.delete(this)?;
        if let Err(failure) = self.check_cancelled() {
            writer.fail(&failure);
        }
        Ok(writer.finish())
    }

    fn abort(&mut self, this: Resource<Writer>, reason: String) -> wasmtime::Result<()> {
        let writer = self.table.delete(this)?;
        if let Some(entry) = writer.entry {
            entry.given_up(&reason);
        }
        Ok(())
    }

    fn drop(&mut self, this: Resource<Writer>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostBlob for Guest {
    fn size(&mut self, this: Resource<Blob>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.bytes.size())
    }

    fn read_at(&mut self, this: Resource<Blob>, offset: u64, max_bytes: u32) -> Answer<Vec<u8>> {
        let length = (max_bytes as usize).min(PIECE_MAX.len());
        let blob = self.table.get(&this)?;
        Ok(blob.bytes.read_at(offset, length).map_err(|e| of_io(&e)))
    }

    fn open_range(
        &mut self,
        this: Resource<Blob>,
        offset: u64,
        length: u64,
    ) -> Answer<Resource<Reader>> {
        let bytes = Arc::clone(&self.table.get(&this)?.bytes);
        let Some(end) = offset
            .checked_add(length)
            .filter(|end| *end <= bytes.size())
        else {
            return Ok(Err(failure(
                FailureKind::Damaged,
                "the range reaches past the end",
            )));
        };
        let range = BlobRange {
            bytes,
            at: offset,
            end,
            current: Vec::new(),
            used: 0,
        };
        self.keep(Reader::sized(range, Some(length)))
    }

    fn drop(&mut self, this: Resource<Blob>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
