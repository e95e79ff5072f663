//! `copy`.

use crate::args::Copy;
use crate::exit::Outcome;
use crate::progress::{Moment, watch};
use crate::view::View;
use holdfast_base::progress::Progress;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::copy::Plan;
use holdfast_jobs::open::{Context, Credentials};
use holdfast_repository::copy::Copied;
use holdfast_repository::format::root::Root;
use std::sync::Arc;

pub(crate) fn run(context: &Context, copy: &Copy, view: &View) -> Result<Outcome, JobError> {
    let credentials = super::credentials(context, &copy.unlock)?;
    let from = (copy.from.as_str(), &credentials);
    let mut plan = Plan::make(context, from, &copy.to, &copy.snapshots)?;
    if plan.there > 0 {
        view.say(&format!("{} snapshots are there already", plan.there));
    }
    if plan.unwanted > 0 {
        view.say(&format!(
            "{} more are not copied: no rule of their job keeps them in `{}` (copy-to); those that are named are",
            plan.unwanted, copy.to
        ));
    }
    let mut copied = Vec::new();
    for root in std::mem::take(&mut plan.missing) {
        if copy.dry_run {
            let json = serde_json::json!({"job": root.job, "from": root.snapshot, "to": copy.to});
            view.answer(&json, |view| {
                view.say(&format!("{} would be copied", name(&root)))
            });
        } else {
            copied.push(one(context, &mut plan, (&root, &copy.to), view)?.root);
        }
    }
    let copied: Vec<&Root> = copied.iter().collect();
    let locked = context.lock_committed(&copy.to, &Credentials::default(), &copied);
    Ok(locked.map_or(Outcome::Done, |locked| {
        super::lock::tell(&copied, &locked, &copy.to, view)
    }))
}

fn one(
    context: &Context,
    plan: &mut Plan,
    (root, to): (&Root, &str),
    view: &View,
) -> Result<Copied, JobError> {
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    let watching = watch(view, &name(root), move || moment(&seen));
    let copied = plan.copy(context, root, &progress)?;
    drop(watching);
    tell(&copied, to, view);
    Ok(copied)
}

/// Says how far copies are.
pub(super) fn moment(progress: &Progress) -> Moment {
    let done = progress.done();
    let total = progress.total();
    let words = format!("{} of {} copied", ByteSize(done), ByteSize(total));
    Moment { done, total, words }
}

/// Says what was copied.
pub(super) fn tell(copied: &Copied, to: &str, view: &View) {
    let (root, from) = (&copied.root, copied.from);
    let json = serde_json::json!({
        "job": root.job, "from": from, "to": to, "snapshot": root.snapshot,
        "packs": copied.packs, "bytes": copied.bytes,
    });
    view.answer(&json, |view| {
        let bytes = ByteSize(copied.bytes);
        let how = match copied.packs {
            0 => format!("{bytes} stored"),
            packs => format!("{packs} packs, {bytes}"),
        };
        let (job, from, id) = (&root.job, from.short(), root.snapshot.short());
        view.say(&format!("{job}@{from} copied to {to} as {id}: {how}"));
    });
}

fn name(root: &Root) -> String {
    format!("{}@{}", root.job, root.snapshot.short())
}
