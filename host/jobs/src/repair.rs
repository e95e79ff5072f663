//! Repairs a damaged repository, from its parity and from a second store.

use crate::context::Context;
use crate::error::JobError;
use crate::open::Access;
use holdfast_base::progress::Progress;
use holdfast_repository::check::Depth;
use holdfast_repository::repair::{self, Options, Repaired, Second};

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
    let repository = access.open(context)?;
    let second = match options.from {
        Some(from) => Some(Second::new(&repository, from.open(context)?)?),
        None => None,
    };
    let options = Options {
        depth: options.depth,
        second: second.as_ref(),
        parity: context.config.store(&access.store)?.shape(),
        is_dry: options.is_dry,
    };
    Ok(repair::repair(
        &repository,
        options,
        &context.cancel,
        progress,
    )?)
}
