//! Granted commands. Their exit status is part of their output's end.
//!
//! - Output ends well only after the command ended with 0.
//! - Input that is not finished kills the command: it must not take a piece for the whole.
//! - Dropping the command, or the end of the call, kills its whole process group.

use super::streams::{Reader, Writer};
use super::{Answer, Guest, cancelled, failure, held, of_io};
use crate::bindings::v1::shared::process::{
    Command as WitCommand, EnvValue, ExitStatus as WitStatus, Host, HostChild,
};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::ports::StreamSink;
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::size::ByteSize;
use holdfast_process::{Child, ChildStdin, ChildStdout, Command, SecretFile, resolve};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    name: String,
    /// Ends this command, and nothing else of the call.
    stop: Cancel,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.raise(Reason::Failed);
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard output that ends well only if the command did.
struct CheckedOutput {
    stdout: ChildStdout,
    child: Arc<Mutex<Child>>,
    name: String,
    given: u64,
}

impl Read for CheckedOutput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stdout.read(buffer)?;
        self.given += count as u64;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let status = lock(&self.child).wait()?;
        if status.is_success() {
            return Ok(0);
        }
        let message = format!(
            "`{}`, after {} of output, {status}",
            self.name,
            ByteSize(self.given)
        );
        Err(held(failure(FailureKind::Failed, message)))
    }
}

/// Standard input that kills the command unless it is finished.
struct CheckedInput {
    stdin: Option<ChildStdin>,
    stop: Cancel,
    taken: u64,
}

impl StreamSink for CheckedInput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.stdin.as_mut().ok_or_else(closed)?.write_all(bytes)?;
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
            self.stop.raise(Reason::Failed);
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
        self.context.secrets.resolve(name).map_err(|e| of_io(&e))
    }

    fn prepare(&self, wanted: WitCommand) -> Result<Command, Failure> {
        let effective = &self.context.effective;
        effective.command(&self.asker(), &wanted.program, &wanted.arguments)?;
        if wanted
            .arguments
            .iter()
            .any(|argument| argument.contains('\0'))
        {
            return Err(failure(
                FailureKind::Invalid,
                "an argument has a NUL byte in it",
            ));
        }
        let absent =
            |e: holdfast_process::ResolveError| failure(FailureKind::NotFound, e.to_string());
        let mut command = Command {
            program: resolve(&wanted.program).map_err(absent)?,
            arguments: wanted.arguments.into_iter().map(Into::into).collect(),
            stdin: wanted.stdin,
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
        Ok(command)
    }
}

impl Host for Guest {
    fn spawn(&mut self, wanted: WitCommand) -> Answer<Resource<Running>> {
        let name = wanted.program.clone();
        let stop = Cancel::new();
        let spawn = || -> Result<Child, Failure> {
            let command = self.prepare(wanted)?;
            let hook = stop.clone();
            self.call.on_raise(move || hook.raise(Reason::Failed));
            let child = command.spawn(&stop);
            child.map_err(|error| failure(FailureKind::Failed, crate::plugin::chain(&error)))
        };
        match spawn() {
            Ok(child) => self.keep(Running {
                child: Arc::new(Mutex::new(child)),
                name,
                stop,
            }),
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
        let stop = running.stop.clone();
        let Some(stdin) = lock(&running.child).take_stdin() else {
            return Ok(None);
        };
        let input = CheckedInput {
            stdin: Some(stdin),
            stop,
            taken: 0,
        };
        Ok(Some(self.table.push(Writer::new(Box::new(input)))?))
    }

    fn take_stdout(
        &mut self,
        this: Resource<Running>,
    ) -> wasmtime::Result<Option<Resource<Reader>>> {
        let running = self.table.get(&this)?;
        let (child, name) = (Arc::clone(&running.child), running.name.clone());
        let Some(stdout) = lock(&child).take_stdout() else {
            return Ok(None);
        };
        let output = CheckedOutput {
            stdout,
            child,
            name,
            given: 0,
        };
        Ok(Some(self.table.push(Reader::new(output))?))
    }

    fn wait(&mut self, this: Resource<Running>) -> Answer<WitStatus> {
        let running = self.table.delete(this)?;
        let wait = || -> io::Result<holdfast_process::ExitStatus> {
            let mut child = lock(&running.child);
            drop(child.take_stdin());
            let unread = child.take_stdout();
            drop(child);
            if let Some(mut unread) = unread {
                // Nobody wants its output; a full pipe would let it wait for ever.
                io::copy(&mut unread, &mut io::sink())?;
            }
            lock(&running.child).wait()
        };
        let status = wait();
        if let Some(reason) = self.call.reason() {
            return Ok(Err(cancelled(reason)));
        }
        Ok(match status {
            Ok(status) => Ok(WitStatus {
                code: status.code,
                signal: status.signal,
                stderr_tail: status.stderr_tail,
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
