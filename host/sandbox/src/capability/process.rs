//! Granted commands. Their exit status is part of their output's end.
//!
//! - Output ends well only after the command ended with 0.
//! - Input that is not finished kills the command: it must not take a piece for the whole.
//! - Dropping the command, or the end of the call, kills its whole process group.
//! - A command whose time is over has failed, however it then ends.
//! - Secrets do not stand on command lines, and are taken out of what a command says.

use super::streams::{Reader, Writer};
use super::{Answer, Guest, Hidden, cancelled, failure, held, of_io};
use crate::bindings::v1::shared::process::{
    Command as WitCommand, EnvValue, ExitStatus as WitStatus, Host, HostChild,
};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::ports::StreamSink;
use crate::watchdog::Watch;
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::error::join_causes;
use holdfast_base::size::ByteSize;
use holdfast_base::sync::Unpoisoned;
use holdfast_process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, SecretFile, resolve};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use wasmtime::component::Resource;

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
pub struct Running {
    child: Arc<Mutex<Child>>,
    leash: Leash,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.leash.stop.raise(Reason::Failed);
    }
}

/// How long a command may run.
struct Timeout {
    time: Duration,
    /// The table that says so.
    table: String,
}

/// What holds a command, shared by it and its streams.
#[derive(Clone)]
struct Leash {
    name: Arc<str>,
    /// Ends this command, and nothing else of the call.
    stop: Cancel,
    /// What the job allows it, and the clock that sees to it.
    timeout: Option<Arc<(Timeout, Watch)>>,
    hidden: Arc<Hidden>,
}

impl Leash {
    /// Says so if the command's time is over: whatever it did since is no success.
    fn overrun(&self) -> Option<io::Error> {
        let (timeout, _) = self.timeout.as_deref()?;
        (self.stop.reason() == Some(Reason::Deadline)).then(|| {
            let seconds = timeout.time.as_secs();
            let message = format!(
                "`{}` was stopped: it ran longer than the {seconds} s that the job allows it",
                self.name
            );
            let hint = format!(
                "To give it more time, raise timeout-seconds in {}",
                timeout.table
            );
            held(Failure {
                hint: Some(hint),
                ..failure(FailureKind::Timeout, message)
            })
        })
    }

    /// Returns what an error on one of its streams really is.
    fn because(&self, error: io::Error) -> io::Error {
        self.overrun().unwrap_or(error)
    }

    /// Takes secrets out of what the command said.
    fn told(&self, status: ExitStatus) -> ExitStatus {
        let stderr_tail = self.hidden.hide(&status.stderr_tail).into_owned();
        ExitStatus {
            stderr_tail,
            ..status
        }
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock_unpoisoned()
}

/// Standard output that ends well only if the command did.
struct CheckedOutput {
    stdout: ChildStdout,
    child: Arc<Mutex<Child>>,
    leash: Leash,
    given: u64,
}

impl Read for CheckedOutput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self
            .stdout
            .read(buffer)
            .map_err(|e| self.leash.because(e))?;
        self.given += count as u64;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let status = lock(&self.child).wait()?;
        if let Some(overrun) = self.leash.overrun() {
            return Err(overrun);
        }
        if status.is_success() {
            return Ok(0);
        }
        let status = self.leash.told(status);
        let message = format!(
            "`{}`, after {} of output, {status}",
            self.leash.name,
            ByteSize(self.given)
        );
        Err(held(failure(FailureKind::Failed, message)))
    }
}

/// Standard input that kills the command unless it is finished.
struct CheckedInput {
    stdin: Option<ChildStdin>,
    leash: Leash,
    taken: u64,
}

impl StreamSink for CheckedInput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = self.stdin.as_mut().ok_or_else(closed)?;
        stdin.write_all(bytes).map_err(|e| self.leash.because(e))?;
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
            self.leash.stop.raise(Reason::Failed);
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

impl Guest {
    fn secret(&self, name: &str) -> Result<Vec<u8>, Failure> {
        self.context.effective.secret(&self.asker(), name)?;
        let secret = self.context.secrets.resolve(name).map_err(|e| of_io(&e))?;
        self.hidden.add(&secret);
        Ok(secret)
    }

    /// Everybody on this machine can read command lines.
    fn check_arguments(&self, arguments: &[String]) -> Result<(), Failure> {
        if arguments.iter().any(|argument| argument.contains('\0')) {
            let message = "an argument has a NUL byte in it";
            return Err(failure(FailureKind::Invalid, message));
        }
        if arguments.iter().any(|argument| self.hidden.is_in(argument)) {
            let message = "a secret must not stand on a command line, where everybody can read it";
            return Err(failure(FailureKind::Denied, message));
        }
        Ok(())
    }

    fn prepare(&self, wanted: WitCommand) -> Result<Command, Failure> {
        let effective = &self.context.effective;
        effective.command(&self.asker(), &wanted.program, &wanted.arguments)?;
        self.check_arguments(&wanted.arguments)?;
        let terms = effective.terms.of(&wanted.program);
        let absent =
            |e: holdfast_process::ResolveError| failure(FailureKind::NotFound, e.to_string());
        let mut command = Command {
            program: resolve(&wanted.program).map_err(absent)?,
            arguments: wanted.arguments.into_iter().map(Into::into).collect(),
            stdin: wanted.stdin,
            current_dir: terms.directory,
            user: terms.user,
            limits: terms.limits,
            landlock: terms.landlock,
            ..Command::default()
        };
        for (name, value) in wanted.environment {
            check_variable(&name)?;
            let plain = match value {
                EnvValue::Plain(text) => text.into_bytes(),
                EnvValue::Secret(secret) => self.secret(&secret)?,
                EnvValue::SecretFile(secret) => {
                    let content = self.secret(&secret)?.into();
                    command.secret_files.push(SecretFile {
                        variable: name,
                        content,
                    });
                    continue;
                }
            };
            if plain.contains(&0) {
                let message = format!("the value of `{name}` has a NUL byte in it");
                return Err(failure(FailureKind::Invalid, message));
            }
            command.environment.push((name, plain.into()));
        }
        // The operator's come last, and so win.
        for (name, value) in terms.environment {
            command.secret_files.retain(|file| file.variable != name);
            command.environment.push((name, value.into_bytes().into()));
        }
        Ok(command)
    }

    /// Makes what ends a command: with the call, and when its own time is over.
    fn leash(&self, program: &str) -> Leash {
        let effective = &self.context.effective;
        let watched = effective.terms.of(program).timeout.map(|time| {
            let watch = self.clock.watch(&Cancel::new(), time);
            let (by, name) = (self.asker(), effective.terms.name_of(program));
            let table = effective.part.command_table(by.job, by.plugin, name);
            Arc::new((Timeout { time, table }, watch))
        });
        let stop = watched
            .as_ref()
            .map_or_else(Cancel::new, |watched| watched.1.call());
        let hook = stop.clone();
        self.call.on_raise(move || hook.raise(Reason::Failed));
        Leash {
            name: Arc::from(program),
            stop,
            timeout: watched,
            hidden: Arc::clone(&self.hidden),
        }
    }
}

impl Host for Guest {
    fn spawn(&mut self, wanted: WitCommand) -> Answer<Resource<Running>> {
        let spawn = || -> Result<Running, Failure> {
            let program = wanted.program.clone();
            let command = self.prepare(wanted)?;
            let leash = self.leash(&program);
            let child = command.spawn(&leash.stop);
            let failed = |error| failure(FailureKind::Failed, join_causes(&error));
            Ok(Running {
                child: Arc::new(Mutex::new(child.map_err(failed)?)),
                leash,
            })
        };
        match spawn() {
            Ok(running) => self.keep(running),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

impl HostChild for Guest {
    fn take_stdin(
        &mut self,
        this: Resource<Running>,
    ) -> wasmtime::Result<Option<Resource<Writer>>> {
        let running = self.table.get(&this)?;
        let leash = running.leash.clone();
        let Some(stdin) = lock(&running.child).take_stdin() else {
            return Ok(None);
        };
        let input = CheckedInput {
            stdin: Some(stdin),
            leash,
            taken: 0,
        };
        Ok(Some(self.table.push(Writer::new(Box::new(input)))?))
    }

    fn take_stdout(
        &mut self,
        this: Resource<Running>,
    ) -> wasmtime::Result<Option<Resource<Reader>>> {
        let running = self.table.get(&this)?;
        let (child, leash) = (Arc::clone(&running.child), running.leash.clone());
        let Some(stdout) = lock(&child).take_stdout() else {
            return Ok(None);
        };
        let output = CheckedOutput {
            stdout,
            child,
            leash,
            given: 0,
        };
        Ok(Some(self.table.push(Reader::new(output))?))
    }

    fn wait(&mut self, this: Resource<Running>) -> Answer<WitStatus> {
        let running = self.table.delete(this)?;
        let wait = || -> io::Result<ExitStatus> {
            let mut child = lock(&running.child);
            drop(child.take_stdin());
            let unread = child.take_stdout();
            drop(child);
            if let Some(mut unread) = unread {
                // Nobody wants its output; a full pipe would let it wait for ever.
                io::copy(&mut unread, &mut io::sink()).map_err(|e| running.leash.because(e))?;
            }
            let status = lock(&running.child).wait()?;
            running.leash.overrun().map_or(Ok(status), Err)
        };
        let status = wait();
        if let Some(reason) = self.call.reason() {
            return Ok(Err(cancelled(reason)));
        }
        Ok(match status {
            Ok(status) => Ok(WitStatus {
                code: status.code,
                signal: status.signal,
                stderr_tail: running.leash.told(status).stderr_tail,
            }),
            Err(error) => Err(of_io(&error)),
        })
    }

    fn drop(&mut self, this: Resource<Running>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
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
