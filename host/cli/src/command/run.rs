//! `run`.

use crate::args::Run;
use crate::exit::{Outcome, first_problem};
use crate::fail::{Failure, list_hints, report_failure};
use crate::progress::{Moment, Watch, watch_work};
use crate::view::View;
use holdfast_base::error::{Describe, Kind, join_causes};
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::backup::{RunOptions, run_job};
use holdfast_jobs::context::Context;
use holdfast_jobs::copy::tiers::Tier;
use holdfast_jobs::doctor;
use holdfast_jobs::forget::JobRetention;
use holdfast_jobs::model::Root;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Warnings that are written one by one; the snapshot holds more.
const WARNINGS_SHOWN: usize = 20;

pub(super) fn run_jobs(context: &Context, run: &Run, view: &View) -> Result<Outcome, Failure> {
    let jobs: Vec<&str> = if run.all {
        context.config.all_jobs()?
    } else {
        run.jobs.iter().map(String::as_str).collect()
    };
    for job in &jobs {
        context.config.job(job)?;
    }
    let mut outcome = Outcome::Done;
    let mut failure = None;
    for job in jobs {
        let ended = if run.check {
            check_job(context, job, view)
        } else {
            back_up(context, run, job, view)
        };
        match ended {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Failed(kind)) => drop(failure.get_or_insert(kind)),
            Ok(other) => outcome = other,
            Err(error) if context.cancel.is_raised() => return Err(error),
            // Other jobs still get their backup; the first failure decides the exit code.
            Err(error) => {
                report_failure(&error, view);
                failure.get_or_insert(error.kind());
            }
        }
    }
    Ok(failure.map_or(outcome, Outcome::Failed))
}

fn check_job(context: &Context, job: &str, view: &View) -> Result<Outcome, Failure> {
    let findings = super::doctor::list_findings(doctor::check_job(context, job)?);
    let works = !view.show_findings(job, &findings);
    let findings = super::findings_json(&findings);
    let json = serde_json::json!({"job": job, "works": works, "findings": findings});
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

fn back_up(context: &Context, run: &Run, job: &str, view: &View) -> Result<Outcome, Failure> {
    let options = RunOptions {
        tags: run.tag.clone(),
        ..RunOptions::default()
    };
    let watch = watch_run(job, &options, view);
    let result = run_job(context, job, &options);
    drop(watch);
    let finished = result?;
    let root = &finished.root;
    let mut json = super::snapshots::snapshot_json(root, None);
    let left_out = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let excluded = left_out(&options.gauge.excluded);
    let noted = left_out(&options.gauge.noted);
    json["excluded"] = excluded.into();
    json["noted"] = noted.into();
    view.answer(&json, |view| {
        show_snapshot(root, view);
        if excluded > 0 {
            view.say(&format!("  left out by the job's settings: {excluded}"));
        }
        if noted > 0 {
            view.say(&format!(
                "  sockets, which only their own programs can make again: {noted}"
            ));
        }
    });
    warn_left_out(root, view);
    let mut outcome = match root.counts.warnings {
        0 => Outcome::Done,
        _ => Outcome::Warnings,
    };
    if let Some(locked) = &finished.locked {
        let own = context.config.store_of(job)?;
        let shown = super::lock::show_locked(&[root], locked, own, view);
        outcome = first_problem(outcome, shown);
    }
    for tier in &finished.tiers {
        outcome = first_problem(outcome, show_tier(job, tier, view));
    }
    if let Some(retained) = &finished.retained {
        let own = context.config.store_of(job)?;
        outcome = first_problem(outcome, show_forgotten(job, own, retained, view));
    }
    Ok(outcome)
}

/// Shows how far a run is: its backup, and then its copies.
fn watch_run(job: &str, options: &RunOptions, view: &View) -> Watch {
    let (gauge, copying) = (Arc::clone(&options.gauge), Arc::clone(&options.copying));
    watch_work(view, job, move || {
        if copying.total() > 0 {
            return super::copy::copy_moment(&copying);
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let words = format!(
            "{} entries, {} read, {} new",
            read(&gauge.entries),
            ByteSize(read(&gauge.bytes)),
            ByteSize(read(&gauge.new_bytes))
        );
        // How much there is, only the source knows.
        Moment::unbounded(words)
    })
}

/// Names what the snapshot leaves out.
fn warn_left_out(root: &Root, view: &View) {
    for (subject, message) in root.warnings.iter().take(WARNINGS_SHOWN) {
        view.warn(&format!("{subject}: {message}"));
    }
    if root.warnings.len() > WARNINGS_SHOWN {
        let more = root.counts.warnings - WARNINGS_SHOWN as u64;
        let name = crate::view::snapshot_name(root);
        view.warn(&format!("and {more} more: holdfast show {name}"));
    }
}

/// Shows what came to another of a job's stores.
fn show_tier(job: &str, tier: &Tier, view: &View) -> Outcome {
    let to = &tier.store;
    for copied in &tier.copied {
        super::copy::show_copied(copied, to, view);
    }
    let roots: Vec<&Root> = tier.copied.iter().map(|one| &one.root).collect();
    let locked = tier.locked.as_ref();
    let locked = locked.map_or(Outcome::Done, |it| {
        super::lock::show_locked(&roots, it, to, view)
    });
    if let Some(error) = &tier.failure {
        let causes = join_causes(error);
        let json = serde_json::json!({"job": job, "to": to, "error": causes});
        view.answer(&json, |_| ());
        view.warn(&format!(
            "{job}: the snapshot is committed; it is not copied to `{to}`, and nothing is forgotten: {causes}"
        ));
        view.show_hints(&list_hints(error));
        return Outcome::Warnings;
    }
    let retained = tier.retained.as_ref();
    let retained = retained.map_or(Outcome::Done, |it| show_forgotten(job, to, it, view));
    first_problem(locked, retained)
}

/// Shows what was forgotten in a store.
fn show_forgotten(
    job: &str,
    store: &str,
    retained: &Result<JobRetention, JobError>,
    view: &View,
) -> Outcome {
    match retained {
        Ok(retained) => {
            super::forget::answer_script(retained, view);
            super::forget::show_result(retained, false, view)
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

fn show_snapshot(root: &Root, view: &View) {
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
