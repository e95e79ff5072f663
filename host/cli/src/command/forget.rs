//! `forget`: what the rules of a job keep, and what nothing keeps.

use crate::args::Forget;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::error::Describe;
use holdfast_base::id::SnapshotId;
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_jobs::retention::apply::{Hosts, JobRetained, Retained, RetentionOptions};
use holdfast_jobs::retention::freeze::{ACCEPTS, Accept};
use holdfast_jobs::retention::plan::{Verdict, Why};
use holdfast_jobs::select;
use std::collections::BTreeSet;

/// Why a snapshot is forgotten that was named.
const SAID_SO: &str = "it was named";

pub(crate) fn run(context: &Context, forget: &Forget, view: &View) -> Result<Outcome, JobError> {
    let (jobs, snapshots) = meant(context, forget)?;
    let options = RetentionOptions {
        dry_run: forget.dry_run,
        tags: forget.tag.clone(),
        hosts: match forget.host.as_slice() {
            _ if forget.all_hosts => Hosts::All,
            [] => Hosts::Own,
            named => Hosts::Named(named.iter().cloned().collect()),
        },
        accept: accepted(&forget.accept),
    };
    let mut outcome = Outcome::Done;
    let mut failure = None;
    let credentials = super::credentials(context, &forget.keys.unlock)?;
    for (job, store) in jobs {
        match context.retain(&job, &store, &credentials, &options) {
            Ok(retained) => {
                show(&job, &store, &retained, forget.dry_run, view);
                let told = tell((&job, &store), &retained, forget.dry_run, view);
                outcome = worse(outcome, told);
                others(&job, &retained, view);
            }
            Err(error) if context.cancel.is_raised() => return Err(error),
            // Other jobs go on; the first failure decides the exit code.
            Err(error) => {
                crate::fail::tell(&error, view);
                failure.get_or_insert(error.kind());
            }
        }
    }
    for snapshot in snapshots {
        one(context, forget, &snapshot, view)?;
    }
    Ok(failure.map_or(outcome, Outcome::Failed))
}

/// A job, and a store that holds snapshots of it.
type JobInStore = (String, String);

/// Returns the jobs with the stores in which to look, and the snapshots that were named.
fn meant(context: &Context, forget: &Forget) -> Result<(Vec<JobInStore>, Vec<String>), JobError> {
    let config = &context.config;
    let is_job = |word: &&String| config.jobs().any(|job| job == word.as_str());
    let (jobs, others): (Vec<&String>, Vec<&String>) = forget.what.iter().partition(is_job);
    let jobs: Vec<&str> = match forget.all {
        true => config.jobs().collect(),
        false => jobs.into_iter().map(String::as_str).collect(),
    };
    let mut meant = Vec::new();
    for job in jobs {
        let stores = match &forget.keys.store {
            Some(store) => {
                config.store(store)?;
                vec![store.as_str()]
            }
            None => config.stores_of(job)?,
        };
        let mut own = Vec::new();
        for store in stores {
            if config.retention(job, store)?.is_some() {
                own.push((job.to_owned(), store.to_owned()));
            }
        }
        if own.is_empty() && !forget.all {
            let message = format!("job `{job}` does not say what is kept");
            let hint = "Add to the job, such as: keep = { daily = 14, weekly = 8, monthly = 12 }";
            return Err(JobError::usage(message, Some(hint)));
        }
        meant.append(&mut own);
    }
    if forget.all && meant.is_empty() {
        let hint = "Add to a job, such as: keep = { daily = 14, weekly = 8, monthly = 12 }";
        return Err(JobError::usage("no job says what is kept", Some(hint)));
    }
    Ok((meant, others.into_iter().cloned().collect()))
}

fn accepted(words: &[String]) -> BTreeSet<Accept> {
    let fits = |accept: &&Accept| words.iter().any(|word| word == accept.word());
    ACCEPTS.iter().filter(fits).copied().collect()
}

/// Forgets one snapshot that was named; one whose whole id is given need not be readable.
fn one(context: &Context, forget: &Forget, wanted: &str, view: &View) -> Result<(), JobError> {
    let repository = super::open(context, &forget.keys, Some(wanted))?;
    let (snapshot, job) = match wanted.parse::<SnapshotId>() {
        Ok(id) => {
            let root = repository.snapshot(&id);
            (id, root.map_or_else(|_| String::new(), |root| root.job))
        }
        Err(_) => {
            let root = select::snapshot(&repository, wanted)?;
            (root.snapshot, root.job)
        }
    };
    if !forget.dry_run {
        repository.forget(&[(snapshot, SAID_SO.to_owned())], &context.places.host)?;
    }
    let json = serde_json::json!({"snapshot": snapshot, "job": job, "dry-run": forget.dry_run});
    let id = snapshot.short();
    view.answer(&json, |view| {
        view.say(&match forget.dry_run {
            true => format!("{job}@{id} would be forgotten"),
            false => format!("{job}@{id} is forgotten; it comes back with: holdfast undelete {id}"),
        });
    });
    Ok(())
}

/// Shows what becomes of each snapshot, and why.
fn show(job: &str, store: &str, retained: &JobRetained, is_dry: bool, view: &View) {
    for group in &retained.hosts {
        view.answer(&json(group, is_dry), |view| {
            view.line(&format!(
                "{job} on {} in {store}: {}",
                group.host,
                kept_words(group)
            ));
            view.line(&format!("{:8}  {:25}  {:6}  why", "id", "time", ""));
            for verdict in &group.verdicts {
                view.line(&row(group, verdict));
            }
        });
    }
}

fn kept_words(group: &Retained) -> String {
    match &group.policy.keep {
        Some(rules) => rules.to_string(),
        None => "all but what tags say".to_owned(),
    }
}

fn row(group: &Retained, verdict: &Verdict) -> String {
    let snapshot = &verdict.snapshot;
    let is_forgotten = group.forgotten.contains(&snapshot.snapshot);
    let mut reasons = words(verdict);
    if verdict.is_dropped() {
        reasons.push("no rule keeps it".to_owned());
    }
    if snapshot.warnings > 0 {
        reasons.push(format!("with {} warnings", snapshot.warnings));
    }
    if !snapshot.tags.is_empty() {
        reasons.push(format!("[{}]", snapshot.tags.join(", ")));
    }
    format!(
        "{}  {}  {:6}  {}",
        snapshot.snapshot.short(),
        snapshot.started,
        if is_forgotten { "forget" } else { "keep" },
        reasons.join(", ")
    )
}

fn words(verdict: &Verdict) -> Vec<String> {
    verdict.keeps.iter().map(ToString::to_string).collect()
}

fn json(group: &Retained, is_dry: bool) -> serde_json::Value {
    let one = |verdict: &Verdict| {
        let snapshot = &verdict.snapshot;
        serde_json::json!({
            "snapshot": snapshot.snapshot,
            "started": snapshot.started.to_string(),
            "received": snapshot.received.to_string(),
            "tags": snapshot.tags,
            "warnings": snapshot.warnings,
            "keep": !group.forgotten.contains(&snapshot.snapshot),
            "why": words(verdict),
        })
    };
    let frozen = group.freezes.iter().map(|freeze| {
        serde_json::json!({"accept": freeze.accept().word(), "message": freeze.to_string()})
    });
    serde_json::json!({
        "job": group.job,
        "host": group.host,
        "store": group.store,
        "dry-run": is_dry,
        "frozen": frozen.collect::<Vec<_>>(),
        "verdicts": group.verdicts.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Answers a script with what retention came to.
pub(super) fn answer(retained: &JobRetained, view: &View) {
    for group in &retained.hosts {
        view.answer(&json(group, false), |_| ());
    }
}

/// Says what retention came to, and warns of what keeps it from its work.
pub(super) fn tell(
    (job, store): (&str, &str),
    retained: &JobRetained,
    is_dry: bool,
    view: &View,
) -> Outcome {
    let mut outcome = Outcome::Done;
    for group in &retained.hosts {
        for freeze in &group.freezes {
            let word = freeze.accept().word();
            view.warn(&format!(
                "{job}: nothing is forgotten in `{store}`: {freeze}. If that is right: holdfast forget {job} --accept {word}"
            ));
            outcome = Outcome::Warnings;
        }
        for verdict in &group.verdicts {
            let doubts = verdict
                .keeps
                .iter()
                .filter(|why| matches!(why, Why::Doubt(_)));
            for doubt in doubts {
                let id = verdict.snapshot.snapshot.short();
                view.warn(&format!(
                    "{job}@{id} is kept, and counts for no rule: {doubt}. Look at the clocks; it goes with: \
                     holdfast forget {job}@{id}"
                ));
                outcome = Outcome::Warnings;
            }
        }
        let (count, all) = (group.forgotten.len(), group.verdicts.len());
        let done = if is_dry {
            "would be forgotten"
        } else {
            "forgotten"
        };
        if !view.is_json() && group.freezes.is_empty() {
            let kept = all - count;
            view.say(&format!("{job}: {count} {done}, {kept} kept in {store}"));
        }
    }
    outcome
}

/// Names the hosts whose snapshots were not looked at.
fn others(job: &str, retained: &JobRetained, view: &View) {
    for (host, count) in &retained.others {
        view.note(&format!(
            "{job}: {count} snapshots of host {host} were not looked at: --host {host}, or --all-hosts"
        ));
    }
}

fn worse(one: Outcome, other: Outcome) -> Outcome {
    if one == Outcome::Done { other } else { one }
}
