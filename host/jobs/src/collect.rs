//! Collects what no snapshot needs.

use crate::claim::claim_collection;
use crate::context::Context;
use crate::error::JobError;
use crate::open::Access;
use holdfast_repository::collect::{self, CollectProgress, Options, Report};

/// Collects what no snapshot of a store needs.
///
/// # Errors
/// The repository cannot be opened, another collection is going on here, or the store failed.
pub fn collect_store(
    context: &Context,
    access: &Access,
    options: &Options,
    progress: &CollectProgress,
) -> Result<Report, JobError> {
    let repository = access.open(context)?;
    let _claim = claim_collection(context, &repository)?;
    let cancel = &context.cancel;
    Ok(collect::collect(&repository, options, cancel, progress)?)
}
