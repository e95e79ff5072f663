//! Safety backups: what is there is saved before a restore replaces it.
//!
//! A safety backup is a snapshot of the same job with a tag of its own, and a lifetime of its own. It is what
//! somebody wants who restored the wrong thing; it is never what is meant by the job's newest snapshot, since
//! it may hold exactly what was broken.

use crate::backup::RunOptions;
use crate::error::JobError;
use crate::history::{self, Run};
use crate::open::{Context, Credentials};
use crate::retention::rules::SAFETY_TAG;
use crate::wire::Deaf;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_repository::format::root::Root;
use std::sync::Arc;

/// Returns whether a snapshot was made before a restore.
#[must_use]
pub fn is_safety(root: &Root) -> bool {
    root.tags.iter().any(|tag| tag == SAFETY_TAG)
}

/// Saves what a restore is about to replace; nothing, where nothing is there.
///
/// The job must be locked, and stay so until it is restored. `given` is what the restore opens its repository
/// with: on a new machine, the job's own key file is not there yet.
///
/// # Errors
/// It cannot be saved: then nothing shall be restored.
pub(crate) fn save(
    context: &Context,
    job: &str,
    given: &Credentials,
) -> Result<Option<Root>, JobError> {
    let started = SystemClock.now();
    let save = || {
        let store = context.config.store_of(job)?;
        let ours = Credentials::default();
        let has_key = context.key_file(store)?.exists();
        let options = RunOptions {
            tags: vec![SAFETY_TAG.to_owned()],
            gauge: Arc::default(),
            copying: Arc::default(),
            listener: Arc::new(Deaf),
        };
        let credentials = if has_key { &ours } else { given };
        let root = context.backup(job, &options, credentials)?;
        match context.lock_committed(store, credentials, &[&root]) {
            Some(Ok(locked)) if !locked.is_whole() => {
                tracing::warn!("what is saved before the restore is not locked");
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "what is saved before the restore is not locked");
            }
            _ => {}
        }
        Ok(root)
    };
    let root = match save() {
        Ok(root) => root,
        Err(JobError::Empty) => return Ok(None),
        Err(source) => {
            return Err(JobError::NotSaved {
                job: job.to_owned(),
                source: Box::new(source),
            });
        }
    };
    // Under a word of its own: it says nothing of whether the job's backups go well.
    history::add(
        &context.places,
        &Run {
            job: job.to_owned(),
            action: "save".to_owned(),
            started,
            finished: SystemClock.now(),
            outcome: "done".to_owned(),
            snapshot: Some(root.snapshot.to_string()),
            error: None,
        },
    );
    Ok(Some(root))
}
