//! Claims on a job or a repository: files that one process of this machine holds, and no second one meanwhile.
//!
//! A claim ends with the process at the latest, so that none is left behind by a crash.

use crate::context::Context;
use crate::error::JobError;
use crate::error::run::RunError;
use crate::files::FileError;
use holdfast_repository::Repository;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};

/// Claims a job, so that no second run of it begins.
pub(crate) fn claim_job(context: &Context, job: &str) -> Result<File, JobError> {
    claim_file(
        context,
        job,
        RunError::Busy {
            job: job.to_owned(),
        },
    )
}

/// Claims the copies of a job: its runs need not wait for them.
pub(crate) fn claim_copies(context: &Context, job: &str) -> Result<File, JobError> {
    let busy = RunError::BusyCopying {
        job: job.to_owned(),
    };
    claim_file(context, &format!("{job}.copies"), busy)
}

fn claim_file(context: &Context, name: &str, busy: RunError) -> Result<File, JobError> {
    let path = context.places.state.join(format!("{name}.lock"));
    let open = || {
        std::fs::create_dir_all(&context.places.state)?;
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
    };
    let file = open().map_err(FileError::about("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(busy.into()),
        Err(error) => Err(FileError::about("lock", &path)(error.into()).into()),
    }
}

/// Claims a repository for a collection. That only saves work: several collections at once do no harm, so one
/// goes on if no file can be made here.
pub(crate) fn claim_collection(
    context: &Context,
    repository: &Repository,
) -> Result<Option<File>, JobError> {
    let name = format!("gc-{}.lock", repository.header().repository);
    let path = context.places.state.join(name);
    let opened = std::fs::create_dir_all(&context.places.state).and_then(|()| File::create(&path));
    let Ok(file) = opened else {
        return Ok(None);
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(_) => {
            let place = repository.place();
            Err(RunError::BusyCollecting { place }.into())
        }
    }
}
