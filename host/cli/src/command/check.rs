//! `check` and `verify`.

use super::snapshots::signer_json;
use crate::args::{Check, Keys};
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::progress::{Moment, Watch, watch_work};
use crate::view::View;
use holdfast_base::progress::Progress;
use holdfast_base::size::ByteSize;
use holdfast_jobs::context::Context;
use holdfast_jobs::model::{Author, CheckReport, Depth, Frozen, Loss};
use holdfast_jobs::tally::Tally;
use holdfast_jobs::upkeep::check_repository;
use holdfast_jobs::verify::plan_verification;
use std::sync::Arc;

/// Entries of a snapshot that are shown; a script gets more.
const ENTRIES_SHOWN: usize = 20;

pub(super) fn check(context: &Context, check: Check, view: &View) -> Result<Outcome, Failure> {
    let (unlock, store) = (check.unlock, check.store);
    let access = super::find_access(context, &Keys { unlock, store }, None)?;
    let data = check.data;
    let depth = if data { Depth::Data } else { Depth::Structure };
    let progress = Arc::new(Progress::default());
    let watch = watch_check(view, &progress);
    let report = check_repository(context, &access, depth, &progress)?;
    drop(watch);
    view.answer(&report_json(&report), |view| {
        show_summary(&report, data, view);
        show_damage(&report, view);
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
pub(super) fn watch_check(view: &View, progress: &Arc<Progress>) -> Watch {
    let seen = Arc::clone(progress);
    watch_work(view, "check", move || {
        let (done, total) = (seen.done(), seen.total());
        let words = match total {
            0 => "structure".to_owned(),
            _ => format!("{} of {} read", ByteSize(done), ByteSize(total)),
        };
        Moment { done, total, words }
    })
}

/// Returns a report as scripts read it.
pub(super) fn report_json(report: &CheckReport) -> serde_json::Value {
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
            serde_json::json!({"host": host, "key": signer_json(author), "snapshots": count})
        })
        .collect();
    serde_json::json!({
        "snapshots": report.snapshots, "packs": report.packs, "bytes-read": report.bytes,
        "signers": signers, "unlisted-packs": report.unlisted_packs, "damage": damage, "losses": losses,
        "unseen": report.unseen, "cold": frozen_json(&report.cold), "unread": frozen_json(&report.unread),
    })
}

fn frozen_json(frozen: &Frozen) -> serde_json::Value {
    serde_json::json!({"packs": frozen.packs, "bytes": frozen.bytes})
}

/// Shows how much was looked at.
pub(super) fn show_summary(report: &CheckReport, data: bool, view: &View) {
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
    show_cold(report, view);
    for unseen in &report.unseen {
        view.warn(unseen);
    }
}

/// Shows what lies in a cold storage class, and what was not read for that.
fn show_cold(report: &CheckReport, view: &View) {
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
}

/// Names what is damaged, and what that costs.
pub(super) fn show_damage(report: &CheckReport, view: &View) {
    for (object, what) in &report.damage {
        view.line(&format!("damaged: {object}: {what}"));
    }
    report.losses.iter().for_each(|loss| show_loss(loss, view));
}

/// Names what of a snapshot does not come back whole.
fn show_loss(loss: &Loss, view: &View) {
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

pub(super) fn verify(
    context: &Context,
    snapshot: &str,
    with: &[String],
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, Some(snapshot))?;
    let plan = plan_verification(context, &access, snapshot, with)?;
    let (job, id) = (&plan.root.job, plan.root.snapshot);
    let mut outcome = Outcome::Done;
    let mut all = Vec::new();
    for verifier in &plan.verifiers {
        let tally = Arc::new(Tally::default());
        let seen = Arc::clone(&tally);
        let watch = watch_work(view, verifier, move || {
            Moment::unbounded(super::restore::describe_tally(&seen, "read"))
        });
        let findings = plan.judge_content(context, verifier, &tally)?;
        drop(watch);
        all.push(serde_json::json!({
            "verifier": verifier, "snapshot": id, "job": job,
            "findings": super::findings_json(&findings),
        }));
        if view.show_findings(verifier, &findings) {
            outcome = Outcome::Damage;
        } else {
            view.say(&format!("{verifier}: {job}@{} is sound", id.short()));
        }
    }
    view.answer(&serde_json::Value::Array(all), |_| {});
    Ok(outcome)
}
