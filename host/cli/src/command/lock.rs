//! `lock`, and what runs say of what they locked.

use crate::args::Lock;
use crate::exit::Outcome;
use crate::progress::{Moment, Watch, watch};
use crate::view::View;
use holdfast_base::error::Describe;
use holdfast_base::error::join_causes;
use holdfast_base::progress::Progress;
use holdfast_base::size::ByteSize;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_jobs::JobError;
use holdfast_jobs::lock::{LockPlan, Span};
use holdfast_jobs::open::Context;
use holdfast_jobs::retention::calendar;
use holdfast_repository::format::root::Root;
use holdfast_repository::object_lock::Locked;
use std::sync::Arc;

/// Failures that are told one by one: they mostly have the same reason.
const FAILURES_SHOWN: usize = 3;
/// A size that stays for a day, in bytes times seconds.
const GIB_DAY: f64 = (1_u64 << 30) as f64 * 86_400.0;

pub(crate) fn run(context: &Context, lock: &Lock, view: &View) -> Result<Outcome, JobError> {
    let span = span(context, lock)?;
    let snapshot = lock.snapshots.first().map(String::as_str);
    let store = super::store(context, &lock.keys, snapshot)?;
    let credentials = super::credentials(context, &lock.keys.unlock)?;
    let repository = context.open(store, &credentials)?;
    let (watching, progress) = watched(view, "looked at");
    let plan = context.plan_lock((store, &repository), &lock.snapshots, &span, &progress)?;
    drop(watching);
    tell_cost(&plan, lock.dry_run, view);
    let unread = super::snapshots::unread(&plan.unread, view);
    if lock.dry_run {
        view.answer(&json(&plan, None), |_| ());
        return Ok(unread);
    }
    let (watching, progress) = watched(view, "locked");
    let locked = plan.carry_out(context, &progress)?;
    drop(watching);
    view.answer(&json(&plan, Some(&locked)), |view| {
        view.say(&format!("locked: {}", words(&locked)));
    });
    for (_, error) in locked.failed.iter().take(FAILURES_SHOWN) {
        view.complain(&join_causes(error));
    }
    Ok(match locked.failed.first() {
        Some((_, error)) => {
            view.complain(&left(&locked));
            Outcome::Failed(error.kind())
        }
        None => unread,
    })
}

fn span(context: &Context, lock: &Lock) -> Result<Span, JobError> {
    let Some(text) = &lock.until else {
        return Ok(lock.time.clone().map_or(Span::Usual, Span::For));
    };
    let zone = context.config.time_zone()?;
    let until = calendar::end_of(text, &zone).filter(|until| *until > SystemClock.now());
    until.map(Span::Until).ok_or_else(|| {
        let message = format!("nothing can be locked until `{text}`");
        let hint = "Give a day to come, such as 2030-12-31, or a time such as 2030-12-31T12:00:00Z";
        JobError::usage(message, Some(hint))
    })
}

/// Shows how many objects the store has answered for.
pub(super) fn watched(view: &View, what: &'static str) -> (Watch, Arc<Progress>) {
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    let watching = watch(view, "lock", move || {
        let done = seen.done();
        let total = seen.total();
        let words = format!("{done} of {total} objects {what}");
        Moment { done, total, words }
    });
    (watching, progress)
}

fn tell_cost(plan: &LockPlan, dry_run: bool, view: &View) {
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

fn json(plan: &LockPlan, locked: Option<&Locked>) -> serde_json::Value {
    let cost = &plan.cost;
    let locked = locked.map(|locked| {
        serde_json::json!({
            "objects": locked.objects, "bytes": locked.bytes, "not-locked": not_locked(locked),
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

fn not_locked(locked: &Locked) -> u64 {
    locked.failed.len() as u64 + locked.left
}

fn words(locked: &Locked) -> String {
    let until = locked
        .until
        .map(|until| format!(", until {until} at least"));
    format!("{} objects{}", locked.objects, until.unwrap_or_default())
}

fn left(locked: &Locked) -> String {
    let all = locked.objects + not_locked(locked);
    format!("{} of {all} objects are not locked", not_locked(locked))
}

/// Says what is locked of what snapshots reach that were just committed to a store, and what is not.
pub(super) fn tell(
    roots: &[&Root],
    locked: &Result<Locked, JobError>,
    store: &str,
    view: &View,
) -> Outcome {
    let names = roots.iter();
    let names = names.map(|root| format!("{}@{}", root.job, root.snapshot.short()));
    let names: Vec<String> = names.collect();
    let (what, why) = match locked {
        Ok(locked) if locked.is_whole() => {
            tracing::info!("{}: locked in {store}: {}", names.join(", "), words(locked));
            return Outcome::Done;
        }
        Ok(locked) => {
            let first = locked.failed.first();
            let why = first
                .map(|(_, error)| join_causes(error))
                .unwrap_or_default();
            (left(locked), why)
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
    view.hints(&[format!(
        "Let the credentials lock (docs/s3.md), and then: holdfast lock {} --store {store}",
        names.join(" ")
    )]);
    Outcome::Warnings
}
