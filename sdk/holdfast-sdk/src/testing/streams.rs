//! Bytes in motion and at rest: the three rules of the contract hold here too.

use crate::types::{Failure, FailureKind};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

/// Largest number of bytes that one call returns.
const READ_MAX: usize = 1 << 20;

/// Bytes to come.
pub struct Reader {
    from: RefCell<Box<dyn Read>>,
    size: Option<u64>,
    end: RefCell<Option<Result<(), Failure>>>,
}

/// Makes a reader of anything that can be read.
pub fn reader(from: impl Read + 'static) -> Reader {
    Reader {
        from: RefCell::new(Box::new(from)),
        size: None,
        end: RefCell::new(None),
    }
}

/// Makes a reader that knows how many bytes are to come.
pub fn sized_reader(bytes: impl Into<Vec<u8>>) -> Reader {
    let bytes = bytes.into();
    let size = Some(bytes.len() as u64);
    Reader {
        size,
        ..reader(io::Cursor::new(bytes))
    }
}

/// Returns a source that gives some bytes and then fails.
pub fn broken_after(bytes: &[u8], failure: Failure) -> impl Read + use<> {
    struct Broken(Failure);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.clone().into())
        }
    }
    io::Cursor::new(bytes.to_vec()).chain(Broken(failure))
}

impl Reader {
    /// Returns at most `max_bytes` bytes; none at the end.
    ///
    /// # Errors
    /// Something upstream failed; it stays failed.
    pub fn read(&self, max_bytes: u32) -> Result<Option<Vec<u8>>, Failure> {
        match &*self.end.borrow() {
            Some(Ok(())) => return Ok(None),
            Some(Err(failure)) => return Err(failure.clone()),
            None => {}
        }
        let mut buffer = vec![0; (max_bytes as usize).clamp(1, READ_MAX)];
        let end = loop {
            match self.from.borrow_mut().read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    buffer.truncate(count);
                    return Ok(Some(buffer));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(Failure::from(error)),
            }
        };
        self.end.replace(Some(end.clone()));
        end.map(|()| None)
    }

    /// Returns how many bytes are to come, if that is known.
    #[must_use]
    pub fn size_hint(&self) -> Option<u64> {
        self.size
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// The destination of a writer's bytes.
pub(crate) trait Sink {
    /// Takes bytes. After an error the writer is lost.
    fn accept(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// Commits the bytes.
    fn finish(self: Box<Self>) -> Result<(), Failure>;

    /// Forgets the bytes, for this reason.
    fn discard(self: Box<Self>, _reason: &str) {}
}

/// Bytes to be taken.
pub struct Writer {
    to: RefCell<Result<Box<dyn Sink>, Failure>>,
    taken: Cell<u64>,
}

impl Writer {
    /// Makes a writer.
    #[must_use]
    pub(crate) fn with_sink(sink: impl Sink + 'static) -> Self {
        Self {
            to: RefCell::new(Ok(Box::new(sink))),
            taken: Cell::new(0),
        }
    }

    /// Takes all bytes or fails. A writer that failed once cannot be finished any more.
    ///
    /// # Errors
    /// The destination refuses them.
    pub fn write(&self, data: &[u8]) -> Result<(), Failure> {
        let mut to = self.to.borrow_mut();
        let written = match &mut *to {
            Ok(sink) => sink.accept(data),
            Err(failure) => return Err(failure.clone()),
        };
        drop(to);
        match &written {
            Ok(()) => self.taken.set(self.taken.get() + data.len() as u64),
            Err(failure) => self.fail_with(failure),
        }
        written
    }

    /// Discards the bytes, because the rest of them cannot come any more.
    pub(crate) fn fail_with(&self, failure: &Failure) {
        if let Ok(sink) = self.to.replace(Err(failure.clone())) {
            sink.discard(&failure.message);
        }
    }

    /// Commits and returns how many bytes were taken.
    ///
    /// # Errors
    /// An earlier write failed, or it cannot be committed.
    #[expect(clippy::needless_pass_by_value, reason = "finishing uses a writer up")]
    pub fn finish(this: Self) -> Result<u64, Failure> {
        let gone = Failure::invalid("the writer is gone");
        this.to.replace(Err(gone))?.finish()?;
        Ok(this.taken.get())
    }

    /// Discards the bytes, for this reason.
    #[expect(clippy::needless_pass_by_value, reason = "aborting uses a writer up")]
    pub fn abort(this: Self, reason: &str) {
        this.fail_with(&Failure::failed(reason));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.fail_with(&Failure::failed("the writer was dropped"));
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Shows whether a writer was committed or discarded.
#[derive(Debug, Clone, Default)]
pub struct Received(Rc<RefCell<Outcome>>);

#[derive(Debug, Default)]
struct Outcome {
    bytes: Vec<u8>,
    is_committed: bool,
    discarded: Option<String>,
}

impl Received {
    /// Returns what was committed; none if nothing was.
    #[must_use]
    pub fn committed(&self) -> Option<Vec<u8>> {
        let outcome = self.0.borrow();
        outcome.is_committed.then(|| outcome.bytes.clone())
    }

    /// Returns why it was discarded; none if it was not.
    #[must_use]
    pub fn discarded(&self) -> Option<String> {
        self.0.borrow().discarded.clone()
    }
}

struct Collect {
    outcome: Received,
    room: u64,
}

impl Sink for Collect {
    fn accept(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
            return Err(Failure::new(
                FailureKind::Unavailable,
                "there is no room left",
            ));
        };
        self.room = room;
        self.outcome.0.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.outcome.0.borrow_mut().is_committed = true;
        Ok(())
    }

    fn discard(self: Box<Self>, reason: &str) {
        self.outcome.0.borrow_mut().discarded = Some(reason.to_owned());
    }
}

/// Makes a writer with room for so many bytes. The other half shows what was committed.
#[must_use]
pub fn writer(room: u64) -> (Writer, Received) {
    let received = Received::default();
    let collect = Collect {
        outcome: received.clone(),
        room,
    };
    (Writer::with_sink(collect), received)
}

/// Bytes at rest, readable at any place.
#[derive(Debug, Clone)]
pub struct Blob(Rc<Vec<u8>>);

/// Makes a blob.
pub fn blob(bytes: impl Into<Vec<u8>>) -> Blob {
    Blob(Rc::new(bytes.into()))
}

impl Blob {
    fn clamped_slice(&self, offset: u64, length: u64) -> &[u8] {
        let from = self.0.len().min(offset as usize);
        let to = self.0.len().min(from.saturating_add(length as usize));
        &self.0[from..to]
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns at most `max_bytes` bytes from `offset`; fewer only at the end.
    ///
    /// # Errors
    /// None here; a host may not be able to read it.
    pub fn read_at(&self, offset: u64, max_bytes: u32) -> Result<Vec<u8>, Failure> {
        let length = (max_bytes as usize).min(READ_MAX);
        Ok(self.clamped_slice(offset, length as u64).to_vec())
    }

    /// Reads a range as a stream.
    ///
    /// # Errors
    /// The range reaches past the end.
    pub fn open_range(&self, offset: u64, length: u64) -> Result<Reader, Failure> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size() => Ok(sized_reader(self.clamped_slice(offset, length))),
            _ => Err(Failure::damaged("the range reaches past the end")),
        }
    }
}

/// A transfer; here it is over as soon as it is started.
#[derive(Debug)]
pub struct Transfer(Result<u64, Failure>);

impl Transfer {
    /// Moves everything from a reader into a writer.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a transfer takes its streams"
    )]
    pub fn start(source: Reader, target: Writer) -> Self {
        let moved = splice(&source, &target);
        Self(moved.and_then(|_| Writer::finish(target)))
    }

    /// Returns how many bytes have moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.0.as_ref().copied().unwrap_or_default()
    }

    /// Waits for the end and returns how many bytes moved; the writer is committed then.
    ///
    /// # Errors
    /// Reading, writing or committing failed.
    pub fn wait(this: Self) -> Result<u64, Failure> {
        this.0
    }
}

/// Moves everything from a reader into a writer, and leaves the writer open.
///
/// # Errors
/// Reading or writing failed; the writer cannot be finished then.
pub fn splice(source: &Reader, target: &Writer) -> Result<u64, Failure> {
    let mut moved = 0;
    loop {
        match source.read(READ_MAX as u32) {
            Ok(None) => return Ok(moved),
            Ok(Some(bytes)) => {
                target.write(&bytes)?;
                moved += bytes.len() as u64;
            }
            Err(failure) => {
                target.fail_with(&failure);
                return Err(failure);
            }
        }
    }
}
