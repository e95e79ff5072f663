//! Commands.

use super::shared::process::{
    Command as WitCommand, EnvValue, ExitStatus as WitStatus, Host, HostChild,
};
use crate::capability::Guest;
use crate::capability::failure::{Answer, cancelled, io_failure};
use crate::capability::process::{RunningCommand, VariableValue, WantedCommand};
use crate::capability::streams::{Reader, Writer};
use wasmtime::component::Resource;

fn from_wit(command: WitCommand) -> WantedCommand {
    let value = |value| match value {
        EnvValue::Plain(text) => VariableValue::Plain(text),
        EnvValue::Secret(name) => VariableValue::Secret(name),
        EnvValue::SecretFile(name) => VariableValue::SecretFile(name),
    };
    let environment = command.environment.into_iter();
    WantedCommand {
        program: command.program,
        arguments: command.arguments,
        environment: environment.map(|(name, set)| (name, value(set))).collect(),
        stdin: command.stdin,
    }
}

impl Host for Guest {
    fn spawn(&mut self, wanted: WitCommand) -> Answer<Resource<RunningCommand>> {
        let running = self.spawn_command(from_wit(wanted));
        self.keep_result(running)
    }
}

impl HostChild for Guest {
    fn take_stdin(
        &mut self,
        this: Resource<RunningCommand>,
    ) -> wasmtime::Result<Option<Resource<Writer>>> {
        let input = self.table.get(&this)?.take_stdin();
        Ok(input.map(|input| self.table.push(input)).transpose()?)
    }

    fn take_stdout(
        &mut self,
        this: Resource<RunningCommand>,
    ) -> wasmtime::Result<Option<Resource<Reader>>> {
        let output = self.table.get(&this)?.take_stdout();
        Ok(output.map(|output| self.table.push(output)).transpose()?)
    }

    fn wait(&mut self, this: Resource<RunningCommand>) -> Answer<WitStatus> {
        let running = self.table.delete(this)?;
        let status = running.wait_for_end();
        if let Some(reason) = self.call.reason() {
            return Ok(Err(cancelled(reason)));
        }
        let shown = status.map(|status| WitStatus {
            code: status.code,
            signal: status.signal,
            stderr_tail: status.stderr_tail,
        });
        Ok(shown.map_err(|e| io_failure(&e)))
    }

    fn drop(&mut self, this: Resource<RunningCommand>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
