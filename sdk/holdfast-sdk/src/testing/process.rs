//! Granted commands: functions of the test that say how they end.
//!
//! A command runs when its input is finished, or, where it has none, when its output is read or its
//! end waited for.

use super::streams::{Reader, Sink, Writer, reader};
use super::{current, not_granted};
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

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
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
pub struct Ended {
    stdout: Vec<u8>,
    status: ExitStatus,
}

impl Ended {
    /// Ends well after writing this.
    #[must_use]
    pub fn with(stdout: impl Into<Vec<u8>>) -> Self {
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

    /// Is ended by this signal.
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

/// What runs when a command is called.
pub(crate) type Program = Rc<dyn Fn(&Call) -> Ended>;

struct Running {
    call: Call,
    program: Program,
    has_stdin: bool,
    is_stdin_taken: bool,
    is_stdout_taken: bool,
    ended: Option<Ended>,
}

impl Running {
    fn run(&mut self) -> &Ended {
        if self.ended.is_none() {
            // Its input was never finished: a host kills it then.
            let ended = if self.has_stdin {
                killed()
            } else {
                (self.program)(&self.call)
            };
            self.end(ended);
        }
        self.ended.get_or_insert_with(killed)
    }

    fn end(&mut self, ended: Ended) {
        current().calls.borrow_mut().push(self.call.clone());
        self.ended = Some(ended);
    }
}

fn killed() -> Ended {
    Ended::with("").signal(SIGNAL_KILL)
}

/// A running command. Dropping it kills it.
pub struct Child(Rc<RefCell<Running>>);

impl Drop for Child {
    fn drop(&mut self) {
        let mut running = self.0.borrow_mut();
        if running.ended.is_none() {
            running.end(killed());
        }
    }
}

impl Child {
    /// Returns the writer to its standard input, once.
    #[must_use]
    pub fn take_stdin(&self) -> Option<Writer> {
        let mut running = self.0.borrow_mut();
        if !running.has_stdin || running.is_stdin_taken {
            return None;
        }
        running.is_stdin_taken = true;
        Some(Writer::to(Input(Rc::clone(&self.0))))
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
        let status = this.0.borrow_mut().run().status.clone();
        Ok(status)
    }
}

struct Input(Rc<RefCell<Running>>);

impl Sink for Input {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.borrow_mut().call.stdin.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        let mut running = self.0.borrow_mut();
        running.has_stdin = false;
        running.run();
        Ok(())
    }

    fn discard(self: Box<Self>, _: &str) {
        self.0.borrow_mut().run();
    }
}

struct Output {
    running: Rc<RefCell<Running>>,
    at: usize,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut running = self.running.borrow_mut();
        let program = running.call.program.clone();
        let ended = running.run();
        let rest = &ended.stdout[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if count > 0 || buffer.is_empty() || ended.status.code == Some(0) {
            return Ok(count);
        }
        let how = match (ended.status.code, ended.status.signal) {
            (Some(code), _) => format!("ended with status {code}"),
            (None, signal) => format!("was killed by signal {}", signal.unwrap_or(0)),
        };
        let said = &ended.status.stderr_tail;
        let message = format!("`{program}`, after {} B of output, {how}: {said}", self.at);
        Err(Failure::failed(message).into())
    }
}

/// Starts a command.
///
/// # Errors
/// The command, or a secret of its environment, is not granted.
pub fn spawn(command: &Command) -> Result<Child, Failure> {
    let state = current();
    let programs = state.programs.borrow();
    let Some(program) = programs.get(&command.program) else {
        return Err(not_granted(&format!("command `{}`", command.program)));
    };
    let mut environment = BTreeMap::new();
    for (name, value) in &command.environment {
        let text = match value {
            EnvValue::Plain(text) => text.clone(),
            EnvValue::Secret(secret) | EnvValue::SecretFile(secret) => {
                match state.secrets.borrow().get(secret) {
                    Some((content, _)) => String::from_utf8_lossy(content).into_owned(),
                    None => return Err(not_granted(&format!("secret `{secret}`"))),
                }
            }
        };
        environment.insert(name.clone(), text);
    }
    Ok(Child(Rc::new(RefCell::new(Running {
        call: Call {
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment,
            stdin: Vec::new(),
        },
        program: Rc::clone(program),
        has_stdin: command.stdin,
        is_stdin_taken: false,
        is_stdout_taken: false,
        ended: None,
    }))))
}
