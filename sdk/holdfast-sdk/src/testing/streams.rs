//! Bytes in motion and at rest: the three rules of the contract hold here too.

use crate::types::{Failure, FailureKind};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

/// Most bytes that one call gives.
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

/// Makes a reader that says how much is to come.
pub fn sized_reader(bytes: impl Into<Vec<u8>>) -> Reader {
    let bytes = bytes.into();
    let size = Some(bytes.len() as u64);
    Reader {
        size,
        ..reader(io::Cursor::new(bytes))
    }
}

/// Makes something to read that gives some bytes and then breaks.
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

    /// Returns how many bytes are to come, where that is known.
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

/// Where the bytes of a writer go.
pub trait Sink {
    /// Takes bytes.
    ///
    /// # Errors
    /// They cannot be taken; the writer is lost.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// Commits.
    ///
    /// # Errors
    /// It cannot be committed.
    fn finish(self: Box<Self>) -> Result<(), Failure>;

    /// Hears that all is discarded, and why.
    fn discard(self: Box<Self>, reason: &str);
}

/// Bytes to be taken.
pub struct Writer {
    to: RefCell<Result<Box<dyn Sink>, Failure>>,
    taken: Cell<u64>,
}

impl Writer {
    /// Makes a writer.
    #[must_use]
    pub(crate) fn to(sink: impl Sink + 'static) -> Self {
        Self {
            to: RefCell::new(Ok(Box::new(sink))),
            taken: Cell::new(0),
        }
    }

    /// Takes all bytes or fails; what failed once cannot be finished any more.
    ///
    /// # Errors
    /// What lies behind refuses them.
    pub fn write(&self, data: &[u8]) -> Result<(), Failure> {
        let mut to = self.to.borrow_mut();
        let written = match &mut *to {
            Ok(sink) => sink.write(data),
            Err(failure) => return Err(failure.clone()),
        };
        drop(to);
        match &written {
            Ok(()) => self.taken.set(self.taken.get() + data.len() as u64),
            Err(failure) => self.fail(failure),
        }
        written
    }

    /// Discards what was taken: what should have come cannot come any more.
    pub(crate) fn fail(&self, failure: &Failure) {
        if let Ok(sink) = self.to.replace(Err(failure.clone())) {
            sink.discard(&failure.message);
        }
    }

    fn gone() -> Failure {
        Failure::invalid("the writer is gone")
    }

    /// Commits and returns how many bytes were taken.
    ///
    /// # Errors
    /// An earlier write failed, or it cannot be committed.
    #[expect(clippy::needless_pass_by_value, reason = "finishing uses a writer up")]
    pub fn finish(this: Self) -> Result<u64, Failure> {
        this.to.replace(Err(Self::gone()))?.finish()?;
        Ok(this.taken.get())
    }

    /// Discards, and says why.
    #[expect(clippy::needless_pass_by_value, reason = "aborting uses a writer up")]
    pub fn abort(this: Self, reason: &str) {
        this.fail(&Failure::failed(reason));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.fail(&Failure::failed("the writer was dropped"));
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Sees what became of a writer.
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
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
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

/// Makes a writer with room for so many bytes, and what sees what became of it.
#[must_use]
pub fn writer(room: u64) -> (Writer, Received) {
    let received = Received::default();
    let collect = Collect {
        outcome: received.clone(),
        room,
    };
    (Writer::to(collect), received)
}

/// Bytes at rest, readable at any place.
#[derive(Debug, Clone)]
pub struct Blob(Rc<Vec<u8>>);

/// Makes a blob.
pub fn blob(bytes: impl Into<Vec<u8>>) -> Blob {
    Blob(Rc::new(bytes.into()))
}

impl Blob {
    fn part(&self, offset: u64, length: u64) -> &[u8] {
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
        Ok(self.part(offset, length as u64).to_vec())
    }

    /// Reads a range as a stream.
    ///
    /// # Errors
    /// The range reaches past the end.
    pub fn open_range(&self, offset: u64, length: u64) -> Result<Reader, Failure> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size() => Ok(sized_reader(self.part(offset, length))),
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
                target.fail(&failure);
                return Err(failure);
            }
        }
    }
}
