//! `run`.

use crate::args::Run;
use crate::exit::Outcome;
use crate::progress::{Moment, watch};
use crate::view::View;
use holdfast_base::error::join_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_base::progress::Progress;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::backup::{Ran, RunOptions};
use holdfast_jobs::copy::tiers::Tier;
use holdfast_jobs::open::Context;
use holdfast_jobs::retention::apply::JobRetained;
use holdfast_jobs::wire::Deaf;
use holdfast_repository::format::root::Root;
use holdfast_repository::write::Gauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Warnings that are written one by one; the snapshot holds more.
const WARNINGS_SHOWN: usize = 20;

pub(crate) fn run(context: &Context, run: &Run, view: &View) -> Result<Outcome, JobError> {
    let jobs: Vec<&str> = if run.all {
        context.config.jobs().collect()
    } else {
        run.jobs.iter().map(String::as_str).collect()
    };
    if jobs.is_empty() {
        let path = context.config.path().display();
        return Err(JobError::usage(
            format!("{path} has no job: nothing is backed up"),
            Some("Add one: [job.NAME] with source = \"files\", and what it backs up"),
        ));
    }
    for job in &jobs {
        context.config.job(job)?;
    }
    let mut outcome = Outcome::Done;
    let mut failure = None;
    for job in jobs {
        let ended = if run.check {
            check(context, job, view)
        } else {
            backup(context, run, job, view)
        };
        match ended {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Failed(kind)) => drop(failure.get_or_insert(kind)),
            Ok(other) => outcome = other,
            Err(error) if context.cancel.is_raised() => return Err(error),
            // Other jobs still get their backup; the first failure decides the exit code.
            Err(error) => {
                crate::fail::tell(&error, view);
                failure.get_or_insert(error.kind());
            }
        }
    }
    Ok(failure.map_or(outcome, Outcome::Failed))
}

fn check(context: &Context, job: &str, view: &View) -> Result<Outcome, JobError> {
    let findings = context.check_job(job)?;
    let works = !view.findings(job, &findings);
    let json =
        serde_json::json!({"job": job, "works": works, "findings": super::findings(&findings)});
    view.answer(&json, |view| {
        if works {
            view.say(&format!("{job}: a backup would work now"));
        }
    });
    if works {
        return Ok(Outcome::Done);
    }
    view.complain(&format!("a backup of `{job}` would fail now"));
    Ok(Outcome::Failed(Kind::Usage))
}

fn backup(context: &Context, run: &Run, job: &str, view: &View) -> Result<Outcome, JobError> {
    let (gauge, copying) = (Arc::new(Gauge::default()), Arc::new(Progress::default()));
    let (seen, copied) = (Arc::clone(&gauge), Arc::clone(&copying));
    let watch = watch(view, job, move || {
        if copied.total() > 0 {
            return super::copy::moment(&copied);
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let words = format!(
            "{} entries, {} read, {} new",
            read(&seen.entries),
            ByteSize(read(&seen.bytes)),
            ByteSize(read(&seen.new_bytes))
        );
        // How much there is, only the source knows.
        Moment {
            done: 0,
            total: 0,
            words,
        }
    });
    let options = RunOptions {
        tags: run.tag.clone(),
        gauge,
        copying,
        listener: Arc::new(Deaf),
    };
    let result = context.run(job, &options);
    drop(watch);
    let Ran {
        root,
        locked,
        tiers,
        retained,
    } = result?;
    view.answer(&super::snapshots::json(&root, None), |view| {
        tell(&root, view)
    });
    warn(&root, view);
    let mut outcome = match root.counts.warnings {
        0 => Outcome::Done,
        _ => Outcome::Warnings,
    };
    if let Some(locked) = &locked {
        let own = context.config.store_of(job)?;
        outcome = worse(outcome, super::lock::tell(&[&root], locked, own, view));
    }
    for tier in &tiers {
        outcome = worse(outcome, told(job, tier, view));
    }
    if let Some(retained) = &retained {
        let own = context.config.store_of(job)?;
        outcome = worse(outcome, forgotten((job, own), retained, view));
    }
    Ok(outcome)
}

/// Names what the snapshot leaves out.
fn warn(root: &Root, view: &View) {
    for (subject, message) in root.warnings.iter().take(WARNINGS_SHOWN) {
        view.warn(&format!("{subject}: {message}"));
    }
    if root.warnings.len() > WARNINGS_SHOWN {
        let more = root.counts.warnings - WARNINGS_SHOWN as u64;
        let name = format!("{}@{}", root.job, root.snapshot.short());
        view.warn(&format!("and {more} more: holdfast show {name}"));
    }
}

/// Says what came to another of a job's stores.
fn told(job: &str, tier: &Tier, view: &View) -> Outcome {
    let to = &tier.store;
    for copied in &tier.copied {
        super::copy::tell(copied, to, view);
    }
    let roots: Vec<&Root> = tier.copied.iter().map(|one| &one.root).collect();
    let locked = tier.locked.as_ref();
    let locked = locked.map_or(Outcome::Done, |it| super::lock::tell(&roots, it, to, view));
    if let Some(error) = &tier.failure {
        let causes = join_causes(error);
        let json = serde_json::json!({"job": job, "to": to, "error": causes});
        view.answer(&json, |_| ());
        view.warn(&format!(
            "{job}: the snapshot is committed; it is not copied to `{to}`, and nothing is forgotten: {causes}"
        ));
        view.hints(&crate::fail::hints(error));
        return Outcome::Warnings;
    }
    let retained = tier.retained.as_ref();
    let retained = retained.map_or(Outcome::Done, |it| forgotten((job, to), it, view));
    worse(locked, retained)
}

/// Says what was forgotten in a store.
fn forgotten(
    (job, store): (&str, &str),
    retained: &Result<JobRetained, JobError>,
    view: &View,
) -> Outcome {
    match retained {
        Ok(retained) => {
            super::forget::answer(retained, view);
            super::forget::tell((job, store), retained, false, view)
        }
        Err(error) => {
            let error = join_causes(error);
            view.warn(&format!(
                "{job}: the snapshot is committed; nothing more is forgotten in `{store}`: {error}"
            ));
            Outcome::Warnings
        }
    }
}

fn worse(one: Outcome, other: Outcome) -> Outcome {
    if one == Outcome::Done { other } else { one }
}

fn tell(root: &Root, view: &View) {
    let counts = &root.counts;
    let seconds = (root.finished.0 - root.started.0) as f64 / 1e9;
    view.say(&format!(
        "{}@{}: {} entries, {}; {} new, {} stored, {} files unchanged; {seconds:.1} s",
        root.job,
        root.snapshot.short(),
        counts.entries,
        ByteSize(counts.bytes),
        ByteSize(counts.new_bytes),
        ByteSize(counts.stored_bytes),
        counts.unchanged_files,
    ));
}
