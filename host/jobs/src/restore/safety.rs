//! Safety backups: what is there is saved before a restore replaces it.
//!
//! A safety backup is a snapshot of the same job with a tag of its own, and a lifetime of its own. It is what
//! somebody wants who restored the wrong thing; it is never what is meant by the job's newest snapshot, since
//! it may hold exactly what was broken.

use crate::context::Context;
use crate::error::JobError;
use crate::error::run::RunError;
use crate::history::{PastRun, record_run};
use crate::keys::Credentials;
use crate::lock::lock_committed;
use crate::open::find_key_file;
use crate::retention::rules::SAFETY_TAG;
use crate::snapshot::{RunOptions, make_snapshot};
use holdfast_repository::format::root::Root;

/// Saves what a restore is about to replace; nothing if nothing is there.
///
/// The job must be claimed, and stay so until it is restored. `given` is what the restore opens its repository
/// with: on a new machine, the job's own key file is not there yet.
///
/// # Errors
/// It cannot be saved: then nothing shall be restored.
pub(crate) fn make_safety_backup(
    context: &Context,
    job: &str,
    given: &Credentials,
) -> Result<Option<Root>, JobError> {
    let started = context.clock.now();
    let root = match save_snapshot(context, job, given) {
        Ok(root) => root,
        Err(JobError::Run(RunError::Empty)) => return Ok(None),
        Err(source) => {
            return Err(JobError::SafetyBackup {
                job: job.to_owned(),
                source: Box::new(source),
            });
        }
    };
    // Under a word of its own: it says nothing of whether the job's backups go well.
    let run = PastRun {
        job: job.to_owned(),
        action: "save".to_owned(),
        started,
        finished: context.clock.now(),
        outcome: "done".to_owned(),
        snapshot: Some(root.snapshot.to_string()),
        error: None,
    };
    record_run(&context.places, &run);
    Ok(Some(root))
}

fn save_snapshot(context: &Context, job: &str, given: &Credentials) -> Result<Root, JobError> {
    let store = context.config.store_of(job)?;
    let ours = Credentials::default();
    let has_key = find_key_file(context, store)?.exists();
    let options = RunOptions {
        tags: vec![SAFETY_TAG.to_owned()],
        ..RunOptions::default()
    };
    let credentials = if has_key { &ours } else { given };
    let root = make_snapshot(context, job, &options, credentials)?;
    match lock_committed(context, store, credentials, &[&root]) {
        Some(Ok(locked)) if !locked.is_whole() => {
            tracing::warn!("what is saved before the restore is not locked");
        }
        Some(Err(error)) => {
            tracing::warn!(%error, "what is saved before the restore is not locked");
        }
        _ => {}
    }
    Ok(root)
}
