//! `copy`.

use crate::args::Copy;
use crate::exit::Outcome;
use crate::progress::{Moment, watch};
use crate::view::View;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::copy::Plan;
use holdfast_jobs::open::Context;
use holdfast_repository::copy::Progress;
use holdfast_repository::format::root::Root;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) fn run(context: &Context, copy: &Copy, view: &View) -> Result<Outcome, JobError> {
    let credentials = super::credentials(context, &copy.unlock)?;
    let from = (copy.from.as_str(), &credentials);
    let mut plan = Plan::make(context, from, &copy.to, &copy.snapshots)?;
    if plan.there > 0 {
        view.say(&format!("{} snapshots are there already", plan.there));
    }
    for root in std::mem::take(&mut plan.missing) {
        if copy.dry_run {
            let json = serde_json::json!({"job": root.job, "from": root.snapshot});
            view.answer(&json, |view| {
                view.say(&format!("{} would be copied", name(&root)))
            });
        } else {
            one(context, &mut plan, &root, view)?;
        }
    }
    Ok(Outcome::Done)
}

fn one(context: &Context, plan: &mut Plan, root: &Root, view: &View) -> Result<(), JobError> {
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    let watching = watch(view, &name(root), move || {
        let (done, total) = (&seen.done, &seen.total);
        let (done, total) = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
        let words = format!("{} of {} copied", ByteSize(done), ByteSize(total));
        Moment { done, total, words }
    });
    let copied = plan.copy(context, root, &progress)?;
    drop(watching);
    let json = serde_json::json!({
        "job": root.job, "from": copied.from, "snapshot": copied.root.snapshot,
        "packs": copied.packs, "bytes": copied.bytes,
    });
    view.answer(&json, |view| {
        let how = if plan.goes_as_it_is() {
            format!("{} packs, {}", copied.packs, ByteSize(copied.bytes))
        } else {
            format!("{} stored", ByteSize(copied.bytes))
        };
        view.say(&format!(
            "{} copied as {}: {how}",
            name(root),
            copied.root.snapshot.short()
        ));
    });
    Ok(())
}

fn name(root: &Root) -> String {
    format!("{}@{}", root.job, root.snapshot.short())
}
