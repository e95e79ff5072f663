//! `copy`.

use crate::args::Copy;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::progress::{Moment, watch_work};
use crate::view::View;
use crate::view::snapshot_name;
use holdfast_base::progress::Progress;
use holdfast_base::size::ByteSize;
use holdfast_jobs::context::Context;
use holdfast_jobs::copy::{CopyPlan, plan_copy};
use holdfast_jobs::keys::Credentials;
use holdfast_jobs::lock::lock_committed;
use holdfast_jobs::model::{Copied, Root};
use holdfast_jobs::open::Access;
use std::sync::Arc;

pub(super) fn copy_snapshots(
    context: &Context,
    copy: &Copy,
    view: &View,
) -> Result<Outcome, Failure> {
    let from = Access {
        store: copy.from.clone(),
        credentials: super::gather_credentials(context, &copy.unlock)?,
    };
    let mut plan = plan_copy(context, &from, &copy.to, &copy.snapshots)?;
    if plan.present > 0 {
        view.say(&format!("{} snapshots are there already", plan.present));
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
                view.say(&format!("{} would be copied", snapshot_name(&root)))
            });
        } else {
            let done = copy_watched(context, &mut plan, &root, view)?;
            show_copied(&done, &copy.to, view);
            copied.push(done.root);
        }
    }
    let copied: Vec<&Root> = copied.iter().collect();
    let locked = lock_committed(context, &copy.to, &Credentials::default(), &copied);
    Ok(locked.map_or(Outcome::Done, |locked| {
        super::lock::show_locked(&copied, &locked, &copy.to, view)
    }))
}

fn copy_watched(
    context: &Context,
    plan: &mut CopyPlan,
    root: &Root,
    view: &View,
) -> Result<Copied, Failure> {
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    let _watch = watch_work(view, &snapshot_name(root), move || copy_moment(&seen));
    Ok(plan.copy_snapshot(context, root, &progress)?)
}

/// Returns how far copies are.
pub(super) fn copy_moment(progress: &Progress) -> Moment {
    let done = progress.done();
    let total = progress.total();
    let words = format!("{} of {} copied", ByteSize(done), ByteSize(total));
    Moment { done, total, words }
}

/// Shows what was copied.
pub(super) fn show_copied(copied: &Copied, to: &str, view: &View) {
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
