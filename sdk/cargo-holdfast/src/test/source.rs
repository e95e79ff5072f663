//! Cases for sources: a backup succeeds if everything is in the draft, and only then.

use super::ports::{Content, Draft, KeptEntry, Snapshot};
use super::{Bench, Case, demand_ending, demand_refusal, demand_success};
use crate::Failure;
use holdfast_base::cancel::Reason;
use holdfast_base::error::join_causes;
use holdfast_sandbox::plugin::source::{Previous, RestoreRequest};
use holdfast_sandbox::ports::{ContentPort, DraftPort};
use holdfast_sandbox::{CallContext, CallError, Plugin};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Operations of a backup that are made to fail, one in each attempt.
const OPERATIONS_MAX: u64 = 40;
/// A long value of a fact.
const LONG_FACT_BYTES: usize = 64 << 10;
/// Entries of a large snapshot.
const MANY: usize = 20_000;
/// How long a backup may go on once it was cancelled.
const CANCEL_TIME: Duration = Duration::from_secs(10);

pub(super) fn test_source(bench: &mut Bench) -> Result<(), Failure> {
    let plugin = bench.load_plugin()?;
    let full = Arc::new(bench.context());
    let denied = Arc::new(bench.denied());
    let cancelled = Arc::new(bench.context());
    let snapshot = Arc::new(Snapshot::default());
    bench.try_case("answers whether a backup would work", || {
        check_settings(&plugin, &full)
    });
    bench.try_case("answers, too, when all is denied", || {
        demand_ending("check", load_source(&plugin)?.check(&denied))
    });
    bench.try_case("backs up", || backup(&plugin, &full, &snapshot, None));
    bench.try_case("backs up again, with what it left the last time", || {
        backup_again(&plugin, &full, &snapshot)
    });
    bench.try_case("backs up again, whatever it left the last time", || {
        backup_after_anything(&plugin, &full)
    });
    bench.try_case("fails when the snapshot does, at each step", || {
        backup_with_faults(&plugin, &full)
    });
    bench.try_case("fails in words when all is denied", || {
        backup_denied(&plugin, &denied)
    });
    bench.try_case("restores nothing when all is denied, and says so", || {
        restore_denied(&plugin, &denied, &snapshot)
    });
    bench.try_case("hears of the commit", || {
        demand_success(load_source(&plugin)?.committed(&full, "0123abcd"))
    });
    bench.try_case("ends when the run is cancelled", || {
        cancel_backup(&plugin, &cancelled)
    });
    try_restores(bench, &plugin, &full, &snapshot);
    Ok(())
}

/// Tries what writes to where the settings say, unless it was not asked for.
fn try_restores(
    bench: &mut Bench,
    plugin: &Plugin,
    context: &Arc<CallContext>,
    snapshot: &Arc<Snapshot>,
) {
    let (ends, fails, restores) = (
        "ends when a snapshot to restore is empty",
        "fails to restore what is damaged",
        "restores what it backed up",
    );
    if !bench.restore {
        for case in [ends, fails, restores] {
            bench.report_untried(case, "--restore");
        }
        return;
    }
    bench.try_case(ends, || {
        let empty = Arc::new(Snapshot::default()) as _;
        let result = load_source(plugin)?.restore(context, &empty, &request_everything());
        demand_ending("restore", result)
    });
    // In this order what the settings name is whole again at the end.
    bench.try_case(fails, || restore_damaged(plugin, context, snapshot));
    bench.try_case(restores, || restore(plugin, context, snapshot));
}

fn load_source(plugin: &Plugin) -> Result<holdfast_sandbox::plugin::source::Source<'_>, String> {
    demand_success(plugin.source())
}

fn check_settings(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let findings = demand_success(load_source(plugin)?.check(context))?;
    let silent = findings
        .iter()
        .find(|finding| finding.message.trim().is_empty());
    match silent {
        Some(finding) => Err(format!("a finding on `{}` says nothing", finding.subject)),
        None => Ok(()),
    }
}

fn backup(
    plugin: &Plugin,
    context: &Arc<CallContext>,
    into: &Arc<Snapshot>,
    previous: Option<&Previous>,
) -> Case {
    let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::clone(into)));
    demand_success(load_source(plugin)?.backup(context, &draft, previous))
}

fn backup_denied(plugin: &Plugin, denied: &Arc<CallContext>) -> Case {
    let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::default()));
    let result = load_source(plugin)?.backup(denied, &draft, None);
    demand_ending("backup", result)
}

fn backup_again(plugin: &Plugin, context: &Arc<CallContext>, first: &Arc<Snapshot>) -> Case {
    let previous = Previous {
        snapshot: "0123abcd".into(),
        facts: first.recorded_facts(),
    };
    backup(plugin, context, &Arc::default(), Some(&previous))
}

/// Backs up after an earlier version, or another plugin of the same name, left strange facts.
fn backup_after_anything(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let long = "9".repeat(LONG_FACT_BYTES);
    let fact = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let first = Arc::new(Snapshot::default());
    backup(plugin, context, &first, None)?;
    let mut left = vec![Vec::new(), vec![fact("", ""), fact("\0", &long)]];
    for value in ["", "-1", "18446744073709551616", "\u{1b}[2J\n", &long] {
        left.push(
            first
                .recorded_facts()
                .into_iter()
                .map(|(key, _)| fact(&key, value))
                .collect(),
        );
    }
    for facts in left {
        let previous = Previous {
            snapshot: "0123abcd".into(),
            facts,
        };
        let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::default()));
        let result = load_source(plugin)?.backup(context, &draft, Some(&previous));
        demand_ending("backup", result)?;
    }
    Ok(())
}

fn restore_denied(plugin: &Plugin, denied: &Arc<CallContext>, full: &Arc<Snapshot>) -> Case {
    let many = Snapshot::with_many_entries(MANY);
    for snapshot in [Arc::clone(full), Arc::default(), Arc::new(many)] {
        let content: Arc<dyn ContentPort> = snapshot;
        demand_ending(
            "restore",
            load_source(plugin)?.restore(denied, &content, &request_everything()),
        )?;
    }
    Ok(())
}

fn backup_with_faults(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for operation in 0..OPERATIONS_MAX {
        let snapshot = Arc::new(Snapshot::failing_after(operation));
        let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::clone(&snapshot)));
        let result = load_source(plugin)?.backup(context, &draft, None);
        if result.is_ok() && !snapshot.has_failed() {
            return Ok(());
        }
        match result {
            Err(CallError::Failed { .. }) => {}
            Ok(()) => {
                // With nothing left to do, the last operation that was allowed was the last one.
                let whole = Arc::new(Snapshot::failing_after(operation + 1));
                backup(plugin, context, &whole, None)?;
                if whole.has_failed() {
                    return Err(format!(
                        "operation {} failed, and it succeeded",
                        operation + 1
                    ));
                }
                return Ok(());
            }
            Err(error) => {
                return Err(format!(
                    "operation {}: {}",
                    operation + 1,
                    join_causes(&error)
                ));
            }
        }
    }
    Ok(())
}

fn cancel_backup(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let flag = context.cancel.clone();
    let raising = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        flag.raise(Reason::Interrupted);
    });
    let begin = Instant::now();
    let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::default()));
    let result = load_source(plugin)?.backup(context, &draft, None);
    let took = begin.elapsed();
    // The thread only sleeps and raises a flag.
    let _ = raising.join();
    match result {
        _ if took > CANCEL_TIME => Err(format!("it went on for {} s", took.as_secs())),
        Ok(()) | Err(CallError::Cancelled { .. } | CallError::Failed { .. }) => Ok(()),
        Err(error) => Err(join_causes(&error)),
    }
}

fn request_everything() -> RestoreRequest {
    RestoreRequest {
        paths: Vec::new(),
        overwrite: true,
        options: Vec::new(),
    }
}

fn restore(plugin: &Plugin, context: &Arc<CallContext>, from: &Arc<Snapshot>) -> Case {
    let content: Arc<dyn ContentPort> = Arc::clone(from) as _;
    demand_success(load_source(plugin)?.restore(context, &content, &request_everything()))
}

fn restore_damaged(plugin: &Plugin, context: &Arc<CallContext>, from: &Arc<Snapshot>) -> Case {
    for KeptEntry { mut entry, content } in from.kept_entries() {
        let Content::Bytes(bytes) = content else {
            continue;
        };
        if bytes.is_empty() {
            continue;
        }
        let broken = Arc::new(Snapshot::default());
        let name = entry.path.to_string();
        // A file that is there with its time would pass for restored.
        entry.modified = holdfast_base::time::Instant(0);
        let content = Content::Broken(Arc::clone(&bytes), bytes.len() / 2);
        broken
            .keep_entry(KeptEntry { entry, content })
            .map_err(|e| e.to_string())?;
        let content: Arc<dyn ContentPort> = Arc::clone(&broken) as _;
        let result = load_source(plugin)?.restore(context, &content, &request_everything());
        if !broken.opened_entries().is_empty() {
            demand_refusal(&name, result)?;
        }
    }
    Ok(())
}
