//! Cases for verifiers: they report the damage that they read, and nothing that they read breaks them.

use super::ports::{Content, KeptEntry, Snapshot};
use super::{Bench, Case, demand_ending, demand_success};
use crate::{Failure, Trying};
use holdfast_base::cancel::Reason;
use holdfast_base::error::join_causes;
use holdfast_sandbox::plugin::{Finding, Severity};
use holdfast_sandbox::ports::ContentPort;
use holdfast_sandbox::{CallContext, CallError, Plugin};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A long entry.
const LONG_BYTES: u64 = 256 << 20;
/// How long a verification may go on once it was cancelled.
const CANCEL_TIME: Duration = Duration::from_secs(10);
/// Entries of a large snapshot.
const MANY: usize = 20_000;
/// Names that a verifier may go by.
const NAMES: [&str; 10] = [
    "a.sql", "a.sql.gz", "a.gz", "a.zst", "a.tar", "a.tgz", "a.sqlite", "a.json", "stdout",
    "a.dump",
];

pub(super) fn test_verifier(bench: &mut Bench) -> Result<(), Failure> {
    let plugin = bench.load_plugin()?;
    let context = Arc::new(bench.context());
    let cancelled = Arc::new(bench.context());
    bench.try_case("answers whether a verification would work", || {
        demand_success(plugin.check_verifier(&context)).map(drop)
    });
    bench.try_case("judges an empty snapshot", || {
        demand_ending(
            "an empty snapshot",
            verify(&plugin, &context, &Arc::default()),
        )
    });
    bench.try_case("judges entries that hold nothing, or nonsense", || {
        verify_nonsense(&plugin, &context)
    });
    bench.try_case("judges entries with any name", || {
        verify_strange_names(&plugin, &context)
    });
    bench.try_case("ends when the run is cancelled", || {
        cancel_verification(&plugin, &cancelled)
    });
    bench.try_case("tells of each entry that breaks while it reads it", || {
        verify_broken(&plugin, &context)
    });
    bench.try_case(&format!("judges {MANY} entries"), || {
        verify_many(&plugin, &context)
    });
    let long = format!("judges an entry of {} MiB", LONG_BYTES >> 20);
    bench.try_case(&long, || verify_long_entry(&plugin, &context));
    try_samples(bench, &plugin, &context)
}

/// Tries the files that the author gives as samples, if there are any.
fn try_samples(
    bench: &mut Bench,
    plugin: &Plugin,
    context: &Arc<CallContext>,
) -> Result<(), Failure> {
    let (sound, cut) = (
        "finds samples sound",
        "tells of each sample that was cut in half",
    );
    let Some(directory) = bench.sample.clone() else {
        bench.report_untried(sound, "--sample DIRECTORY");
        bench.report_untried(cut, "--sample DIRECTORY");
        return Ok(());
    };
    let snapshot = Arc::new(read_samples(&directory)?);
    bench.try_case(sound, || verify_samples(plugin, context, &snapshot));
    bench.try_case(cut, || verify_cut_samples(plugin, context, &snapshot));
    Ok(())
}

fn verify(
    plugin: &Plugin,
    context: &Arc<CallContext>,
    snapshot: &Arc<Snapshot>,
) -> Result<Vec<Finding>, CallError> {
    let content: Arc<dyn ContentPort> = Arc::clone(snapshot) as _;
    plugin.verify(context, &content)
}

fn verify_nonsense(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let gzip_head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0xff];
    let contents = [
        &b""[..],
        b"\0",
        b"hello\n",
        &gzip_head,
        b"\x28\xb5\x2f\xfd\xff",
        &[0xff; 5000],
    ];
    for content in contents {
        let snapshot = Snapshot::default();
        for name in NAMES {
            snapshot.put_stream(name, Content::from_bytes(content));
        }
        let what = format!(
            "{} bytes that begin with {:?}",
            content.len(),
            content.first()
        );
        demand_ending(&what, verify(plugin, context, &Arc::new(snapshot)))?;
    }
    Ok(())
}

fn verify_strange_names(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let snapshot = Snapshot::default();
    let strange = [
        &b"\xff\xfe.sql"[..],
        b"\x1b[2J.gz",
        b"a/.../b.tar",
        b".",
        b"a b\n.sql",
        b".gz",
    ];
    for name in strange {
        snapshot.put_stream(name, Content::from_bytes("x"));
    }
    snapshot.put_stream([b'x'; 200], Content::from_bytes("x"));
    demand_ending(
        "strange names",
        verify(plugin, context, &Arc::new(snapshot)),
    )
}

fn verify_broken(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for name in NAMES {
        let snapshot = Arc::new(Snapshot::default());
        let bytes = Arc::new(b"-- MySQL dump\nINSERT INTO t VALUES (1);\n".repeat(100));
        snapshot.put_stream(name, Content::Broken(bytes, 2000));
        let result = verify(plugin, context, &snapshot);
        if snapshot.opened_entries().is_empty() {
            continue;
        }
        match result {
            Err(CallError::Failed { .. }) => {}
            Err(error) => return Err(format!("{name}: {}", join_causes(&error))),
            Ok(findings) if findings.iter().any(|f| f.severity == Severity::Error) => {}
            Ok(_) => {
                return Err(format!(
                    "`{name}` broke after 2000 bytes, and it says nothing"
                ));
            }
        }
    }
    Ok(())
}

fn verify_many(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let snapshot = Snapshot::with_many_entries(MANY);
    demand_ending("many entries", verify(plugin, context, &Arc::new(snapshot)))
}

fn verify_long_entry(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for name in ["a.sql", "stdout"] {
        let snapshot = Snapshot::default();
        snapshot.put_stream(name, Content::Repeated(LONG_BYTES));
        demand_ending(name, verify(plugin, context, &Arc::new(snapshot)))?;
    }
    Ok(())
}

/// Cancels a verification before it begins: it ends before it has read much.
fn cancel_verification(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let snapshot = Snapshot::default();
    snapshot.put_stream("a.sql", Content::Repeated(LONG_BYTES));
    context.cancel.raise(Reason::Interrupted);
    let begin = Instant::now();
    let result = verify(plugin, context, &Arc::new(snapshot));
    match result {
        _ if begin.elapsed() > CANCEL_TIME => Err("it went on".into()),
        Ok(_) | Err(CallError::Cancelled { .. } | CallError::Failed { .. }) => Ok(()),
        Err(error) => Err(join_causes(&error)),
    }
}

/// Cuts each sample in half: a verifier that reads it must notice.
fn verify_cut_samples(
    plugin: &Plugin,
    context: &Arc<CallContext>,
    samples: &Arc<Snapshot>,
) -> Case {
    for KeptEntry { entry, content } in samples.kept_entries() {
        let Content::Bytes(bytes) = content else {
            continue;
        };
        let snapshot = Arc::new(Snapshot::default());
        let half = bytes[..bytes.len() / 2].to_vec();
        snapshot.put_stream(entry.path.as_bytes(), Content::from_bytes(half));
        let findings = demand_success(verify(plugin, context, &snapshot))?;
        let tells = findings.iter().any(|f| f.severity != Severity::Info);
        if !snapshot.opened_entries().is_empty() && !tells {
            return Err(format!(
                "half of `{}` is gone, and it says nothing",
                entry.path
            ));
        }
    }
    Ok(())
}

fn read_samples(directory: &Path) -> Result<Snapshot, Failure> {
    let snapshot = Snapshot::default();
    let what = format!("read `{}`", directory.display());
    for entry in std::fs::read_dir(directory).trying(&what)? {
        let path = entry.trying(&what)?.path();
        if path.is_file() {
            let bytes = std::fs::read(&path).trying(format!("read `{}`", path.display()))?;
            let name = path.file_name().unwrap_or_default();
            snapshot.put_stream(name.as_encoded_bytes(), Content::from_bytes(bytes));
        }
    }
    Ok(snapshot)
}

fn verify_samples(plugin: &Plugin, context: &Arc<CallContext>, snapshot: &Arc<Snapshot>) -> Case {
    let findings = demand_success(verify(plugin, context, snapshot))?;
    match findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        Some(finding) => Err(format!("`{}`: {}", finding.subject, finding.message)),
        None => Ok(()),
    }
}
