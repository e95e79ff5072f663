//! `gc`.

use crate::args::{Gc, Keys};
use crate::exit::Outcome;
use crate::progress::{Moment, watch};
use crate::view::View;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::gc::{self, Busy};
use holdfast_jobs::open::Context;
use holdfast_repository::collect::{Amount, CollectProgress, Options, Report};
use std::sync::Arc;

pub(crate) fn run(context: &Context, gc: &Gc, view: &View) -> Result<Outcome, JobError> {
    let keys = Keys {
        unlock: gc.unlock.clone(),
        store: gc.store.clone(),
    };
    let repository = super::open(context, &keys, None)?;
    let defaults = Options::default();
    let options = Options {
        dry_run: gc.dry_run,
        grace: gc.grace.unwrap_or(defaults.grace),
        forgotten_grace: gc.grace.unwrap_or(defaults.forgotten_grace),
        expire: gc.expire.clone(),
        unused_permille: u64::from(gc.max_unused) * 10,
        repack_max: gc.max_repack.map_or(defaults.repack_max, ByteSize::bytes),
        host: context.places.host.clone(),
        ..defaults
    };
    let _one = Busy::take(context, &repository)?;
    let progress = Arc::new(CollectProgress::default());
    let seen = Arc::clone(&progress);
    let watching = watch(view, "gc", move || {
        let snapshots = seen.snapshots.done();
        let removed = seen.removed.done();
        Moment {
            done: 0,
            total: 0,
            words: format!("{snapshots} snapshots looked at, {removed} packs removed"),
        }
    });
    let report = gc::collect(context, &repository, &options, &progress)?;
    drop(watching);
    view.answer(&json(&report, gc.dry_run), |view| {
        tell(&report, gc.dry_run, view)
    });
    Ok(Outcome::Done)
}

fn json(report: &Report, dry_run: bool) -> serde_json::Value {
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

fn tell(report: &Report, dry_run: bool, view: &View) {
    let would = if dry_run { "would be " } else { "" };
    let amount = |amount: &Amount| format!("{} packs, {}", amount.packs, ByteSize(amount.bytes));
    view.say(&format!(
        "{} snapshots; {} stored",
        report.snapshots,
        amount(&report.stored)
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
        view.say(&format!("{} {would}{what}", amount(packs)));
    }
    if report.waiting.packs > 0 {
        let waiting = amount(&report.waiting);
        view.say(&format!("{waiting} wait for their time"));
    }
    if report.kept.packs > 0 {
        let kept = amount(&report.kept);
        view.say(&format!(
            "{kept} wait until what is needed of them is stored elsewhere"
        ));
    }
    tell_locked(report, view);
    if report.unused_bytes > 0 {
        let unused = ByteSize(report.unused_bytes);
        view.say(&format!(
            "{unused} of content lie unneeded in packs that are needed"
        ));
    }
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

/// Says what object lock keeps, and until when.
fn tell_locked(report: &Report, view: &View) {
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
