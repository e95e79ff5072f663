//! Backs up what a command writes, and feeds it back to another on restore.
//!
//! The exit status decides: what a failed command wrote is never committed. A command that succeeds
//! and writes nothing is taken for a failure too, unless the job says otherwise.

use holdfast_sdk::host::process::{self, Command, EnvValue};
use holdfast_sdk::host::streams::{Transfer, splice};
use holdfast_sdk::prelude::*;

/// What a job can set.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommandSource {
    command: Vec<String>,
    restore_command: Option<Vec<String>>,
    entry: String,
    allow_empty: bool,
    password: Option<String>,
    password_variable: String,
}

impl CommandSource {
    fn line(&self, line: &[String], stdin: bool) -> Result<Command, Failure> {
        let Some((program, arguments)) = line.split_first() else {
            return Err(Failure::new(FailureKind::Invalid, "the command is empty"));
        };
        let secret = |name: &String| {
            (
                self.password_variable.clone(),
                EnvValue::Secret(name.clone()),
            )
        };
        Ok(Command {
            program: program.clone(),
            arguments: arguments.to_vec(),
            environment: self.password.iter().map(secret).collect(),
            stdin,
        })
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
        Setting::string("entry", "the name of the output in the snapshot")
            .default_json("\"stdout\""),
    )
    .setting(
        Setting::boolean("allow-empty", "whether an empty output is a backup")
            .default_json("false"),
    )
    .setting(Setting::secret(
        "password",
        "a secret that the command finds in its environment",
    ))
    .setting(
        Setting::string(
            "password-variable",
            "the environment variable that holds it",
        )
        .default_json("\"PASSWORD\""),
    )
    .command_from("command", "to make the backup")
    .command_from("restore-command", "to take it back")
    .secret("password", "for the command to log in");

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        if self.restore_command.is_none() {
            findings.push(Finding::new(
                Severity::Info,
                "restore-command",
                "is not set: the output can be restored as a file only",
            ));
        }
        Ok(findings)
    }

    fn backup(&self, draft: &Draft, _: Option<Previous>) -> Result<(), Failure> {
        let child = process::spawn(&self.line(&self.command, false)?)?;
        let output = child
            .take_stdout()
            .ok_or_else(|| Failure::failed("the command has no output"))?;
        let program = self.command[0].clone();
        let entry = draft.create(
            self.entry.as_bytes(),
            &[("command".into(), self.command.join(" "))],
        )?;
        // The output ends well only if the command did: a failure here leaves the entry unfinished.
        let bytes = splice(&output, &entry).map_err(|failure| Failure {
            message: format!("{} (its output is discarded)", failure.message),
            ..failure
        })?;
        if bytes == 0 && !self.allow_empty {
            return Err(
                Failure::failed(format!("`{program}` succeeded and wrote nothing"))
                    .with_hint("If that is right, set allow-empty = true"),
            );
        }
        entry.commit()?;
        let status = process::Child::wait(child)?;
        draft.record_fact(
            "command.exit-status",
            &status.code.unwrap_or(-1).to_string(),
        )?;
        draft.record_fact("command.bytes", &bytes.to_string())
    }

    fn restore(&self, snapshot: &Content, request: RestoreRequest) -> Result<(), Failure> {
        let Some(line) = &self.restore_command else {
            return Err(Failure::new(FailureKind::Unsupported, "the job has no `restore-command`")
                .with_hint("Set one, or restore the output as a file: holdfast restore JOB --target DIR"));
        };
        let path = request
            .paths
            .first()
            .map_or(self.entry.as_bytes(), Vec::as_slice);
        let content = snapshot.open(path)?;
        let child = process::spawn(&self.line(line, true)?)?;
        let input = child
            .take_stdin()
            .ok_or_else(|| Failure::failed("the command takes no input"))?;
        let fed = Transfer::wait(Transfer::start(content, input));
        let status = process::Child::wait(child)?;
        if status.code == Some(0) {
            return fed.map(drop);
        }
        let program = &line[0];
        let said = status.stderr_tail.trim();
        Err(Failure::failed(match (status.code, status.signal) {
            (Some(code), _) => format!("`{program}` ended with status {code}: {said}"),
            (None, signal) => format!(
                "`{program}` was ended by signal {}: {said}",
                signal.unwrap_or(0)
            ),
        }))
    }
}

holdfast_sdk::export_source!(CommandSource);
