//! Bytes in motion and at rest.
//!
//! - A reader ends well only after everything upstream succeeded.
//! - A writer commits only by `finish`; dropping it, whatever the reason, discards.

use super::guest::Unfinished;
use super::{Answer, Guest, failure, held, of_io};
use crate::bindings::v1::shared::streams::{Host, HostBlob, HostReader, HostTransfer, HostWriter};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::ports::StreamSink;
use holdfast_base::cancel::Cancel;
use holdfast_base::limits::PIECE_MAX;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use wasmtime::component::Resource;

/// Bytes that one step of a splice moves.
const SPLICE_BYTES: usize = 256 << 10;

/// Bytes to come.
pub struct Reader {
    pub(crate) from: Box<dyn Read + Send>,
    pub(crate) size_hint: Option<u64>,
}

impl Reader {
    pub(crate) fn new(from: impl Read + Send + 'static) -> Self {
        Self {
            from: Box::new(from),
            size_hint: None,
        }
    }
}

/// Where bytes go.
pub(crate) trait Target: Write + Send {
    /// Commits.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Bytes to be taken.
pub struct Writer {
    pub(crate) to: Box<dyn Target>,
    pub(crate) taken: u64,
    pub(crate) unfinished: Option<Unfinished>,
}

impl Writer {
    pub(crate) fn new(to: Box<dyn Target>) -> Self {
        Self {
            to,
            taken: 0,
            unfinished: None,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.taken += bytes.len() as u64;
        Ok(())
    }

    fn finish(self) -> io::Result<u64> {
        self.to.finish()?;
        if let Some(unfinished) = self.unfinished {
            unfinished.done();
        }
        Ok(self.taken)
    }
}

/// A target whose owner sees by itself whether it was finished.
pub(crate) struct PlainTarget {
    pub(crate) to: Box<dyn Write + Send>,
    pub(crate) finished: Arc<AtomicBool>,
}

impl Write for PlainTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Target for PlainTarget {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.to.flush()?;
        self.finished.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// A target that is an entry of the snapshot being made.
pub(crate) struct SinkTarget(pub(crate) Box<dyn StreamSink>);

impl Write for SinkTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for SinkTarget {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.finish().map(drop)
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
            if self.current.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the range reaches past the end",
                ));
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

/// A transfer that goes on in the background.
pub struct Transfer {
    thread: Option<JoinHandle<io::Result<u64>>>,
    moved: Arc<AtomicU64>,
    given_up: Arc<AtomicBool>,
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// Moves everything from a reader into a writer.
pub(crate) fn splice(
    from: &mut dyn Read,
    to: &mut Writer,
    cancel: &Cancel,
    moved: Option<&AtomicU64>,
    given_up: Option<&AtomicBool>,
) -> io::Result<u64> {
    let mut buffer = vec![0; SPLICE_BYTES];
    let mut total = 0;
    loop {
        let is_given_up = given_up.is_some_and(|flag| flag.load(Ordering::Relaxed));
        if cancel.is_raised() || is_given_up {
            return Err(held(failure(
                FailureKind::Cancelled,
                "the transfer was cancelled",
            )));
        }
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.take(&buffer[..count])?;
        total += count as u64;
        if let Some(moved) = moved {
            moved.store(total, Ordering::Relaxed);
        }
    }
}

impl Host for Guest {
    fn splice(&mut self, source: Resource<Reader>, target: Resource<Writer>) -> Answer<u64> {
        let cancel = self.context.cancel.clone();
        // Taken out for the time of the work, since the table lends one thing at a time.
        let empty = Box::new(io::empty());
        let mut from = std::mem::replace(&mut self.table.get_mut(&source)?.from, empty);
        let to = self.table.get_mut(&target)?;
        let result = splice(from.as_mut(), to, &cancel, None, None);
        self.table.get_mut(&source)?.from = from;
        Ok(result.map_err(|e| of_io(&e)))
    }
}

impl HostReader for Guest {
    fn read(&mut self, this: Resource<Reader>, max_bytes: u32) -> Answer<Option<Vec<u8>>> {
        if let Err(error) = self.check_cancelled() {
            return Ok(Err(of_io(&error)));
        }
        let reader = self.table.get_mut(&this)?;
        let mut bytes = vec![0; (max_bytes as usize).clamp(1, PIECE_MAX.len())];
        loop {
            match reader.from.read(&mut bytes) {
                Ok(0) => return Ok(Ok(None)),
                Ok(count) => {
                    bytes.truncate(count);
                    return Ok(Ok(Some(bytes)));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(of_io(&error))),
            }
        }
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
    fn write(&mut self, this: Resource<Writer>, data: Vec<u8>) -> Answer<()> {
        if let Err(error) = self.check_cancelled() {
            return Ok(Err(of_io(&error)));
        }
        Ok(self
            .table
            .get_mut(&this)?
            .take(&data)
            .map_err(|e| of_io(&e)))
    }

    fn finish(&mut self, this: Resource<Writer>) -> Answer<u64> {
        Ok(self.table.delete(this)?.finish().map_err(|e| of_io(&e)))
    }

    fn abort(&mut self, this: Resource<Writer>, reason: String) -> wasmtime::Result<()> {
        let writer = self.table.delete(this)?;
        tracing::debug!(plugin = %self.plugin, %reason, "a stream was given up");
        if let Some(unfinished) = writer.unfinished {
            unfinished.done();
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
        Ok(self
            .table
            .get(&this)?
            .bytes
            .read_at(offset, length)
            .map_err(|e| of_io(&e)))
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
            return Ok(Err(past_the_end()));
        };
        let range = BlobRange {
            bytes,
            at: offset,
            end,
            current: Vec::new(),
            used: 0,
        };
        let reader = Reader {
            size_hint: Some(length),
            ..Reader::new(range)
        };
        Ok(Ok(self.table.push(reader)?))
    }

    fn drop(&mut self, this: Resource<Blob>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn past_the_end() -> Failure {
    failure(FailureKind::Damaged, "the range reaches past the end")
}

impl HostTransfer for Guest {
    fn start(
        &mut self,
        source: Resource<Reader>,
        target: Resource<Writer>,
    ) -> wasmtime::Result<Resource<Transfer>> {
        let mut reader = self.table.delete(source)?;
        let mut writer = self.table.delete(target)?;
        let cancel = self.context.cancel.clone();
        let moved = Arc::new(AtomicU64::new(0));
        let given_up = Arc::new(AtomicBool::new(false));
        let (count, flag) = (Arc::clone(&moved), Arc::clone(&given_up));
        let thread = std::thread::spawn(move || {
            let total = splice(
                reader.from.as_mut(),
                &mut writer,
                &cancel,
                Some(&count),
                Some(&flag),
            )?;
            writer.finish()?;
            Ok(total)
        });
        Ok(self.table.push(Transfer {
            thread: Some(thread),
            moved,
            given_up,
        })?)
    }

    fn moved(&mut self, this: Resource<Transfer>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.moved.load(Ordering::Relaxed))
    }

    fn wait(&mut self, this: Resource<Transfer>) -> Answer<u64> {
        let mut transfer = self.table.delete(this)?;
        let Some(thread) = transfer.thread.take() else {
            return Ok(Err(failure(
                FailureKind::Invalid,
                "the transfer was waited for before",
            )));
        };
        let ended = |_| Err(io::Error::other("the transfer ended in an unknown way"));
        Ok(thread.join().unwrap_or_else(ended).map_err(|e| of_io(&e)))
    }

    fn drop(&mut self, this: Resource<Transfer>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
