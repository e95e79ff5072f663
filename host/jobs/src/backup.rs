//! Runs a job: a snapshot, copies of it in the job's other stores, and retention in all of them.
//!
//! Whatever comes after the commit cannot undo it: it is in the answer, and in the exit code.

use crate::claim::claim_job;
use crate::context::Context;
use crate::copy::tiers::{Tier, fill_tiers};
use crate::error::JobError;
use crate::error::run::RunError;
use crate::forget::{JobRetention, forget_after_run};
use crate::history::{PastRun, record_run};
use crate::keys::Credentials;
use crate::lock::lock_committed;
use crate::plugins::PluginError;
use crate::snapshot::make_snapshot;
use holdfast_base::cancel::Reason;
use holdfast_base::error::join_causes;
use holdfast_repository::format::root::Root;
use holdfast_repository::object_lock::Locked;
use holdfast_repository::{ObjectError, RepositoryError, StoredError};

pub use crate::snapshot::RunOptions;

/// What a run came to.
#[derive(Debug)]
pub struct FinishedRun {
    /// The snapshot that it committed.
    pub root: Root,
    /// What was locked of it, if the store's table says so.
    pub locked: Option<Result<Locked, JobError>>,
    /// What was copied to the job's other stores.
    pub tiers: Vec<Tier>,
    /// What was forgotten after it, if the job says what is kept.
    pub retained: Option<Result<JobRetention, JobError>>,
}

/// Runs a job. Once the new snapshot is committed, it is copied to the job's other stores, and what no rule
/// keeps any more is forgotten in all of them.
///
/// # Errors
/// Nothing was committed, or the store does not say whether it was: then nothing is forgotten either.
pub fn run_job(
    context: &Context,
    job: &str,
    options: &RunOptions,
) -> Result<FinishedRun, JobError> {
    let root = back_up(context, job, options)?;
    let own = context.config.store_of(job);
    let ours = Credentials::default();
    let locked = own.as_ref().ok();
    let locked = locked.and_then(|store| lock_committed(context, store, &ours, &[&root]));
    let tiers = fill_tiers(context, job, &options.copying);
    // What is forgotten here could no longer be copied.
    let is_copied = tiers.iter().all(|tier| tier.failure.is_none());
    let retained = match own {
        Ok(store) if is_copied => forget_after_run(context, job, store),
        Ok(_) => None,
        Err(error) => Some(Err(error.into())),
    };
    Ok(FinishedRun {
        root,
        locked,
        tiers,
        retained,
    })
}

/// Makes a backup, and nothing else of the same job meanwhile.
fn back_up(context: &Context, job: &str, options: &RunOptions) -> Result<Root, JobError> {
    let started = context.clock.now();
    context.config.job(job)?;
    let _claim = claim_job(context, job)?;
    // What ends this run ends no other.
    let alone = Context {
        cancel: context.cancel.child(),
        ..context.clone()
    };
    let result = make_snapshot(&alone, job, options, &Credentials::default())
        .map_err(|error| blame_timeout(&alone, job, error));
    let outcome = match &result {
        Ok(root) if root.counts.warnings > 0 => "warnings",
        Ok(_) => "done",
        Err(_) => "failed",
    };
    let run = PastRun {
        job: job.to_owned(),
        action: "backup".to_owned(),
        started,
        finished: context.clock.now(),
        outcome: outcome.to_owned(),
        snapshot: result.as_ref().ok().map(|root| root.snapshot.to_string()),
        error: result.as_ref().err().map(|error| join_causes(error)),
    };
    record_run(&context.places, &run);
    result.map_err(|error| name_backup(job, error))
}

/// Names the backup that failed, unless nothing was begun or it may be committed.
fn name_backup(job: &str, error: JobError) -> JobError {
    match error {
        // What is wrong with the configuration is no failed backup.
        JobError::Config(_)
        | JobError::Keep(_)
        | JobError::Plugin(PluginError::WrongKind { .. })
        | JobError::Plugin(PluginError::InvalidList { .. })
        | JobError::Run(RunError::InvalidTag { .. }) => error,
        // Nobody may say that nothing was committed when the store does not say so.
        JobError::Repository(RepositoryError::Stored(StoredError::Object(
            ObjectError::Unanswered { .. },
        ))) => error,
        other => JobError::Backup {
            job: job.to_owned(),
            source: Box::new(other),
        },
    }
}

/// Reports a timeout as the cause if the run failed because of one.
fn blame_timeout(context: &Context, job: &str, error: JobError) -> JobError {
    let config = context.config.job(job).ok();
    let timeout = config.and_then(|job| job.timeout_minutes.as_ref());
    match (context.cancel.reason(), timeout) {
        (Some(Reason::Deadline), Some(timeout)) => {
            let place = context.config.place(timeout.span());
            RunError::Timeout { place }.into()
        }
        _ => error,
    }
}
