//! A job's other stores: after a run, what is missing there is copied, and what is not kept there is forgotten.
//!
//! - The backup is committed before any of it begins: nothing here can undo it.
//! - A store that cannot be reached gets what it lacks after the next run, if its rules still keep that.
//! - Nothing is forgotten in a store that did not get what it should have.
//! - Runs of a job do not wait for its copies: while a large one travels, the next backup can be made.

use super::CopyPlan;
use crate::claim::claim_copies;
use crate::context::Context;
use crate::error::JobError;
use crate::forget::{JobRetention, forget_after_run};
use crate::history::{PastRun, record_run};
use crate::keys::Credentials;
use crate::lock::lock_committed;
use holdfast_base::error::join_causes;
use holdfast_base::progress::Progress;
use holdfast_repository::copy::Copied;
use holdfast_repository::format::root::Root;
use holdfast_repository::object_lock::Locked;

/// What became of a job's snapshots in another of its stores.
#[derive(Debug)]
pub struct Tier {
    /// The store.
    pub store: String,
    /// What came there.
    pub copied: Vec<Copied>,
    /// What was locked of it, if the store's table says so.
    pub locked: Option<Result<Locked, JobError>>,
    /// Why not all came that should have.
    pub failure: Option<JobError>,
    /// What was forgotten there, if the job says what is kept.
    pub retained: Option<Result<JobRetention, JobError>>,
}

/// Copies what a job's other stores lack, and forgets what is not kept there.
pub(crate) fn fill_tiers(context: &Context, job: &str, progress: &Progress) -> Vec<Tier> {
    let stores = match context.config.stores_of(job) {
        Ok(stores) => stores,
        Err(error) => {
            tracing::error!(%error, "no other stores are known");
            return Vec::new();
        }
    };
    let others = stores.into_iter().skip(1);
    others
        .map(|to| fill_tier(context, job, to, progress))
        .collect()
}

fn fill_tier(context: &Context, job: &str, to: &str, progress: &Progress) -> Tier {
    let started = context.clock.now();
    let mut copied = Vec::new();
    let failure = copy_missing(context, job, to, progress, &mut copied).err();
    let run = PastRun {
        job: job.to_owned(),
        action: "copy".to_owned(),
        started,
        finished: context.clock.now(),
        outcome: if failure.is_none() { "done" } else { "failed" }.to_owned(),
        snapshot: copied.last().map(|one| one.root.snapshot.to_string()),
        error: failure.as_ref().map(|error| join_causes(error)),
    };
    record_run(&context.places, &run);
    let roots: Vec<&Root> = copied.iter().map(|one| &one.root).collect();
    let locked = lock_committed(context, to, &Credentials::default(), &roots);
    let retained = failure
        .is_none()
        .then(|| forget_after_run(context, job, to));
    Tier {
        store: to.to_owned(),
        copied,
        locked,
        failure,
        retained: retained.flatten(),
    }
}

/// Copies until nothing is missing: other runs may have made more meanwhile, and left it to this one.
fn copy_missing(
    context: &Context,
    job: &str,
    to: &str,
    progress: &Progress,
    copied: &mut Vec<Copied>,
) -> Result<(), JobError> {
    let _claim = claim_copies(context, job)?;
    loop {
        let mut plan = CopyPlan::for_tier(context, job, to)?;
        let mut missing = std::mem::take(&mut plan.missing);
        // A listing that lags behind does not show what came a moment ago.
        missing.retain(|root| copied.iter().all(|one| one.from != root.snapshot));
        if missing.is_empty() {
            return Ok(());
        }
        for root in missing {
            copied.push(plan.copy_snapshot(context, &root, progress)?);
        }
    }
}
