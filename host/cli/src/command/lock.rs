//! `lock`, and what runs say of what they locked.

use crate::args::Lock;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::progress::{Moment, Watch, watch_work};
use crate::view::View;
use crate::view::snapshot_name;
use holdfast_base::error::{Describe, join_causes};
use holdfast_base::progress::Progress;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::context::Context;
use holdfast_jobs::lock::{LockPlan, Span, check_span, plan_lock};
use holdfast_jobs::model::{Locked, Root};
use std::sync::Arc;

/// Failures that are shown one by one: they mostly have the same reason.
const FAILURES_SHOWN: usize = 3;
/// A size that stays for a day, in bytes times seconds.
const GIB_DAY: f64 = (1_u64 << 30) as f64 * 86_400.0;

pub(super) fn lock_snapshots(
    context: &Context,
    lock: &Lock,
    view: &View,
) -> Result<Outcome, Failure> {
    let span = match (&lock.until, &lock.time) {
        (Some(text), _) => Span::Until(text.clone()),
        (None, time) => time.clone().map_or(Span::Usual, Span::For),
    };
    check_span(context, &span)?;
    let snapshot = lock.snapshots.first().map(String::as_str);
    let access = super::find_access(context, &lock.keys, snapshot)?;
    let (watching, progress) = watch_objects(view, "looked at");
    let plan = plan_lock(context, &access, &lock.snapshots, &span, &progress)?;
    drop(watching);
    show_cost(&plan, lock.dry_run, view);
    let unread = super::snapshots::warn_unread(&plan.unread, view);
    if lock.dry_run {
        view.answer(&lock_json(&plan, None), |_| ());
        return Ok(unread);
    }
    let (watching, progress) = watch_objects(view, "locked");
    let locked = plan.carry_out(context, &progress)?;
    drop(watching);
    view.answer(&lock_json(&plan, Some(&locked)), |view| {
        view.say(&format!("locked: {}", describe_locked(&locked)));
    });
    for (_, error) in locked.failed.iter().take(FAILURES_SHOWN) {
        view.complain(&join_causes(error));
    }
    Ok(match locked.failed.first() {
        Some((_, error)) => {
            view.complain(&describe_left(&locked));
            Outcome::Failed(error.kind())
        }
        None => unread,
    })
}

/// Shows how many objects the store has answered for.
pub(super) fn watch_objects(view: &View, what: &'static str) -> (Watch, Arc<Progress>) {
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    let watching = watch_work(view, "lock", move || {
        let done = seen.done();
        let total = seen.total();
        let words = format!("{done} of {total} objects {what}");
        Moment { done, total, words }
    });
    (watching, progress)
}

fn show_cost(plan: &LockPlan, dry_run: bool, view: &View) {
    let (cost, until) = (&plan.cost, plan.until);
    let would = if dry_run { "would be" } else { "are to be" };
    view.say(&format!(
        "{} snapshots reach {} objects, {}",
        plan.snapshots,
        cost.objects,
        ByteSize(cost.bytes)
    ));
    view.say(&format!(
        "{} of them, {}, {would} locked until {until} at least ({} mode), with {} requests; the rest is",
        cost.to_lock,
        ByteSize(cost.bytes_to_lock),
        plan.mode.as_word(),
        cost.requests
    ));
    view.say(&format!(
        "what is locked stays until then, needed or not: {:.2} GiB-days that could otherwise go",
        cost.byte_seconds as f64 / GIB_DAY
    ));
}

fn lock_json(plan: &LockPlan, locked: Option<&Locked>) -> serde_json::Value {
    let cost = &plan.cost;
    let locked = locked.map(|locked| {
        serde_json::json!({
            "objects": locked.objects, "bytes": locked.bytes, "not-locked": count_unlocked(locked),
            "until": locked.until.map(|until| until.to_string()),
        })
    });
    serde_json::json!({
        "store": plan.store, "snapshots": plan.snapshots, "objects": cost.objects, "bytes": cost.bytes,
        "until": plan.until.to_string(), "mode": plan.mode.as_word(), "to-lock": cost.to_lock,
        "bytes-to-lock": cost.bytes_to_lock, "requests": cost.requests,
        "gib-days": cost.byte_seconds as f64 / GIB_DAY, "done": locked,
    })
}

fn count_unlocked(locked: &Locked) -> u64 {
    locked.failed.len() as u64 + locked.left
}

fn describe_locked(locked: &Locked) -> String {
    let until = locked
        .until
        .map(|until| format!(", until {until} at least"));
    format!("{} objects{}", locked.objects, until.unwrap_or_default())
}

fn describe_left(locked: &Locked) -> String {
    let all = locked.objects + count_unlocked(locked);
    format!("{} of {all} objects are not locked", count_unlocked(locked))
}

/// Shows what is locked of what snapshots reach that were just committed to a store, and what is not.
pub(super) fn show_locked(
    roots: &[&Root],
    locked: &Result<Locked, JobError>,
    store: &str,
    view: &View,
) -> Outcome {
    let names: Vec<String> = roots.iter().map(|root| snapshot_name(root)).collect();
    let (what, why) = match locked {
        Ok(locked) if locked.is_whole() => {
            tracing::info!(
                "{}: locked in {store}: {}",
                names.join(", "),
                describe_locked(locked)
            );
            return Outcome::Done;
        }
        Ok(locked) => {
            let first = locked.failed.first();
            let why = first
                .map(|(_, error)| join_causes(error))
                .unwrap_or_default();
            (describe_left(locked), why)
        }
        Err(error) => (
            "what is needed is not locked".to_owned(),
            join_causes(error),
        ),
    };
    let committed = names.join(", ");
    view.warn(&format!(
        "{committed}: committed to `{store}`, but {what}: {why}"
    ));
    view.show_hints(&[format!(
        "Let the credentials lock (docs/s3.md), and then: holdfast lock {} --store {store}",
        names.join(" ")
    )]);
    Outcome::Warnings
}
