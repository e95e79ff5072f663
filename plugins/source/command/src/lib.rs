//! Backs up what a command writes, and feeds it back to another on restore.
//!
//! - The exit status decides: what a failed command wrote is never committed.
//! - A command that succeeds and writes nothing is taken for a failure, unless the job says otherwise.
//! - The output goes from the command into the snapshot on the host; no byte of it enters the guest.

use holdfast_sdk::host::process::Command;
use holdfast_sdk::host::streams::splice;
use holdfast_sdk::prelude::*;
use holdfast_sdk::{Content, Transfer};
use std::collections::BTreeMap;

/// Bytes of a restoring command's own output that are looked at in one piece.
const DRAIN_BYTES: u32 = 64 << 10;

/// What a job can set.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommandSource {
    command: Vec<String>,
    restore_command: Option<Vec<String>>,
    entry: String,
    allow_empty: bool,
    environment: Option<BTreeMap<String, String>>,
    password: Option<String>,
    password_variable: String,
}

impl CommandSource {
    /// Makes a command of a line, with the environment that the job gives it.
    fn prepared(&self, line: &[String]) -> Result<Command, Failure> {
        let mut command = Command::from_line(line)?;
        for (name, value) in self.environment.iter().flatten() {
            command = command.variable(name, value);
        }
        if let Some(secret) = &self.password {
            command = command.secret(&self.password_variable, secret);
        }
        Ok(command)
    }

    /// Returns the entry that is to be restored: the one that was asked for, if it is ours.
    fn wanted(&self, request: &RestoreRequest) -> Result<&[u8], Failure> {
        let entry = self.entry.as_bytes();
        if request.includes(entry) {
            return Ok(entry);
        }
        let message = format!("a backup of this job has only one entry, `{}`", self.entry);
        Err(Failure::new(FailureKind::NotFound, message))
    }
}

impl Source for CommandSource {
    const MANIFEST: Manifest = Manifest::source(
        "command",
        env!("CARGO_PKG_VERSION"),
        "Backs up the output of a command",
    )
    .setting(Setting::command("command", "the command whose output is backed up").required())
    .setting(Setting::command(
        "restore-command",
        "the command that takes it back on restore",
    ))
    .setting(
        Setting::string("entry", "the name of the output in the snapshot").default_text("stdout"),
    )
    .setting(
        Setting::boolean("allow-empty", "whether an empty output is a backup").default_flag(false),
    )
    .setting(Setting::map(
        "environment",
        "variables that the commands find in their environment",
    ))
    .setting(Setting::secret(
        "password",
        "a secret that the commands find in their environment",
    ))
    .setting(
        Setting::string(
            "password-variable",
            "the environment variable that holds it",
        )
        .default_text("PASSWORD"),
    )
    .command_from("command", "to make the backup")
    .command_from("restore-command", "to take it back")
    .secret("password", "for the command to log in");

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        if self.restore_command.is_none() {
            let message = "is not set: the output can be restored as a file only";
            findings.push(Finding::info("restore-command", message));
        }
        Ok(findings)
    }

    fn backup(&self, draft: &Draft, _: Option<Previous>) -> Result<(), Failure> {
        let command = self.prepared(&self.command)?;
        let child = command.spawn()?;
        let output = child.stdout()?;
        let line = self.command.join(" ");
        let entry = draft.create(self.entry.as_bytes(), &[("command".into(), line)])?;
        // The output ends well only if the command did: a failure here leaves the entry unfinished.
        let bytes = splice(&output, &entry).map_err(|failure| Failure {
            message: format!("{} (its output is discarded)", failure.message),
            ..failure
        })?;
        if bytes == 0 && !self.allow_empty {
            let message = format!("`{}` succeeded and wrote nothing", command.program);
            let hint = "If that is right, set allow-empty = true";
            return Err(Failure::failed(message).with_hint(hint));
        }
        let status = child.wait_for_exit()?;
        status.ensure_success(&command.program)?;
        entry.commit()?;
        draft.record_fact("command.exit-status", "0")?;
        draft.record_fact("command.bytes", &bytes.to_string())
    }

    fn restore(&self, snapshot: &Content, request: RestoreRequest) -> Result<(), Failure> {
        let Some(line) = &self.restore_command else {
            let hint = "Set one, or restore it as a file: holdfast restore JOB --target DIR";
            let message = "the job has no `restore-command`";
            return Err(Failure::new(FailureKind::Unsupported, message).with_hint(hint));
        };
        let content = snapshot.open(self.wanted(&request)?)?;
        let command = self.prepared(line)?.with_stdin();
        let child = command.spawn()?;
        let (input, output) = (child.stdin()?, child.stdout()?);
        let feeding = Transfer::start(content, input);
        // A command that nobody listens to would wait for ever once its pipe is full.
        while let Ok(Some(_)) = output.read(DRAIN_BYTES) {}
        let fed = feeding.finish();
        let status = child.wait_for_exit()?;
        match fed {
            // The command was killed because of it: say what really happened.
            Err(failure) if failure.kind == FailureKind::Damaged => Err(failure),
            fed => status
                .ensure_success(&command.program)
                .and_then(|()| fed.map(drop)),
        }
    }
}

holdfast_sdk::export!(CommandSource as Source);

#[cfg(test)]
mod tests;
