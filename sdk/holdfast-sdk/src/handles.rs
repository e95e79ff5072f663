//! Conveniences for handles.
//!
//! - Readers and writers are `std::io::Read` and `std::io::Write`. A failure of the host comes out of
//!   `std::io` unchanged, with its kind and its hint.
//! - Committing is explicit: a writer that goes out of scope is discarded by the host.

use crate::host::process::{Child, Command, EnvValue, ExitStatus};
use crate::{Content, Entry, Failure, Reader, Transfer, Writer};
use std::io::{self, BufReader, BufWriter};

/// Bytes that cross the boundary in one call; measured best at 256 KiB.
const PIECE_BYTES: usize = 256 << 10;
/// Entries that are asked for at once.
const ENTRIES: u32 = 1_000;

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(PIECE_BYTES);
        if wanted == 0 {
            return Ok(0);
        }
        match Reader::read(self, wanted as u32)? {
            Some(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            None => Ok(0),
        }
    }
}

impl Reader {
    /// Reads ahead, so that small reads do not cross the boundary one by one.
    #[must_use]
    pub fn buffered(self) -> BufReader<Self> {
        BufReader::with_capacity(PIECE_BYTES, self)
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        Writer::write(self, piece)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer {
    /// Commits what was written and returns its length. Dropping the writer discards it instead.
    ///
    /// # Errors
    /// An earlier write failed, or the host could not commit it.
    pub fn commit(self) -> Result<u64, Failure> {
        Writer::finish(self)
    }

    /// Collects small writes, so that they do not cross the boundary one by one.
    #[must_use]
    pub fn buffered(self) -> BufferedWriter {
        BufferedWriter(BufWriter::with_capacity(PIECE_BYTES, self))
    }
}

/// A writer that collects small writes. As with the writer inside, only committing it counts.
#[derive(Debug)]
pub struct BufferedWriter(BufWriter<Writer>);

impl BufferedWriter {
    /// Writes what was collected, commits, and returns how much was written in all.
    ///
    /// # Errors
    /// A write failed, or the host could not commit it.
    pub fn commit(self) -> Result<u64, Failure> {
        let writer = self.0.into_inner();
        writer.map_err(io::IntoInnerError::into_error)?.commit()
    }
}

impl io::Write for BufferedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transfer {
    /// Waits for the end, commits the writer and returns how many bytes moved.
    ///
    /// # Errors
    /// Reading, writing or committing failed.
    pub fn finish(self) -> Result<u64, Failure> {
        Transfer::wait(self)
    }
}

impl Command {
    /// Makes a command without arguments.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: false,
        }
    }

    /// Makes a command from a setting of type `command`: a program and its arguments.
    ///
    /// # Errors
    /// The line is empty.
    pub fn from_line(line: &[String]) -> Result<Self, Failure> {
        let (program, arguments) = line
            .split_first()
            .ok_or_else(|| Failure::invalid("the command is empty"))?;
        Ok(Self {
            arguments: arguments.to_vec(),
            ..Self::new(program)
        })
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<I: IntoIterator<Item: Into<String>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.push_variable(name, EnvValue::Plain(value.into()))
    }

    /// Hands a secret on in a variable, without seeing it.
    #[must_use]
    pub fn secret(self, variable: impl Into<String>, secret: impl Into<String>) -> Self {
        self.push_variable(variable, EnvValue::Secret(secret.into()))
    }

    /// Hands a secret on in a private file, whose path stands in a variable.
    #[must_use]
    pub fn secret_file(self, variable: impl Into<String>, secret: impl Into<String>) -> Self {
        self.push_variable(variable, EnvValue::SecretFile(secret.into()))
    }

    fn push_variable(mut self, name: impl Into<String>, value: EnvValue) -> Self {
        self.environment.push((name.into(), value));
        self
    }

    /// Gives it a standard input, which [`Child::stdin`] writes to.
    #[must_use]
    pub fn with_stdin(mut self) -> Self {
        self.stdin = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// It is not granted, or cannot be started.
    pub fn spawn(&self) -> Result<Child, Failure> {
        crate::host::process::spawn(self)
    }
}

impl Child {
    /// Returns the reader of its standard output. It ends well only if the command exits with 0.
    ///
    /// # Errors
    /// It was taken before.
    pub fn stdout(&self) -> Result<Reader, Failure> {
        let absent = || Failure::failed("the command's output was taken before");
        self.take_stdout().ok_or_else(absent)
    }

    /// Returns the writer to its standard input.
    ///
    /// # Errors
    /// It has none, or it was taken before.
    pub fn stdin(&self) -> Result<Writer, Failure> {
        let absent = || Failure::failed("the command takes no input");
        self.take_stdin().ok_or_else(absent)
    }

    /// Waits until it has ended, and returns how.
    ///
    /// # Errors
    /// It could not be waited for.
    pub fn wait_for_exit(self) -> Result<ExitStatus, Failure> {
        Child::wait(self)
    }
}

impl ExitStatus {
    /// Returns an error that says how the program ended, unless it exited with 0.
    ///
    /// # Errors
    /// The command did not exit with 0.
    pub fn ensure_success(&self, program: &str) -> Result<(), Failure> {
        let how = match (self.code, self.signal) {
            (Some(0), _) => return Ok(()),
            (Some(code), _) => format!("ended with status {code}"),
            (None, signal) => format!("was killed by signal {}", signal.unwrap_or_default()),
        };
        Err(Failure::failed(match self.stderr_tail.trim() {
            "" => format!("`{program}` {how}"),
            said => format!("`{program}` {how}: {said}"),
        }))
    }
}

impl Content {
    /// Iterates over the entries at and below `prefix` (empty for all), in order.
    ///
    /// # Errors
    /// The snapshot cannot be read.
    pub fn entries(&self, prefix: &[u8]) -> Result<Entries, Failure> {
        Ok(Entries {
            listing: self.list_entries(prefix)?,
            ready: Vec::new().into_iter(),
            is_over: false,
        })
    }
}

/// An iterator over the entries of a snapshot.
pub struct Entries {
    listing: crate::Listing,
    ready: std::vec::IntoIter<Entry>,
    is_over: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.ready.next() {
            return Some(Ok(entry));
        }
        if self.is_over {
            return None;
        }
        match self.listing.next(ENTRIES) {
            Ok(entries) => {
                self.is_over = entries.is_empty();
                self.ready = entries.into_iter();
                self.ready.next().map(Ok)
            }
            Err(failure) => {
                self.is_over = true;
                Some(Err(failure))
            }
        }
    }
}
