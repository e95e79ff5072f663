//! Collects what nobody needs.

use crate::error::JobError;
use crate::open::Context;
use holdfast_repository::Repository;
use holdfast_repository::collect::{self, CollectProgress, Options, Report};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::sync::Arc;

/// Held while a repository is collected on this machine. It saves work: several collections at once
/// do no harm.
pub struct Busy {
    _lock: Option<File>,
}

impl Busy {
    /// Makes sure that nobody on this machine collects the same repository.
    ///
    /// # Errors
    /// Somebody does.
    pub fn take(context: &Context, repository: &Repository) -> Result<Self, JobError> {
        let name = format!("gc-{}.lock", repository.header().repository);
        let path = context.places.state.join(name);
        let opened =
            std::fs::create_dir_all(&context.places.state).and_then(|()| File::create(&path));
        let Ok(file) = opened else {
            return Ok(Self { _lock: None });
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _lock: Some(file) }),
            Err(_) => Err(JobError::Collecting {
                place: repository.place(),
            }),
        }
    }
}

/// Collects what nobody needs.
///
/// # Errors
/// As for [`collect::collect`].
pub fn collect(
    context: &Context,
    repository: &Arc<Repository>,
    options: &Options,
    progress: &CollectProgress,
) -> Result<Report, JobError> {
    Ok(collect::collect(
        repository,
        options,
        &context.cancel,
        progress,
    )?)
}
