//! What is expected of verifiers: damage that they meet is told, and nothing that they read breaks them.

use super::ports::{Content, Kept, Snapshot};
use super::{Bench, Case, done, ended};
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

pub(super) fn run(bench: &mut Bench) -> Result<(), Failure> {
    let plugin = bench.plugin()?;
    let context = Arc::new(bench.context());
    let cancelled = Arc::new(bench.context());
    bench.case("answers whether a verification would work", || {
        done(plugin.check_verifier(&context)).map(drop)
    });
    bench.case("judges an empty snapshot", || {
        ended(
            "an empty snapshot",
            verify(&plugin, &context, &Arc::default()),
        )
    });
    bench.case("judges entries that hold nothing, or nonsense", || {
        nonsense(&plugin, &context)
    });
    bench.case("judges entries with any name", || names(&plugin, &context));
    bench.case("ends when the run is cancelled", || {
        cancel(&plugin, &cancelled)
    });
    bench.case("tells of each entry that breaks while it reads it", || {
        broken(&plugin, &context)
    });
    bench.case(&format!("judges {MANY} entries"), || {
        many(&plugin, &context)
    });
    let long = format!("judges an entry of {} MiB", LONG_BYTES >> 20);
    bench.case(&long, || long_entry(&plugin, &context));
    let Some(directory) = bench.sample.clone() else {
        bench.skip("finds samples sound", "--sample DIRECTORY");
        bench.skip(
            "tells of each sample that was cut in half",
            "--sample DIRECTORY",
        );
        return Ok(());
    };
    let snapshot = Arc::new(samples(&directory)?);
    bench.case("finds samples sound", || {
        sound(&plugin, &context, &snapshot)
    });
    bench.case("tells of each sample that was cut in half", || {
        cut(&plugin, &context, &snapshot)
    });
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

fn nonsense(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
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
            snapshot.put(name, Content::of(content));
        }
        let what = format!(
            "{} bytes that begin with {:?}",
            content.len(),
            content.first()
        );
        ended(&what, verify(plugin, context, &Arc::new(snapshot)))?;
    }
    Ok(())
}

fn names(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
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
        snapshot.put(name, Content::of("x"));
    }
    snapshot.put([b'x'; 200], Content::of("x"));
    ended(
        "strange names",
        verify(plugin, context, &Arc::new(snapshot)),
    )
}

fn broken(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for name in NAMES {
        let snapshot = Arc::new(Snapshot::default());
        let bytes = Arc::new(b"-- MySQL dump\nINSERT INTO t VALUES (1);\n".repeat(100));
        snapshot.put(name, Content::Broken(bytes, 2000));
        let result = verify(plugin, context, &snapshot);
        if snapshot.opened().is_empty() {
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

fn many(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let snapshot = Snapshot::default();
    for number in 0..MANY {
        snapshot.put(format!("directory/file-{number}"), Content::of("x"));
    }
    ended("many entries", verify(plugin, context, &Arc::new(snapshot)))
}

fn long_entry(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for name in ["a.sql", "stdout"] {
        let snapshot = Snapshot::default();
        snapshot.put(name, Content::Alike(LONG_BYTES));
        ended(name, verify(plugin, context, &Arc::new(snapshot)))?;
    }
    Ok(())
}

/// What was cancelled before it began ends before it has read much.
fn cancel(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let snapshot = Snapshot::default();
    snapshot.put("a.sql", Content::Alike(LONG_BYTES));
    context.cancel.raise(Reason::Interrupted);
    let begin = Instant::now();
    let result = verify(plugin, context, &Arc::new(snapshot));
    match result {
        _ if begin.elapsed() > CANCEL_TIME => Err("it went on".into()),
        Ok(_) | Err(CallError::Cancelled { .. } | CallError::Failed { .. }) => Ok(()),
        Err(error) => Err(join_causes(&error)),
    }
}

/// Whoever looks into a sample sees that half of it is gone.
fn cut(plugin: &Plugin, context: &Arc<CallContext>, samples: &Arc<Snapshot>) -> Case {
    for Kept { entry, content } in samples.entries() {
        let Content::Bytes(bytes) = content else {
            continue;
        };
        let snapshot = Arc::new(Snapshot::default());
        let half = bytes[..bytes.len() / 2].to_vec();
        snapshot.put(entry.path.as_bytes(), Content::of(half));
        let findings = done(verify(plugin, context, &snapshot))?;
        let tells = findings.iter().any(|f| f.severity != Severity::Info);
        if !snapshot.opened().is_empty() && !tells {
            return Err(format!(
                "half of `{}` is gone, and it says nothing",
                entry.path
            ));
        }
    }
    Ok(())
}

fn samples(directory: &Path) -> Result<Snapshot, Failure> {
    let snapshot = Snapshot::default();
    let what = format!("read `{}`", directory.display());
    for entry in std::fs::read_dir(directory).trying(&what)? {
        let path = entry.trying(&what)?.path();
        if path.is_file() {
            let bytes = std::fs::read(&path).trying(format!("read `{}`", path.display()))?;
            let name = path.file_name().unwrap_or_default();
            snapshot.put(name.as_encoded_bytes(), Content::of(bytes));
        }
    }
    Ok(snapshot)
}

fn sound(plugin: &Plugin, context: &Arc<CallContext>, snapshot: &Arc<Snapshot>) -> Case {
    let findings = done(verify(plugin, context, snapshot))?;
    match findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        Some(finding) => Err(format!("`{}`: {}", finding.subject, finding.message)),
        None => Ok(()),
    }
}
