//! Guests that loop, hoard, flood, escape and forge: each ends its own call, and nothing else.

use crate::common;

use common::*;
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::error::{Describe, Kind};
use holdfast_sandbox::CallError;
use holdfast_sandbox::plugin::FailureKind;
use std::time::{Duration, Instant};

fn limit(result: Result<(), CallError>) -> String {
    match result {
        Err(CallError::Limit { limit, .. }) => limit.to_string(),
        other => panic!("{other:?}"),
    }
}

fn broke(result: Result<(), CallError>) -> (String, Vec<String>) {
    let words = result.as_ref().err().map(ToString::to_string);
    let what = words
        .as_deref()
        .and_then(|words| words.strip_prefix("plugin `guest` broke: "));
    match (what, result) {
        (Some(what), Err(CallError::Crashed { backtrace, .. })) => (what.to_owned(), backtrace),
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn an_endless_loop_is_stopped() {
    let guest = source("", "(loop $again (br $again))");
    let (result, _) = backup_in(&guest, MemoryDraft::default(), |plugin| {
        let mut context = context(allowed(plugin, &[]));
        context.limits.guest_time = Duration::from_millis(100);
        context
    });
    assert_eq!(limit(result), "it ran longer than it may");
}

#[test]
fn a_loop_that_starts_with_the_component_is_stopped() {
    let text = source_text(
        "",
        "",
        "(func $spin (loop $again (br $again))) (start $spin)",
    );
    let guest = plugin_file("source", &text);
    let (result, _) = backup_in(&guest, MemoryDraft::default(), |plugin| {
        let mut context = context(allowed(plugin, &[]));
        context.limits.guest_time = Duration::from_millis(100);
        context
    });
    assert_eq!(limit(result), "it ran longer than it may");
}

/// A guest that runs `sleep 600` and waits for it.
fn sleeper() -> Vec<u8> {
    let data = r#"(data (i32.const 2048) "sleep") (data (i32.const 2064) "600")
        (data (i32.const 2080) "\10\08\00\00\03\00\00\00")"#;
    let body =
        "(call $spawn (i32.const 2048) (i32.const 5) (i32.const 2080) (i32.const 1) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 1024))
        (call $must (i32.const 1024))
        (call $wait (i32.load (i32.const 1028)) (i32.const 1024))";
    plugin_file("source", &source_text(SPAWN, body, data))
}

#[test]
fn a_wait_ends_with_the_time_allowed() {
    let begun = Instant::now();
    let (result, _) = backup_in(&sleeper(), MemoryDraft::default(), |plugin| {
        let mut context = context(allowed(plugin, &["sleep", "600"]));
        context.limits.deadline = Some(Duration::from_millis(300));
        context
    });
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            CallError::Cancelled {
                reason: Reason::Deadline,
                ..
            }
        ),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_wait_ends_with_the_run() {
    let begun = Instant::now();
    let run = Cancel::new();
    let later = run.clone();
    let interrupt = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        later.raise(Reason::Interrupted);
    });
    let (result, _) = backup_in(&sleeper(), MemoryDraft::default(), |plugin| {
        let mut context = context(allowed(plugin, &["sleep", "600"]));
        context.cancel = run;
        context
    });
    interrupt.join().unwrap();
    assert_eq!(result.unwrap_err().kind(), Kind::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn memory_has_an_end() {
    let guest = source("", "(drop (memory.grow (i32.const 20000)))");
    assert_eq!(
        limit(backup(&guest).0),
        "it wanted more memory than it may have"
    );
}

#[test]
fn deep_recursion_has_an_end() {
    let text = source_text(
        "",
        "(call $deeper)",
        "(func $deeper (call $deeper) (call $must (i32.const 0)))",
    );
    let what = limit(backup(&plugin_file("source", &text)).0);
    assert_eq!(what, "its stack overflowed: it calls itself too deeply");
}

#[test]
fn a_panic_names_where_it_was() {
    let text = source_text("", "(call $deep)", "(func $deep unreachable)");
    let (what, backtrace) = broke(backup(&plugin_file("source", &text)).0);
    assert_eq!(what, "it panicked");
    assert!(backtrace[0].contains("deep"), "{backtrace:?}");
}

#[test]
fn a_panic_is_told_with_the_last_words() {
    let log =
        r#"(import "holdfast:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;
    let body = "(call $log (i32.const 3) (i32.const 512) (i32.const 12) (i32.const 0) (i32.const 0)) unreachable";
    let (what, _) = broke(backup(&source(log, body)).0);
    assert_eq!(what, "it panicked; its last words: hello, world");
}

#[test]
fn a_flood_of_log_lines_does_not_drown_anyone() {
    let log =
        r#"(import "holdfast:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;
    let body = "(local.set $a (i32.const 200000))
        (loop $more
          (call $log (i32.const 1) (i32.const 512) (i32.const 12) (i32.const 0) (i32.const 0))
          (br_if $more (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))";
    assert!(matches!(
        backup(&source(log, body)).0,
        Err(CallError::FalseSuccess { .. })
    ));
}

#[test]
fn a_handle_that_was_given_away_cannot_be_used() {
    let imports = [CREATE, WRITE, FINISH].join("\n");
    let guest = source(&imports, &[START, FINISH_IT, WRITE_HELLO].concat());
    let (what, _) = broke(backup(&guest).0);
    assert!(
        what.starts_with("it used a handle that it does not hold"),
        "{what}"
    );
}

#[test]
fn a_forged_handle_reaches_nothing() {
    let forged = "(local.set $a (i32.const 77))";
    let (what, _) = broke(backup(&source(WRITE, &[forged, WRITE_HELLO].concat())).0);
    assert!(
        what.starts_with("it used a handle that it does not hold"),
        "{what}"
    );
}

#[test]
fn a_list_that_reaches_outside_of_memory_is_refused() {
    let imports = [CREATE, WRITE].join("\n");
    let far = "(call $write (local.get $a) (i32.const -16) (i32.const 1024) (i32.const 1024))";
    broke(backup(&source(&imports, &[START, far].concat())).0);
}

#[test]
fn handles_cannot_be_hoarded() {
    let create = "(local.set $c (i32.const 2000))
        (loop $more
          (call $create (local.get 0) (i32.const 256) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 1024))
          (call $must (i32.const 1024))
          (br_if $more (local.tee $c (i32.sub (local.get $c) (i32.const 1)))))";
    // The host refuses in words, on which this guest breaks.
    broke(backup(&source(CREATE, create)).0);
}

#[test]
fn entries_cannot_be_created_for_ever() {
    let imports = [CREATE, FINISH].join("\n");
    let create = format!("(loop $more {START} {FINISH_IT} (br $more))");
    assert_eq!(
        limit(backup(&source(&imports, &create)).0),
        "more than 1000000 entries were created one by one"
    );
}

/// Expects a failure of this kind (its number in `failure-kind`) at 1024.
fn expect_failure(kind: FailureKind) -> String {
    format!(
        "(if (i32.ne (i32.load8_u (i32.const 1024)) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load8_u (i32.const 1028)) (i32.const {})) (then unreachable))",
        kind as u8
    )
}

fn is_empty_success(result: Result<(), CallError>) {
    assert!(
        matches!(result, Err(CallError::FalseSuccess { .. })),
        "{result:?}"
    );
}

#[test]
fn names_that_leave_the_snapshot_are_refused() {
    for name in ["../escape", "/etc/passwd", "a//b", "a/./b", "nul\\00l", ""] {
        let length = name.len() - if name.contains('\\') { 2 } else { 0 };
        let data = format!("(data (i32.const 3000) \"{name}\")");
        let body = format!(
            "(call $create (local.get 0) (i32.const 3000) (i32.const {length}) (i32.const 0) (i32.const 0)
               (i32.const 1024)) {}",
            expect_failure(FailureKind::Invalid)
        );
        is_empty_success(backup(&plugin_file("source", &source_text(CREATE, &body, &data))).0);
    }
}

#[test]
fn a_command_that_was_not_granted_is_denied() {
    let data = r#"(data (i32.const 2048) "sh")"#;
    let body = format!(
        "(call $spawn (i32.const 2048) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 1024)) {}",
        expect_failure(FailureKind::Denied)
    );
    let guest = plugin_file("source", &source_text(SPAWN, &body, data));
    is_empty_success(backup(&guest).0);
    is_empty_success(backup_with(&guest, &["sh", "-c", "true"]).0);
    is_empty_success(backup_with(&guest, &["cat"]).0);
}

#[test]
fn a_directory_that_was_not_granted_is_denied() {
    let open =
        r#"(import "holdfast:plugin/trees@0.1.0" "open" (func $open (param i32 i32 i32 i32)))"#;
    let data = r#"(data (i32.const 2048) "/etc")"#;
    let body = format!(
        "(call $open (i32.const 2048) (i32.const 4) (i32.const 0) (i32.const 1024)) {}",
        expect_failure(FailureKind::Denied)
    );
    is_empty_success(backup(&plugin_file("source", &source_text(open, &body, data))).0);
}

#[test]
fn a_plugin_that_was_never_granted_what_it_asks_for_is_not_started() {
    let guest = source("", "unreachable");
    let (result, _) = backup_in(&guest, MemoryDraft::default(), |plugin| {
        let manifest = &plugin.inspection().manifest;
        let none = holdfast_sandbox::grant::Grant::default();
        let effective =
            holdfast_sandbox::grant::effective(manifest, &none, &serde_json::Map::new());
        context(effective)
    });
    let error = result.unwrap_err();
    assert!(matches!(error, CallError::Denied(_)), "{error}");
    assert_eq!(error.kind(), Kind::Denied);
}
