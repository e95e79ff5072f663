//! `check` and `verify`.

use super::snapshots::signed_by;
use crate::args::Keys;
use crate::exit::Outcome;
use crate::progress::{Moment, Watch, watch};
use crate::view::View;
use holdfast_base::progress::Progress;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_jobs::tally::Tally;
use holdfast_jobs::{select, verify as judge};
use holdfast_repository::check::{Depth, Loss, Report, check};
use holdfast_repository::format::trust::Author;
use holdfast_repository::thaw::Frozen;
use std::sync::Arc;

/// Entries of a snapshot that are shown; a script gets more.
const ENTRIES_SHOWN: usize = 20;

pub(crate) fn run(
    context: &Context,
    keys: &Keys,
    data: bool,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, None)?;
    let depth = if data { Depth::Data } else { Depth::Structure };
    let progress = Arc::new(Progress::default());
    let watch = watched(view, &progress);
    let report = check(&repository, depth, &context.cancel, &progress)?;
    drop(watch);
    view.answer(&json(&report), |view| {
        summary(&report, data, view);
        told(&report, view);
        if report.damage.is_empty() {
            view.say("no damage found");
        }
    });
    Ok(if !report.damage.is_empty() {
        Outcome::Damage
    } else if report.unread.packs > 0 {
        Outcome::Warnings
    } else {
        Outcome::Done
    })
}

/// Shows how far a check is.
pub(super) fn watched(view: &View, progress: &Arc<Progress>) -> Watch {
    let seen = Arc::clone(progress);
    watch(view, "check", move || {
        let (done, total) = (seen.done(), seen.total());
        let words = match total {
            0 => "structure".to_owned(),
            _ => format!("{} of {} read", ByteSize(done), ByteSize(total)),
        };
        Moment { done, total, words }
    })
}

/// Returns a report as scripts read it.
pub(super) fn json(report: &Report) -> serde_json::Value {
    let damage: Vec<_> = report
        .damage
        .iter()
        .map(|(object, what)| serde_json::json!({"object": object, "what": what}))
        .collect();
    let losses: Vec<_> = report
        .losses
        .iter()
        .map(|loss| {
            serde_json::json!({"snapshot": loss.snapshot, "job": loss.job, "entries": loss.entries, "more": loss.more})
        })
        .collect();
    let signers: Vec<_> = report
        .signers
        .iter()
        .map(|(author, count)| {
            let host = match author {
                Author::Host { name, .. } => Some(name),
                Author::Root | Author::Nobody => None,
            };
            serde_json::json!({"host": host, "key": signed_by(author), "snapshots": count})
        })
        .collect();
    serde_json::json!({
        "snapshots": report.snapshots, "packs": report.packs, "bytes-read": report.bytes,
        "signers": signers, "unlisted-packs": report.unlisted_packs, "damage": damage, "losses": losses,
        "unseen": report.unseen, "cold": amount(&report.cold), "unread": amount(&report.unread),
    })
}

fn amount(frozen: &Frozen) -> serde_json::Value {
    serde_json::json!({"packs": frozen.packs, "bytes": frozen.bytes})
}

/// Says how much was looked at.
pub(super) fn summary(report: &Report, data: bool, view: &View) {
    let read = if data {
        format!("; {} read", ByteSize(report.bytes))
    } else {
        String::new()
    };
    view.say(&format!(
        "{} snapshots, {} packs{read}",
        report.snapshots, report.packs
    ));
    for (author, count) in &report.signers {
        view.say(&format!("  {count} signed by {author}"));
    }
    if report.unlisted_packs > 0 {
        view.say(&format!(
            "{} packs are listed nowhere: interrupted runs left them, and they do no harm",
            report.unlisted_packs
        ));
    }
    let words = |frozen: &Frozen| format!("{} packs ({})", frozen.packs, ByteSize(frozen.bytes));
    if report.cold.packs > 0 {
        view.say(&format!(
            "{} lie in a cold storage class: a restore has to thaw those that it needs",
            words(&report.cold)
        ));
    }
    if report.unread.packs > 0 {
        view.warn(&format!(
            "{} were not read: they have to be thawed before (holdfast restore SNAPSHOT --target DIR --thaw asks the \
             service for what a snapshot needs)",
            words(&report.unread)
        ));
    }
    for unseen in &report.unseen {
        view.warn(unseen);
    }
}

/// Names what is damaged, and what that costs.
pub(super) fn told(report: &Report, view: &View) {
    for (object, what) in &report.damage {
        view.line(&format!("damaged: {object}: {what}"));
    }
    report.losses.iter().for_each(|loss| lost(loss, view));
}

/// Names what of a snapshot does not come back whole.
fn lost(loss: &Loss, view: &View) {
    let snapshot = format!("{}@{}", loss.job, loss.snapshot.short());
    for entry in loss.entries.iter().take(ENTRIES_SHOWN) {
        view.line(&format!("lost: {snapshot}: {entry}"));
    }
    let more = loss.entries.len().saturating_sub(ENTRIES_SHOWN) as u64 + loss.more;
    if more > 0 {
        view.line(&format!("lost: {snapshot}: and {more} more"));
    }
    if loss.entries.is_empty() {
        view.line(&format!(
            "lost: {snapshot}: this key cannot name entries; give --identity"
        ));
    }
}

pub(crate) fn verify(
    context: &Context,
    snapshot: &str,
    with: &[String],
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, Some(snapshot))?;
    let root = select::snapshot(&repository, snapshot)?;
    let configured = context
        .config
        .job(&root.job)
        .map(|job| job.verify.as_slice())
        .unwrap_or_default();
    let verifiers: Vec<String> = if with.is_empty() {
        configured.iter().map(|v| v.get_ref().clone()).collect()
    } else {
        with.to_vec()
    };
    if verifiers.is_empty() {
        let hint = "Add to the job: verify = [\"archive-check\"], or name one with --with PLUGIN";
        return Err(JobError::usage(
            format!("job `{}` names no verifier", root.job),
            Some(hint),
        ));
    }
    let mut outcome = Outcome::Done;
    let mut all = Vec::new();
    for verifier in verifiers {
        let tally = Arc::new(Tally::default());
        let seen = Arc::clone(&tally);
        let watch = watch(view, &verifier, move || Moment {
            done: 0,
            total: 0,
            words: super::restore::words(&seen, "read"),
        });
        let findings = judge::verify(context, &repository, &root, &verifier, &tally)?;
        drop(watch);
        all.push(serde_json::json!({
            "verifier": verifier, "snapshot": root.snapshot, "job": root.job,
            "findings": super::findings(&findings),
        }));
        if view.findings(&verifier, &findings) {
            outcome = Outcome::Damage;
        } else {
            view.say(&format!(
                "{verifier}: {}@{} is sound",
                root.job,
                root.snapshot.short()
            ));
        }
    }
    view.answer(&serde_json::Value::Array(all), |_| {});
    Ok(outcome)
}
