//! A backup that is not whole is never believed.

use crate::common;

use common::*;
use holdfast_sandbox::CallError;
use std::time::{Duration, Instant};

fn untrue(result: Result<(), CallError>) -> String {
    match result {
        Err(CallError::FalseSuccess { shortfall, .. }) => shortfall.to_string(),
        other => panic!("{other:?}"),
    }
}

fn entry_imports() -> String {
    [CREATE, WRITE, FINISH, DROP, ABORT].join("\n")
}

#[test]
fn an_entry_that_is_written_and_finished_is_in_the_draft() {
    let guest = source(&entry_imports(), &[START, WRITE_HELLO, FINISH_IT].concat());
    let (result, draft) = backup(&guest);
    result.unwrap();
    assert_eq!(draft.entries.lock().unwrap()["dump.sql"], b"hello, world");
}

#[test]
fn an_entry_that_is_left_open_fails_the_backup_and_is_discarded() {
    let guest = source(&entry_imports(), &[START, WRITE_HELLO].concat());
    let (result, draft) = backup(&guest);
    assert_eq!(
        untrue(result),
        "entry `dump.sql` was started and never finished"
    );
    assert_eq!(*draft.discarded.lock().unwrap(), ["dump.sql"]);
    assert!(draft.entries.lock().unwrap().is_empty());
}

#[test]
fn an_entry_that_is_dropped_fails_the_backup() {
    let guest = source(
        &entry_imports(),
        &[START, WRITE_HELLO, "(call $drop (local.get $a))"].concat(),
    );
    let (result, draft) = backup(&guest);
    assert_eq!(
        untrue(result),
        "entry `dump.sql` was started and never finished"
    );
    assert_eq!(*draft.discarded.lock().unwrap(), ["dump.sql"]);
}

#[test]
fn an_entry_that_is_tried_again_and_finished_is_whole() {
    let again = [
        START,
        "(call $drop (local.get $a))",
        START,
        WRITE_HELLO,
        FINISH_IT,
    ]
    .concat();
    backup(&source(&entry_imports(), &again)).0.unwrap();
}

#[test]
fn an_entry_that_is_given_up_in_words_becomes_a_warning() {
    let give_up = "(call $abort (local.get $a) (i32.const 512) (i32.const 5))";
    let guest = source(
        &entry_imports(),
        &[START, give_up, START, WRITE_HELLO, FINISH_IT].concat(),
    );
    let (result, draft) = backup(&guest);
    result.unwrap();
    let warnings = draft.warnings.lock().unwrap();
    assert_eq!(warnings[0].message, "the source gave it up: hello");
}

#[test]
fn a_source_that_succeeds_with_nothing_is_not_believed_unless_the_job_says_so() {
    let guest = source("", "");
    assert_eq!(untrue(backup(&guest).0), "it put nothing into the snapshot");
    let (result, _) = backup_in(&guest, MemoryDraft::default(), |plugin| {
        let mut context = context(allowed(plugin, &[]));
        context.limits.entries_min = 0;
        context
    });
    result.unwrap();
}

#[test]
fn a_write_that_failed_cannot_be_finished() {
    // The guest ignores that the write failed, and that finishing failed.
    let ignore = "(call $write (local.get $a) (i32.const 512) (i32.const 12) (i32.const 1024))
                  (call $finish (local.get $a) (i32.const 1024))";
    let guest = source(&entry_imports(), &[START, WRITE_HELLO, ignore].concat());
    let draft = MemoryDraft {
        full_after: Some(20),
        ..MemoryDraft::default()
    };
    let (result, draft) = backup_in(&guest, draft, |plugin| context(allowed(plugin, &[])));
    assert!(untrue(result).starts_with("entry `dump.sql` failed: "));
    assert!(draft.entries.lock().unwrap().is_empty());
}

/// Spawns `sh -c SCRIPT` and puts its standard output's reader into $b, the child into $c.
fn spawn_shell(script: &str, stdin: u32) -> (String, String) {
    let length = script.len();
    let data = format!(
        r#"(data (i32.const 2048) "sh") (data (i32.const 2064) "-c") (data (i32.const 4096) "{script}")
           ;; the list of arguments
           (data (i32.const 2080) "\10\08\00\00\02\00\00\00\00\10\00\00\{:02x}\{:02x}\00\00")"#,
        length & 0xff,
        length >> 8
    );
    let code = format!(
        "(call $spawn (i32.const 2048) (i32.const 2) (i32.const 2080) (i32.const 2) (i32.const 0) (i32.const 0)
               (i32.const {stdin}) (i32.const 1024))
         (call $must (i32.const 1024))
         (local.set $c (i32.load (i32.const 1028)))
         (call $stdout (local.get $c) (i32.const 1024))
         (local.set $b (i32.load (i32.const 1028)))"
    );
    (data, code)
}

fn process_guest(script: &str, stdin: u32, rest: &str) -> Vec<u8> {
    let (data, spawn) = spawn_shell(script, stdin);
    let imports = [CREATE, WRITE, FINISH, DROP, SPLICE, TRANSFER, SPAWN].join("\n");
    let body = [&spawn, START, rest].concat();
    plugin_file("source", &source_text(&imports, &body, &data))
}

const SPLICE_IGNORED: &str = "(call $splice (local.get $b) (local.get $a) (i32.const 1024))
    (call $finish (local.get $a) (i32.const 1024))";

#[test]
fn a_dump_whose_command_succeeded_is_whole() {
    let guest = process_guest("printf dump", 0, SPLICE_IGNORED);
    let (result, draft) = backup_with(&guest, &["sh", "-c", "printf dump"]);
    result.unwrap();
    assert_eq!(draft.entries.lock().unwrap()["dump.sql"], b"dump");
}

#[test]
fn a_dump_whose_command_failed_is_discarded_even_if_the_guest_ignores_it() {
    let script = "printf half; echo FATAL >&2; exit 3";
    let guest = process_guest(script, 0, SPLICE_IGNORED);
    let (result, draft) = backup_with(&guest, &["sh", "-c", script]);
    assert_eq!(
        untrue(result),
        "entry `dump.sql` failed: `sh`, after 4 B of output, ended with status 3: FATAL"
    );
    assert!(draft.entries.lock().unwrap().is_empty());
    assert_eq!(*draft.discarded.lock().unwrap(), ["dump.sql"]);
}

#[test]
fn a_transfer_whose_command_failed_is_discarded() {
    let script = "printf half; exit 1";
    let rest =
        "(call $wait_transfer (call $transfer (local.get $b) (local.get $a)) (i32.const 1024))";
    let (result, draft) = backup_with(&process_guest(script, 0, rest), &["sh", "-c", script]);
    assert!(untrue(result).contains("ended with status 1"));
    assert!(draft.entries.lock().unwrap().is_empty());
}

#[test]
fn a_transfer_that_nobody_waits_for_does_not_outlive_the_call() {
    let script = "sleep 30";
    let rest = "(drop (call $transfer (local.get $b) (local.get $a)))";
    let begun = Instant::now();
    let (result, draft) = backup_with(&process_guest(script, 0, rest), &["sh", "-c", script]);
    assert!(untrue(result).starts_with("entry `dump.sql` failed"));
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(*draft.discarded.lock().unwrap(), ["dump.sql"]);
}

#[test]
fn input_that_is_not_finished_kills_the_command_instead_of_ending_it_well() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("done");
    let script = format!("cat; touch {}", mark.display());
    let rest = "(call $stdin (local.get $c) (i32.const 1024))
        (local.set $c (i32.load (i32.const 1028)))
        (call $write (local.get $c) (i32.const 512) (i32.const 12) (i32.const 1024))
        (call $drop (local.get $c))
        (call $splice (local.get $b) (local.get $a) (i32.const 1024))";
    let (result, _) = backup_with(&process_guest(&script, 1, rest), &["sh", "-c", &script]);
    result.unwrap_err();
    assert!(!mark.exists());
}

#[test]
fn waiting_for_a_command_whose_output_nobody_reads_does_not_hang() {
    let script = "head -c 3000000 /dev/zero; exit 7";
    let (data, _) = spawn_shell(script, 0);
    let body = "(call $spawn (i32.const 2048) (i32.const 2) (i32.const 2080) (i32.const 2) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 1024))
        (call $must (i32.const 1024))
        (call $wait (i32.load (i32.const 1028)) (i32.const 1024))
        (call $must (i32.const 1024))
        (if (i32.ne (i32.load (i32.const 1032)) (i32.const 7)) (then unreachable))";
    let guest = plugin_file("source", &source_text(SPAWN, body, &data));
    let (result, _) = backup_with(&guest, &["sh", "-c", script]);
    assert_eq!(untrue(result), "it put nothing into the snapshot");
}
