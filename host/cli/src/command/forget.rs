//! `forget`: what the rules of a job keep, and what nothing keeps.

use crate::args::Forget;
use crate::exit::{Outcome, first_problem};
use crate::fail::{Failure, report_failure};
use crate::view::View;
use holdfast_base::error::Describe;
use holdfast_jobs::context::Context;
use holdfast_jobs::forget::{
    HostRetention, Hosts, JobInStore, JobRetention, NamedSnapshot, RetentionOptions, find_rules,
    forget_named, forget_unkept,
};
use holdfast_jobs::retention::freeze::{ACCEPTS, Accept};
use holdfast_jobs::retention::plan::{Verdict, Why};
use std::collections::BTreeSet;

pub(super) fn forget(context: &Context, forget: &Forget, view: &View) -> Result<Outcome, Failure> {
    let (jobs, snapshots) = split_words(context, forget)?;
    let options = RetentionOptions {
        dry_run: forget.dry_run,
        tags: forget.tag.clone(),
        hosts: match forget.host.as_slice() {
            _ if forget.all_hosts => Hosts::All,
            [] => Hosts::Own,
            named => Hosts::Named(named.iter().cloned().collect()),
        },
        accept: parse_accepted(&forget.accept),
    };
    let mut outcome = Outcome::Done;
    let mut failure = None;
    let credentials = super::gather_credentials(context, &forget.keys.unlock)?;
    for JobInStore { job, store } in &jobs {
        match forget_unkept(context, job, store, &credentials, &options) {
            Ok(retained) => {
                show_verdicts(&retained, forget.dry_run, view);
                let shown = show_result(&retained, forget.dry_run, view);
                outcome = first_problem(outcome, shown);
                note_other_hosts(job, &retained, view);
            }
            Err(error) if context.cancel.is_raised() => return Err(error.into()),
            // Other jobs go on; the first failure decides the exit code.
            Err(error) => {
                failure.get_or_insert(error.kind());
                report_failure(&error.into(), view);
            }
        }
    }
    for snapshot in snapshots {
        forget_one(context, forget, &snapshot, view)?;
    }
    Ok(failure.map_or(outcome, Outcome::Failed))
}

/// Splits what was typed into jobs, with the stores in which to look, and snapshots.
fn split_words(
    context: &Context,
    forget: &Forget,
) -> Result<(Vec<JobInStore>, Vec<String>), Failure> {
    let store = forget.keys.store.as_deref();
    if forget.all {
        return Ok((find_rules(context, None, store)?, Vec::new()));
    }
    let is_job = |word: &String| context.config.jobs().any(|job| job == word.as_str());
    let words = forget.what.iter().cloned();
    let (jobs, snapshots): (Vec<String>, Vec<String>) = words.partition(is_job);
    let mut found = Vec::new();
    for job in jobs {
        found.extend(find_rules(context, Some(&job), store)?);
    }
    Ok((found, snapshots))
}

fn parse_accepted(words: &[String]) -> BTreeSet<Accept> {
    let fits = |accept: &&Accept| words.iter().any(|word| word == accept.word());
    ACCEPTS.iter().filter(fits).copied().collect()
}

/// Forgets one snapshot that was named.
fn forget_one(
    context: &Context,
    forget: &Forget,
    wanted: &str,
    view: &View,
) -> Result<(), Failure> {
    let access = super::find_access(context, &forget.keys, Some(wanted))?;
    let is_dry = forget.dry_run;
    let NamedSnapshot { snapshot, job } = forget_named(context, &access, wanted, is_dry)?;
    let json = serde_json::json!({"snapshot": snapshot, "job": job, "dry-run": is_dry});
    let id = snapshot.short();
    view.answer(&json, |view| {
        view.say(&match is_dry {
            true => format!("{job}@{id} would be forgotten"),
            false => format!("{job}@{id} is forgotten; it comes back with: holdfast undelete {id}"),
        });
    });
    Ok(())
}

/// Shows what becomes of each snapshot, and why.
fn show_verdicts(retained: &JobRetention, is_dry: bool, view: &View) {
    for group in &retained.hosts {
        view.answer(&retention_json(group, is_dry), |view| {
            view.line(&format!(
                "{} on {} in {}: {}",
                group.job,
                group.host,
                group.store,
                describe_kept(group)
            ));
            view.line(&format!("{:8}  {:25}  {:6}  why", "id", "time", ""));
            for verdict in &group.verdicts {
                view.line(&verdict_row(group, verdict));
            }
        });
    }
}

fn describe_kept(group: &HostRetention) -> String {
    match &group.policy.keep {
        Some(rules) => rules.to_string(),
        None => "all but what tags say".to_owned(),
    }
}

fn verdict_row(group: &HostRetention, verdict: &Verdict) -> String {
    let snapshot = &verdict.snapshot;
    let is_forgotten = group.forgotten.contains(&snapshot.snapshot);
    let mut reasons = list_reasons(verdict);
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

fn list_reasons(verdict: &Verdict) -> Vec<String> {
    verdict.keeps.iter().map(ToString::to_string).collect()
}

fn retention_json(group: &HostRetention, is_dry: bool) -> serde_json::Value {
    let one = |verdict: &Verdict| {
        let snapshot = &verdict.snapshot;
        serde_json::json!({
            "snapshot": snapshot.snapshot,
            "started": snapshot.started.to_string(),
            "received": snapshot.received.to_string(),
            "tags": snapshot.tags,
            "warnings": snapshot.warnings,
            "keep": !group.forgotten.contains(&snapshot.snapshot),
            "why": list_reasons(verdict),
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
pub(super) fn answer_script(retained: &JobRetention, view: &View) {
    for group in &retained.hosts {
        view.answer(&retention_json(group, false), |_| ());
    }
}

/// Shows what retention came to, and warns of what keeps it from its work.
pub(super) fn show_result(retained: &JobRetention, is_dry: bool, view: &View) -> Outcome {
    let mut outcome = Outcome::Done;
    for group in &retained.hosts {
        let (job, store) = (&group.job, &group.store);
        for freeze in &group.freezes {
            let word = freeze.accept().word();
            view.warn(&format!(
                "{job}: nothing is forgotten in `{store}`: {freeze}. If that is right: holdfast forget {job} --accept {word}"
            ));
            outcome = Outcome::Warnings;
        }
        for verdict in &group.verdicts {
            outcome = first_problem(outcome, warn_time_faults(job, verdict, view));
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

/// Warns of a snapshot that is kept because its times are not believed.
fn warn_time_faults(job: &str, verdict: &Verdict, view: &View) -> Outcome {
    let mut outcome = Outcome::Done;
    let reasons = verdict.keeps.iter();
    for fault in reasons.filter(|why| matches!(why, Why::TimeFault(_))) {
        let id = verdict.snapshot.snapshot.short();
        view.warn(&format!(
            "{job}@{id} is kept, and counts for no rule: {fault}. Look at the clocks; it goes with: \
             holdfast forget {job}@{id}"
        ));
        outcome = Outcome::Warnings;
    }
    outcome
}

/// Names the hosts with snapshots that were not looked at.
fn note_other_hosts(job: &str, retained: &JobRetention, view: &View) {
    for (host, count) in &retained.others {
        view.note(&format!(
            "{job}: {count} snapshots of host {host} were not looked at: --host {host}, or --all-hosts"
        ));
    }
}
