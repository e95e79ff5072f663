//! Keeps a repository sound and small: checks it for damage, repairs it, and collects what nobody needs.

use crate::claim::claim_collection;
use crate::context::Context;
use crate::error::JobError;
use crate::open::Access;
use holdfast_base::progress::Progress;
use holdfast_repository::check::{self, Depth};
use holdfast_repository::collect::{self, CollectProgress};
use holdfast_repository::repair::{self, Repaired, Second};

/// Checks a store's repository. Damage is no error: it is in the report.
///
/// # Errors
/// The repository cannot be opened, or the store failed.
pub fn check_repository(
    context: &Context,
    access: &Access,
    depth: Depth,
    progress: &Progress,
) -> Result<check::Report, JobError> {
    let (repository, cancel) = (access.open(context)?, &context.cancel);
    let checked = check::check_repository(&repository, depth, cancel, progress);
    Ok(checked?)
}

/// How a repository is repaired.
#[derive(Debug)]
pub struct RepairOptions<'a> {
    /// How much is read to find damage.
    pub depth: Depth,
    /// A store of the same trust group to heal from.
    pub from: Option<&'a Access>,
    /// Change nothing.
    pub is_dry: bool,
}

/// Repairs a store's repository as far as that is possible. What stays damaged is in the answer.
///
/// # Errors
/// A repository cannot be opened, or a store failed.
pub fn repair_repository(
    context: &Context,
    access: &Access,
    options: &RepairOptions<'_>,
    progress: &Progress,
) -> Result<Repaired, JobError> {
    let (repository, cancel) = (access.open(context)?, &context.cancel);
    let second = match options.from {
        Some(from) => Some(Second::new(&repository, from.open(context)?)?),
        None => None,
    };
    let options = repair::Options {
        depth: options.depth,
        second: second.as_ref(),
        parity: context.config.store(&access.store)?.shape(),
        is_dry: options.is_dry,
    };
    Ok(repair::repair(&repository, options, cancel, progress)?)
}

/// Collects what no snapshot of a store needs.
///
/// # Errors
/// The repository cannot be opened, another collection is going on here, or the store failed.
pub fn collect_store(
    context: &Context,
    access: &Access,
    options: &collect::Options,
    progress: &CollectProgress,
) -> Result<collect::Report, JobError> {
    let repository = access.open(context)?;
    let _claim = claim_collection(context, &repository)?;
    let cancel = &context.cancel;
    Ok(collect::collect(&repository, options, cancel, progress)?)
}
