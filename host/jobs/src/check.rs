//! Checks a repository for damage.

use crate::context::Context;
use crate::error::JobError;
use crate::open::Access;
use holdfast_base::progress::Progress;
use holdfast_repository::check::{self, Depth, Report};

/// Checks a store's repository. Damage is no error: it is in the report.
///
/// # Errors
/// The repository cannot be opened, or the store failed.
pub fn check_repository(
    context: &Context,
    access: &Access,
    depth: Depth,
    progress: &Progress,
) -> Result<Report, JobError> {
    let repository = access.open(context)?;
    Ok(check::check_repository(
        &repository,
        depth,
        &context.cancel,
        progress,
    )?)
}
