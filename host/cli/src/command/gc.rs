//! `gc`.

use crate::args::{Gc, Keys};
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::progress::{Moment, watch_work};
use crate::view::View;
use holdfast_base::size::ByteSize;
use holdfast_jobs::context::Context;
use holdfast_jobs::model::{Amount, CollectOptions, CollectProgress, CollectReport};
use holdfast_jobs::upkeep::collect_store;
use std::sync::Arc;

pub(super) fn collect(context: &Context, gc: Gc, view: &View) -> Result<Outcome, Failure> {
    let (unlock, store) = (gc.unlock, gc.store);
    let access = super::find_access(context, &Keys { unlock, store }, None)?;
    let defaults = CollectOptions::default();
    let options = CollectOptions {
        dry_run: gc.dry_run,
        grace: gc.grace.unwrap_or(defaults.grace),
        forgotten_grace: gc.grace.unwrap_or(defaults.forgotten_grace),
        expire: gc.expire,
        unused_permille: u64::from(gc.max_unused) * 10,
        repack_max: gc.max_repack.map_or(defaults.repack_max, ByteSize::bytes),
        host: context.places.host.clone(),
        ..defaults
    };
    let progress = Arc::new(CollectProgress::default());
    let seen = Arc::clone(&progress);
    let watching = watch_work(view, "gc", move || {
        let snapshots = seen.snapshots.done();
        let removed = seen.removed.done();
        Moment::unbounded(format!(
            "{snapshots} snapshots looked at, {removed} packs removed"
        ))
    });
    let report = collect_store(context, &access, &options, &progress)?;
    drop(watching);
    view.answer(&report_json(&report, gc.dry_run), |view| {
        show_report(&report, gc.dry_run, view)
    });
    Ok(Outcome::Done)
}

fn report_json(report: &CollectReport, dry_run: bool) -> serde_json::Value {
    let amount =
        |amount: &Amount| serde_json::json!({"packs": amount.packs, "bytes": amount.bytes});
    let open = report.open.iter().map(|session| {
        serde_json::json!({
            "session": session.id, "purpose": session.purpose, "host": session.host,
            "since": session.received.to_string(),
        })
    });
    serde_json::json!({
        "dry-run": dry_run, "generation": report.generation, "snapshots": report.snapshots,
        "removed-snapshots": report.removed_snapshots, "expired-sessions": report.expired,
        "open-sessions": open.collect::<Vec<_>>(), "stored": amount(&report.stored),
        "named": amount(&report.named), "waiting": amount(&report.waiting),
        "kept": amount(&report.kept), "repacked": amount(&report.repacked),
        "rewritten-bytes": report.rewritten_bytes, "unused-bytes": report.unused_bytes,
        "removed": amount(&report.removed), "rewritten-segments": report.segments,
        "locked": amount(&report.locked), "locked-without-end": amount(&report.held),
        "locked-until": report.locked_until.map(|until| until.to_string()),
        "locked-snapshots": report.locked_snapshots,
    })
}

fn describe_amount(amount: &Amount) -> String {
    format!("{} packs, {}", amount.packs, ByteSize(amount.bytes))
}

fn show_report(report: &CollectReport, dry_run: bool, view: &View) {
    let would = if dry_run { "would be " } else { "" };
    view.say(&format!(
        "{} snapshots; {} stored",
        report.snapshots,
        describe_amount(&report.stored)
    ));
    if !report.removed_snapshots.is_empty() {
        let count = report.removed_snapshots.len();
        view.say(&format!(
            "{count} forgotten snapshots {would}removed for good"
        ));
    }
    for id in &report.expired {
        view.say(&format!(
            "session {id} {would}ended: it can no longer commit"
        ));
    }
    let lines = [
        (&report.repacked, "copied, since little of them is needed"),
        (
            &report.named,
            "found to be needed by nobody; a later gc removes them",
        ),
        (&report.removed, "removed"),
    ];
    for (packs, what) in lines.into_iter().filter(|(packs, _)| packs.packs > 0) {
        view.say(&format!("{} {would}{what}", describe_amount(packs)));
    }
    show_waiting(report, view);
    show_locked(report, view);
    if report.unused_bytes > 0 {
        let unused = ByteSize(report.unused_bytes);
        view.say(&format!(
            "{unused} of content lie unneeded in packs that are needed"
        ));
    }
    show_open_sessions(report, view);
}

/// Shows the packs that cannot be removed yet.
fn show_waiting(report: &CollectReport, view: &View) {
    if report.waiting.packs > 0 {
        let waiting = describe_amount(&report.waiting);
        view.say(&format!("{waiting} wait for their time"));
    }
    if report.kept.packs > 0 {
        let kept = describe_amount(&report.kept);
        view.say(&format!(
            "{kept} wait until what is needed of them is stored elsewhere"
        ));
    }
}

/// Shows the sessions that have not ended.
fn show_open_sessions(report: &CollectReport, view: &View) {
    for session in &report.open {
        let (purpose, host, since) = (&session.purpose, &session.host, session.received);
        let what = if purpose.is_empty() {
            "a session that cannot be read".to_owned()
        } else {
            format!("{purpose} on {host}")
        };
        let id = session.id;
        view.say(&format!("still open since {since}: {what} ({id})"));
    }
}

/// Shows what object lock keeps, and until when.
fn show_locked(report: &CollectReport, view: &View) {
    let Amount { packs, bytes } = report.locked;
    if packs > 0 {
        let until = report.locked_until.map(|until| format!(" until {until}"));
        let held = match report.held {
            Amount { packs: 0, .. } => String::new(),
            held => format!("; {} of it are held without an end", ByteSize(held.bytes)),
        };
        view.say(&format!(
            "{packs} packs, {} would go, and object lock keeps them{}{held}",
            ByteSize(bytes),
            until.unwrap_or_default()
        ));
    }
    if !report.locked_snapshots.is_empty() {
        let count = report.locked_snapshots.len();
        view.say(&format!(
            "{count} forgotten snapshots are locked, and can be brought back as long as they are"
        ));
    }
}
