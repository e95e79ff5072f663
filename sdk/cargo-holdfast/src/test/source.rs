//! What is expected of sources: success means that all is in the draft, and nothing else does.

use super::ports::{Content, Draft, Kept, Snapshot};
use super::{Bench, Case, done, ended, refused};
use crate::Failure;
use holdfast_base::cancel::Reason;
use holdfast_base::error::join_causes;
use holdfast_sandbox::plugin::source::{Previous, RestoreRequest};
use holdfast_sandbox::ports::{ContentPort, DraftPort};
use holdfast_sandbox::{CallContext, CallError, Plugin};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Operations of which each one fails once.
const OPERATIONS_MAX: u64 = 40;
/// A long value of a fact.
const LONG_FACT_BYTES: usize = 64 << 10;
/// Entries of a large snapshot.
const MANY: usize = 20_000;
/// How long a backup may go on once it was cancelled.
const CANCEL_TIME: Duration = Duration::from_secs(10);

pub(super) fn run(bench: &mut Bench) -> Result<(), Failure> {
    let plugin = bench.plugin()?;
    let full = Arc::new(bench.context());
    let denied = Arc::new(bench.denied());
    let cancelled = Arc::new(bench.context());
    let snapshot = Arc::new(Snapshot::default());
    bench.case("answers whether a backup would work", || {
        check(&plugin, &full)
    });
    bench.case("answers, too, when all is denied", || {
        ended("check", source(&plugin)?.check(&denied))
    });
    bench.case("backs up", || backup(&plugin, &full, &snapshot, None));
    bench.case("backs up again, with what it left the last time", || {
        again(&plugin, &full, &snapshot)
    });
    bench.case("backs up again, whatever it left the last time", || {
        after_anything(&plugin, &full)
    });
    bench.case("fails when the snapshot does, at each step", || {
        faults(&plugin, &full)
    });
    bench.case("fails in words when all is denied", || {
        let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::default()));
        ended("backup", source(&plugin)?.backup(&denied, &draft, None))
    });
    bench.case("restores nothing when all is denied, and says so", || {
        restore_denied(&plugin, &denied, &snapshot)
    });
    bench.case("hears of the commit", || {
        done(source(&plugin)?.committed(&full, "0123abcd"))
    });
    bench.case("ends when the run is cancelled", || {
        cancel(&plugin, &cancelled)
    });
    if bench.restore {
        bench.case("ends when a snapshot to restore is empty", || {
            let empty = Arc::new(Snapshot::default()) as _;
            ended(
                "restore",
                source(&plugin)?.restore(&full, &empty, &request()),
            )
        });
        // In this order what the settings name is whole again at the end.
        bench.case("fails to restore what is damaged", || {
            damaged(&plugin, &full, &snapshot)
        });
        bench.case("restores what it backed up", || {
            restore(&plugin, &full, &snapshot)
        });
    } else {
        bench.skip("ends when a snapshot to restore is empty", "--restore");
        bench.skip("fails to restore what is damaged", "--restore");
        bench.skip("restores what it backed up", "--restore");
    }
    Ok(())
}

fn source(plugin: &Plugin) -> Result<holdfast_sandbox::plugin::source::Source<'_>, String> {
    done(plugin.source())
}

fn check(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let findings = done(source(plugin)?.check(context))?;
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
    done(source(plugin)?.backup(context, &draft, previous))
}

fn again(plugin: &Plugin, context: &Arc<CallContext>, first: &Arc<Snapshot>) -> Case {
    let previous = Previous {
        snapshot: "0123abcd".into(),
        facts: first.facts(),
    };
    backup(plugin, context, &Arc::default(), Some(&previous))
}

/// An earlier version, or another plugin of the same name, may have left anything.
fn after_anything(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let long = "9".repeat(LONG_FACT_BYTES);
    let fact = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let first = Arc::new(Snapshot::default());
    backup(plugin, context, &first, None)?;
    let mut left = vec![Vec::new(), vec![fact("", ""), fact("\0", &long)]];
    for value in ["", "-1", "18446744073709551616", "\u{1b}[2J\n", &long] {
        left.push(
            first
                .facts()
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
        let result = source(plugin)?.backup(context, &draft, Some(&previous));
        ended("backup", result)?;
    }
    Ok(())
}

fn restore_denied(plugin: &Plugin, denied: &Arc<CallContext>, full: &Arc<Snapshot>) -> Case {
    let many = Snapshot::default();
    for number in 0..MANY {
        many.put(format!("directory/file-{number}"), Content::of("x"));
    }
    for snapshot in [Arc::clone(full), Arc::default(), Arc::new(many)] {
        let content: Arc<dyn ContentPort> = snapshot;
        ended(
            "restore",
            source(plugin)?.restore(denied, &content, &request()),
        )?;
    }
    Ok(())
}

fn faults(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for operation in 0..OPERATIONS_MAX {
        let snapshot = Arc::new(Snapshot::failing_after(operation));
        let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::clone(&snapshot)));
        let result = source(plugin)?.backup(context, &draft, None);
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

fn cancel(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let flag = context.cancel.clone();
    let raising = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        flag.raise(Reason::Interrupted);
    });
    let begin = Instant::now();
    let draft: Arc<dyn DraftPort> = Arc::new(Draft(Arc::default()));
    let result = source(plugin)?.backup(context, &draft, None);
    let took = begin.elapsed();
    // The thread only sleeps and raises a flag.
    let _ = raising.join();
    match result {
        _ if took > CANCEL_TIME => Err(format!("it went on for {} s", took.as_secs())),
        Ok(()) | Err(CallError::Cancelled { .. } | CallError::Failed { .. }) => Ok(()),
        Err(error) => Err(join_causes(&error)),
    }
}

fn request() -> RestoreRequest {
    RestoreRequest {
        paths: Vec::new(),
        overwrite: true,
        options: Vec::new(),
    }
}

fn restore(plugin: &Plugin, context: &Arc<CallContext>, from: &Arc<Snapshot>) -> Case {
    let content: Arc<dyn ContentPort> = Arc::clone(from) as _;
    done(source(plugin)?.restore(context, &content, &request()))
}

fn damaged(plugin: &Plugin, context: &Arc<CallContext>, from: &Arc<Snapshot>) -> Case {
    for Kept { mut entry, content } in from.entries() {
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
            .keep(Kept { entry, content })
            .map_err(|e| e.to_string())?;
        let content: Arc<dyn ContentPort> = Arc::clone(&broken) as _;
        let result = source(plugin)?.restore(context, &content, &request());
        if !broken.opened().is_empty() {
            refused(&name, result)?;
        }
    }
    Ok(())
}
