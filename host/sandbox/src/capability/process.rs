//! Granted commands. Their exit status is part of their output's end.

use super::streams::{Reader, Target, Writer};
use super::{Answer, Guest, failure, held, of_io};
use crate::bindings::v1::shared::process::{
    Command as WitCommand, EnvValue, ExitStatus as WitStatus, Host, HostChild,
};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use holdfast_process::{Child, ChildStdin, ChildStdout, Command, SecretFile, resolve};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::Resource;

/// A running command.
pub struct Running {
    child: Arc<Mutex<Child>>,
    name: String,
}

/// Standard output that ends well only if the command did.
struct CheckedOutput {
    stdout: ChildStdout,
    child: Arc<Mutex<Child>>,
    name: String,
}

impl Read for CheckedOutput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stdout.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let status = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wait()?;
        if status.is_success() {
            return Ok(0);
        }
        Err(held(failure(
            FailureKind::Failed,
            format!("`{}` {status}", self.name),
        )))
    }
}

struct Input(ChildStdin);

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Input {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl Guest {
    fn secret(&self, name: &str) -> Result<Vec<u8>, Failure> {
        if !self
            .context
            .effective
            .secrets
            .iter()
            .any(|(held, _)| held == name)
        {
            return Err(self.denied(
                &format!("hand on secret `{name}`"),
                &format!("{name} = {{ secret = \"file:…\" }}"),
            ));
        }
        self.context.secrets.resolve(name).map_err(|e| of_io(&e))
    }

    fn prepare(&self, wanted: WitCommand) -> Result<Command, Failure> {
        let allowed = self.context.effective.commands.iter();
        if !allowed
            .into_iter()
            .any(|rule| rule.allows(&wanted.program, &wanted.arguments))
        {
            let line: Vec<&String> = std::iter::once(&wanted.program)
                .chain(&wanted.arguments)
                .collect();
            return Err(self.denied(&format!("run {line:?}"), &format!("command = {line:?}")));
        }
        let invalid =
            |e: holdfast_process::ResolveError| failure(FailureKind::NotFound, e.to_string());
        let mut command = Command {
            program: resolve(&wanted.program).map_err(invalid)?,
            arguments: wanted.arguments.into_iter().map(Into::into).collect(),
            stdin: wanted.stdin,
            ..Command::default()
        };
        for (name, value) in wanted.environment {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(failure(
                    FailureKind::Invalid,
                    format!("`{name:?}` is no environment variable"),
                ));
            }
            match value {
                EnvValue::Plain(text) => command.environment.push((name, text.into_bytes().into())),
                EnvValue::Secret(secret) => {
                    command
                        .environment
                        .push((name, self.secret(&secret)?.into()));
                }
                EnvValue::SecretFile(secret) => {
                    let content = self.secret(&secret)?.into();
                    command.secret_files.push(SecretFile {
                        variable: name,
                        content,
                    });
                }
            }
        }
        Ok(command)
    }
}

impl Host for Guest {
    fn spawn(&mut self, wanted: WitCommand) -> Answer<Resource<Running>> {
        let name = wanted.program.clone();
        let started = self.prepare(wanted).and_then(|command| {
            command
                .spawn(&self.context.cancel)
                .map_err(|error| failure(FailureKind::Failed, crate::plugin::chain(&error)))
        });
        match started {
            Ok(child) => {
                let child = Arc::new(Mutex::new(child));
                Ok(Ok(self.table.push(Running { child, name })?))
            }
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
        let stdin = running
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_stdin();
        match stdin {
            Some(stdin) => Ok(Some(self.table.push(Writer::new(Box::new(Input(stdin))))?)),
            None => Ok(None),
        }
    }

    fn take_stdout(
        &mut self,
        this: Resource<Running>,
    ) -> wasmtime::Result<Option<Resource<Reader>>> {
        let running = self.table.get(&this)?;
        let (child, name) = (Arc::clone(&running.child), running.name.clone());
        let stdout = child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_stdout();
        match stdout {
            Some(stdout) => Ok(Some(self.table.push(Reader::new(CheckedOutput {
                stdout,
                child,
                name,
            }))?)),
            None => Ok(None),
        }
    }

    fn wait(&mut self, this: Resource<Running>) -> Answer<WitStatus> {
        let running = self.table.delete(this)?;
        let status = running
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wait();
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
        let running = self.table.delete(this)?;
        running
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .kill();
        Ok(())
    }
}
