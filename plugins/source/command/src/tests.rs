//! The exit status decides, in both directions.

use super::*;
use holdfast_sdk::testing::{Call, Exit, Host, Snapshot};
use serde_json::json;

fn backup(
    run: impl Fn(&Call) -> Exit + 'static,
    allow_empty: bool,
) -> (Snapshot, Result<(), Failure>) {
    let host = Host::new()
        .command("dump", run)
        .unseen_secret("password", "hunter2");
    let settings = json!({
        "command": ["dump", "--all"],
        "entry": "all.sql",
        "allow-empty": allow_empty,
        "environment": { "PGHOST": "db" },
        "password": { "secret": "env:X" },
        "password-variable": "PGPASSWORD",
    });
    let snapshot = Snapshot::new();
    let plugin: CommandSource = host.source(settings).unwrap();
    let result = plugin.backup(&snapshot.draft(), None);
    (snapshot, result)
}

fn restore(
    snapshot: &Snapshot,
    run: impl Fn(&Call) -> Exit + 'static,
) -> (Vec<Call>, Result<(), Failure>) {
    let host = Host::new().command("load", run);
    let settings = json!({ "command": ["dump"], "restore-command": ["load", "-1"] });
    let plugin: CommandSource = host.source(settings).unwrap();
    let result = plugin.restore(&snapshot.content(), RestoreRequest::everything());
    (host.command_calls(), result)
}

#[test]
fn what_a_command_wrote_is_an_entry_with_its_facts() {
    let (snapshot, result) = backup(|_| Exit::with_stdout("rows"), false);
    assert_eq!(result, Ok(()));
    assert_eq!(snapshot.entry_bytes("all.sql").unwrap(), b"rows");
    assert_eq!(
        snapshot.recorded_fact("command.bytes").as_deref(),
        Some("4")
    );
    assert_eq!(
        snapshot.recorded_fact("command.exit-status").as_deref(),
        Some("0")
    );
}

#[test]
fn a_command_finds_the_environment_and_the_secret_of_its_job() {
    let run = |call: &Call| {
        assert_eq!(call.arguments, ["--all"]);
        assert_eq!(call.environment["PGHOST"], "db");
        assert_eq!(call.environment["PGPASSWORD"], "hunter2");
        Exit::with_stdout("rows")
    };
    assert_eq!(backup(run, false).1, Ok(()));
}

#[test]
fn a_command_that_fails_after_its_output_leaves_no_entry() {
    let (snapshot, result) = backup(
        |_| Exit::with_stdout("rows").status(1).stderr("no disk"),
        false,
    );
    let message = result.unwrap_err().message;
    assert!(
        message.contains("status 1") && message.contains("no disk"),
        "{message}"
    );
    assert!(snapshot.entry_names().is_empty());
}

#[test]
fn a_command_that_is_killed_leaves_no_entry() {
    let (snapshot, result) = backup(|_| Exit::with_stdout("rows").signal(9), false);
    assert!(result.unwrap_err().message.contains("signal 9"));
    assert!(snapshot.entry_names().is_empty());
}

#[test]
fn an_empty_output_is_a_backup_only_where_the_job_says_so() {
    let (snapshot, result) = backup(|_| Exit::with_stdout(""), false);
    assert!(result.unwrap_err().hint.is_some());
    assert!(snapshot.entry_names().is_empty());
    let (snapshot, result) = backup(|_| Exit::with_stdout(""), true);
    assert_eq!(result, Ok(()));
    assert_eq!(snapshot.entry_names(), ["all.sql"]);
}

#[test]
fn a_store_that_is_full_fails_the_backup() {
    let host = Host::new().command("dump", |_| Exit::with_stdout("rows"));
    let plugin: CommandSource = host.source(json!({ "command": ["dump"] })).unwrap();
    let snapshot = Snapshot::new().with_room(3);
    let failure = plugin.backup(&snapshot.draft(), None).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(snapshot.entry_names().is_empty());
}

#[test]
fn a_command_that_was_not_granted_is_not_run() {
    let host = Host::new();
    let plugin: CommandSource = host.source(json!({ "command": ["dump"] })).unwrap();
    let failure = plugin.backup(&Snapshot::new().draft(), None).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
}

#[test]
fn a_restore_feeds_the_entry_back() {
    let snapshot = Snapshot::new().with_entry("stdout", "rows");
    let (calls, result) = restore(&snapshot, |_| Exit::with_stdout("INSERT 1\n"));
    assert_eq!(result, Ok(()));
    assert_eq!(
        (calls[0].stdin.as_slice(), &calls[0].arguments[..]),
        (&b"rows"[..], &["-1".to_owned()][..])
    );
}

#[test]
fn a_restore_fails_as_its_command_does() {
    let snapshot = Snapshot::new().with_entry("stdout", "rows");
    let (_, result) = restore(&snapshot, |_| {
        Exit::with_stdout("").status(3).stderr("syntax error")
    });
    assert_eq!(
        result.unwrap_err().message,
        "`load` ended with status 3: syntax error"
    );
}

#[test]
fn a_restore_of_a_damaged_entry_says_so_and_kills_the_command() {
    let snapshot = Snapshot::new()
        .with_entry("stdout", "rows")
        .broken("stdout", 2);
    let (_, result) = restore(&snapshot, |_| Exit::with_stdout(""));
    assert_eq!(result.unwrap_err().kind, FailureKind::Damaged);
}

#[test]
fn a_restore_needs_a_command_and_the_entry() {
    let host = Host::new();
    let plugin: CommandSource = host.source(json!({ "command": ["dump"] })).unwrap();
    let snapshot = Snapshot::new().with_entry("stdout", "rows");
    let failure = plugin
        .restore(&snapshot.content(), RestoreRequest::everything())
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unsupported);
    let (_, result) = restore(&Snapshot::new(), |_| Exit::with_stdout(""));
    assert_eq!(result.unwrap_err().kind, FailureKind::NotFound);
}

#[test]
fn a_job_without_a_restore_command_is_told_what_that_means() {
    let host = Host::new();
    let plugin: CommandSource = host.source(json!({ "command": ["dump"] })).unwrap();
    let findings = plugin.check().unwrap();
    assert_eq!(findings[0].subject, "restore-command");
}
