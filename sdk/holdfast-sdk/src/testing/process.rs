//! Granted commands: functions of the test that say how they end.
//!
//! A command runs as soon as its input is finished. A command without input runs when its output is
//! read, or when the plugin waits for its end.

use super::streams::{Reader, Sink, Writer, reader};
use crate::types::Failure;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

const SIGNAL_KILL: i32 = 9;

/// The value of an environment variable of the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// A plain text.
    Plain(String),
    /// The content of a granted secret; the guest does not see it.
    Secret(String),
    /// The path of a private file that holds a granted secret.
    SecretFile(String),
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, as the grant names it.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, beside a minimal one.
    pub environment: Vec<(String, EnvValue)>,
    /// Whether something will be written to its standard input.
    pub stdin: bool,
}

/// How a command exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit code, unless a signal exit it.
    pub code: Option<i32>,
    /// The signal that exit it.
    pub signal: Option<i32>,
    /// The end of what it wrote to standard error.
    pub stderr_tail: String,
}

/// A call of a command, as the command sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, with the content of secrets; a secret in a file stands here with its content.
    pub environment: BTreeMap<String, String>,
    /// What was written to its standard input.
    pub stdin: Vec<u8>,
}

/// How a command ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    stdout: Vec<u8>,
    status: ExitStatus,
}

impl Exit {
    /// Ends well after writing this.
    #[must_use]
    pub fn with_stdout(stdout: impl Into<Vec<u8>>) -> Self {
        let status = ExitStatus {
            code: Some(0),
            signal: None,
            stderr_tail: String::new(),
        };
        let stdout = stdout.into();
        Self { stdout, status }
    }

    /// Ends with this exit code.
    #[must_use]
    pub fn status(mut self, code: i32) -> Self {
        self.status.code = Some(code);
        self
    }

    /// Is exit by this signal.
    #[must_use]
    pub fn signal(mut self, signal: i32) -> Self {
        (self.status.code, self.status.signal) = (None, Some(signal));
        self
    }

    /// Writes this to standard error.
    #[must_use]
    pub fn stderr(mut self, text: &str) -> Self {
        self.status.stderr_tail = text.to_owned();
        self
    }
}

/// The function of a test that runs when a command is called.
pub(crate) type Program = Rc<dyn Fn(&Call) -> Exit>;

/// What is needed to start a command.
pub(crate) struct Start {
    pub(crate) call: Call,
    pub(crate) program: Program,
    pub(crate) has_stdin: bool,
    /// Where the host records the calls that exit.
    pub(crate) journal: Rc<RefCell<Vec<Call>>>,
}

struct Running {
    start: Start,
    is_stdin_taken: bool,
    is_stdout_taken: bool,
    exit: Option<Exit>,
}

impl Running {
    fn run_once(&mut self) -> &Exit {
        if self.exit.is_none() {
            // Its input was never finished: a host kills it then.
            let exit = if self.start.has_stdin {
                killed()
            } else {
                (self.start.program)(&self.start.call)
            };
            self.record_exit(exit);
        }
        self.exit.get_or_insert_with(killed)
    }

    fn record_exit(&mut self, exit: Exit) {
        let call = self.start.call.clone();
        self.start.journal.borrow_mut().push(call);
        self.exit = Some(exit);
    }
}

fn killed() -> Exit {
    Exit::with_stdout("").signal(SIGNAL_KILL)
}

/// A running command. Dropping it kills it.
pub struct Child(Rc<RefCell<Running>>);

impl Drop for Child {
    fn drop(&mut self) {
        let mut running = self.0.borrow_mut();
        if running.exit.is_none() {
            running.record_exit(killed());
        }
    }
}

impl Child {
    pub(crate) fn launch(start: Start) -> Self {
        Self(Rc::new(RefCell::new(Running {
            start,
            is_stdin_taken: false,
            is_stdout_taken: false,
            exit: None,
        })))
    }

    /// Returns the writer to its standard input, once.
    #[must_use]
    pub fn take_stdin(&self) -> Option<Writer> {
        let mut running = self.0.borrow_mut();
        if !running.start.has_stdin || running.is_stdin_taken {
            return None;
        }
        running.is_stdin_taken = true;
        Some(Writer::with_sink(Input(Rc::clone(&self.0))))
    }

    /// Returns the reader of its standard output, once. It ends well only if the command exits with 0.
    #[must_use]
    pub fn take_stdout(&self) -> Option<Reader> {
        if std::mem::replace(&mut self.0.borrow_mut().is_stdout_taken, true) {
            return None;
        }
        Some(reader(Output {
            running: Rc::clone(&self.0),
            at: 0,
        }))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// None here; a host may have cancelled it.
    #[expect(clippy::needless_pass_by_value, reason = "waiting uses a child up")]
    pub fn wait(this: Self) -> Result<ExitStatus, Failure> {
        let status = this.0.borrow_mut().run_once().status.clone();
        Ok(status)
    }
}

struct Input(Rc<RefCell<Running>>);

impl Sink for Input {
    fn accept(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0
            .borrow_mut()
            .start
            .call
            .stdin
            .extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        let mut running = self.0.borrow_mut();
        running.start.has_stdin = false;
        running.run_once();
        Ok(())
    }

    fn discard(self: Box<Self>, _: &str) {
        self.0.borrow_mut().run_once();
    }
}

struct Output {
    running: Rc<RefCell<Running>>,
    at: usize,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut running = self.running.borrow_mut();
        let program = running.start.call.program.clone();
        let exit = running.run_once();
        let rest = &exit.stdout[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if count > 0 || buffer.is_empty() || exit.status.code == Some(0) {
            return Ok(count);
        }
        let how = match (exit.status.code, exit.status.signal) {
            (Some(code), _) => format!("exit with status {code}"),
            (None, signal) => format!("was killed by signal {}", signal.unwrap_or(0)),
        };
        let said = &exit.status.stderr_tail;
        let message = format!("`{program}`, after {} B of output, {how}: {said}", self.at);
        Err(Failure::failed(message).into())
    }
}
