//! Granted commands. Their exit status is part of their output's end.
//!
//! - Output ends well only after the command ended with 0.
//! - Input that is not finished kills the command: it must not take a piece for the whole.
//! - Dropping the command, or the end of the call, kills its whole process group.
//! - A command whose time is over has failed, however it then ends.
//! - Secrets do not stand on command lines, and are taken out of what a command says.

use super::failure::{carry_failure, failure};
use super::guest::Guest;
use super::secret_filter::SecretFilter;
use super::streams::{Reader, Writer};
use crate::contract::{Failure, FailureKind};
use crate::ports::StreamSink;
use crate::watchdog::Watch;
use holdfast_base::advice::PluginAdvice;
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::error::join_causes;
use holdfast_base::size::ByteSize;
use holdfast_base::sync::Unpoisoned;
use holdfast_process::{
    Child, ChildStdin, ChildStdout, Command, ExitStatus, ResolveError, SecretFile, resolve,
};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Variables by which a program is made to load or run something else than was granted.
const REFUSED_VARIABLES: &[&str] = &[
    "PATH",
    "HOME",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "CDPATH",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "TERMINFO",
    "NODE_OPTIONS",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "PAGER",
    "EDITOR",
    "VISUAL",
    "PSQL_PAGER",
    "PSQL_EDITOR",
];
/// The same, by how they begin.
const REFUSED_PREFIXES: &[&str] = &[
    "LD_",
    "DYLD_",
    "BASH_FUNC_",
    "PYTHON",
    "PERL",
    "GIT_",
    "MALLOC_",
    "GLIBC_",
];

/// A running command.
pub struct RunningCommand {
    child: Arc<Mutex<Child>>,
    control: CommandControl,
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        self.control.stop.raise(Reason::Failed);
    }
}

/// How long a command may run.
struct Timeout {
    time: Duration,
    /// The words that say how to give it more time.
    advice: String,
    watch: Watch,
}

/// What ends a command, shared by it and its streams.
#[derive(Clone)]
struct CommandControl {
    name: Arc<str>,
    /// Ends this command, and nothing else of the call.
    stop: Cancel,
    /// What the job allows it, and the clock that sees to it.
    timeout: Option<Arc<Timeout>>,
    secret_filter: Arc<SecretFilter>,
}

impl CommandControl {
    /// Returns a failure if the command's time is over: whatever it did since is no success.
    fn timeout_error(&self) -> Option<io::Error> {
        let timeout = self.timeout.as_deref()?;
        (self.stop.reason() == Some(Reason::Deadline)).then(|| {
            let seconds = timeout.time.as_secs();
            let message = format!(
                "`{}` was stopped: it ran longer than the {seconds} s that the job allows it",
                self.name
            );
            carry_failure(Failure {
                hint: Some(timeout.advice.clone()),
                ..failure(FailureKind::Timeout, message)
            })
        })
    }

    /// Replaces an error on one of the streams by the timeout that caused it, if there was one.
    fn explain_error(&self, error: io::Error) -> io::Error {
        self.timeout_error().unwrap_or(error)
    }

    /// Takes secrets out of what the command said.
    fn redact_status(&self, status: ExitStatus) -> ExitStatus {
        let stderr_tail = self.secret_filter.redact(&status.stderr_tail).into_owned();
        ExitStatus {
            stderr_tail,
            ..status
        }
    }
}

/// Standard output that ends well only if the command did.
struct CheckedOutput {
    stdout: ChildStdout,
    child: Arc<Mutex<Child>>,
    control: CommandControl,
    given: u64,
}

impl Read for CheckedOutput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self
            .stdout
            .read(buffer)
            .map_err(|e| self.control.explain_error(e))?;
        self.given += count as u64;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let status = self.child.lock_unpoisoned().wait()?;
        if let Some(overrun) = self.control.timeout_error() {
            return Err(overrun);
        }
        if status.is_success() {
            return Ok(0);
        }
        let status = self.control.redact_status(status);
        let message = format!(
            "`{}`, after {} of output, {status}",
            self.control.name,
            ByteSize(self.given)
        );
        Err(carry_failure(failure(FailureKind::Failed, message)))
    }
}

/// Standard input that kills the command unless it is finished.
struct CheckedInput {
    stdin: Option<ChildStdin>,
    control: CommandControl,
    taken: u64,
}

impl StreamSink for CheckedInput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = self.stdin.as_mut().ok_or_else(closed)?;
        stdin
            .write_all(bytes)
            .map_err(|e| self.control.explain_error(e))?;
        self.taken += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<u64> {
        self.stdin = None;
        Ok(self.taken)
    }
}

impl Drop for CheckedInput {
    fn drop(&mut self) {
        // Killed first: a pipe that closes looks like the end of the input.
        if self.stdin.is_some() {
            self.control.stop.raise(Reason::Failed);
        }
    }
}

fn check_variable(name: &str) -> Result<(), Failure> {
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        let message = format!("{name:?} is no name of an environment variable");
        return Err(failure(FailureKind::Invalid, message));
    }
    if REFUSED_VARIABLES.contains(&name) || REFUSED_PREFIXES.iter().any(|p| name.starts_with(p)) {
        let message =
            format!("environment variable `{name}` could make a command run something else");
        return Err(failure(FailureKind::Denied, message));
    }
    Ok(())
}

/// A command that a guest wants to run.
pub(crate) struct WantedCommand {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, VariableValue)>,
    pub(crate) stdin: bool,
}

/// What a variable of a command's environment is set to.
pub(crate) enum VariableValue {
    /// A text.
    Plain(String),
    /// The content of a secret.
    Secret(String),
    /// The path of a file with the content of a secret.
    SecretFile(String),
}

impl Guest {
    fn command_secret(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let checked = self.context.effective.check_secret(&self.asker(), name);
        checked.map_err(|denial| self.denied(&denial))?;
        self.resolve_secret(name)
    }

    /// Refuses arguments with secrets in them: everybody on this machine can read command lines.
    fn check_arguments(&self, arguments: &[String]) -> Result<(), Failure> {
        if arguments.iter().any(|argument| argument.contains('\0')) {
            let message = "an argument has a NUL byte in it";
            return Err(failure(FailureKind::Invalid, message));
        }
        let filter = &self.secret_filter;
        if arguments.iter().any(|text| filter.finds_secret_in(text)) {
            let message = "a secret must not stand on a command line, where everybody can read it";
            return Err(failure(FailureKind::Denied, message));
        }
        Ok(())
    }

    fn prepare_command(&self, wanted: WantedCommand) -> Result<Command, Failure> {
        let effective = &self.context.effective;
        let checked = effective.check_command(&self.asker(), &wanted.program, &wanted.arguments);
        checked.map_err(|denial| self.denied(&denial))?;
        self.check_arguments(&wanted.arguments)?;
        let terms = effective.terms.for_program(&wanted.program);
        let program = resolve(&wanted.program);
        let absent = |e: ResolveError| failure(FailureKind::NotFound, e.to_string());
        let mut command = Command {
            program: program.map_err(absent)?,
            arguments: wanted.arguments.into_iter().map(Into::into).collect(),
            stdin: wanted.stdin,
            current_dir: terms.directory,
            user: terms.user,
            limits: terms.limits,
            landlock: terms.landlock,
            ..Command::default()
        };
        for (name, value) in wanted.environment {
            self.set_variable(&mut command, name, value)?;
        }
        // The operator's come last, and so win.
        for (name, value) in terms.environment {
            command.secret_files.retain(|file| file.variable != name);
            command.environment.push((name, value.into_bytes().into()));
        }
        Ok(command)
    }

    fn set_variable(
        &self,
        command: &mut Command,
        variable: String,
        value: VariableValue,
    ) -> Result<(), Failure> {
        check_variable(&variable)?;
        let plain = match value {
            VariableValue::Plain(text) => text.into_bytes(),
            VariableValue::Secret(secret) => self.command_secret(&secret)?,
            VariableValue::SecretFile(secret) => {
                let content = self.command_secret(&secret)?.into();
                command.secret_files.push(SecretFile { variable, content });
                return Ok(());
            }
        };
        if plain.contains(&0) {
            let message = format!("the value of `{variable}` has a NUL byte in it");
            return Err(failure(FailureKind::Invalid, message));
        }
        command.environment.push((variable, plain.into()));
        Ok(())
    }

    /// Makes what ends a command: with the call, and when its own time is over.
    fn control_command(&self, program: &str) -> CommandControl {
        let effective = &self.context.effective;
        let timeout = effective.terms.for_program(program).timeout.map(|time| {
            let advice = PluginAdvice::RaiseCommandTimeout {
                owner: self.asker().with_role(effective.role),
                program: effective.terms.table_name(program).to_owned(),
            }
            .into();
            Arc::new(Timeout {
                time,
                advice: (self.spell)(&advice),
                watch: self.clock.watch_call(&Cancel::new(), time),
            })
        });
        let stop = timeout
            .as_ref()
            .map_or_else(Cancel::new, |timeout| timeout.watch.cancel());
        let hook = stop.clone();
        self.call.on_raise(move || hook.raise(Reason::Failed));
        CommandControl {
            name: Arc::from(program),
            stop,
            timeout,
            secret_filter: Arc::clone(&self.secret_filter),
        }
    }

    /// Runs a command.
    pub(crate) fn spawn_command(&self, wanted: WantedCommand) -> Result<RunningCommand, Failure> {
        let program = wanted.program.clone();
        let command = self.prepare_command(wanted)?;
        let control = self.control_command(&program);
        let child = command.spawn(&control.stop);
        let failed = |error| failure(FailureKind::Failed, join_causes(&error));
        Ok(RunningCommand {
            child: Arc::new(Mutex::new(child.map_err(failed)?)),
            control,
        })
    }
}

impl RunningCommand {
    /// Returns what writes to its standard input, the first time only.
    pub(crate) fn take_stdin(&self) -> Option<Writer> {
        let stdin = self.child.lock_unpoisoned().take_stdin()?;
        Some(Writer::new(Box::new(CheckedInput {
            stdin: Some(stdin),
            control: self.control.clone(),
            taken: 0,
        })))
    }

    /// Returns what reads from its standard output, the first time only.
    pub(crate) fn take_stdout(&self) -> Option<Reader> {
        let stdout = self.child.lock_unpoisoned().take_stdout()?;
        Some(Reader::new(CheckedOutput {
            stdout,
            child: Arc::clone(&self.child),
            control: self.control.clone(),
            given: 0,
        }))
    }

    /// Waits for its end.
    pub(crate) fn wait_for_end(&self) -> io::Result<ExitStatus> {
        let mut child = self.child.lock_unpoisoned();
        drop(child.take_stdin());
        let unread = child.take_stdout();
        drop(child);
        if let Some(mut unread) = unread {
            // Nobody wants its output; a full pipe would let it wait for ever.
            io::copy(&mut unread, &mut io::sink()).map_err(|e| self.control.explain_error(e))?;
        }
        let status = self.child.lock_unpoisoned().wait()?;
        match self.control.timeout_error() {
            Some(timeout) => Err(timeout),
            None => Ok(self.control.redact_status(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_load_other_code_are_refused() {
        for (name, expected) in [
            ("PGPASSWORD", None),
            ("LD_PRELOAD", Some(FailureKind::Denied)),
            ("PATH", Some(FailureKind::Denied)),
            ("A=B", Some(FailureKind::Invalid)),
            ("", Some(FailureKind::Invalid)),
            ("A\0", Some(FailureKind::Invalid)),
        ] {
            assert_eq!(
                check_variable(name).err().map(|failure| failure.kind),
                expected,
                "{name:?}"
            );
        }
    }
}
