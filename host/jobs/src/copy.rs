//! Copies snapshots from store to store: on request, and after a run to the stores that its job names.
//!
//! Snapshots that the rules of the other store would forget at once are skipped, unless they are named.

mod kept;
/// A job's other stores, which its snapshots are copied to.
pub mod tiers;

use crate::context::Context;
use crate::error::JobError;
use crate::error::access::AccessError;
use crate::keys::Credentials;
use crate::open::{Access, open_repository, require_reading};
use crate::select::find_snapshots;
use holdfast_base::error::join_causes;
use holdfast_base::progress::Progress;
use holdfast_repository::Repository;
use holdfast_repository::copy::{Copied, Copier};
use holdfast_repository::format::root::Root;
use std::sync::Arc;

/// Snapshots that are to be copied, and the way that they go.
pub struct CopyPlan {
    copier: Copier,
    /// Those that are not there yet, oldest first.
    pub missing: Vec<Root>,
    /// How many are there already.
    pub present: u64,
    /// How many are skipped since no rule would keep them there.
    pub unwanted: u64,
}

/// A store and its repository, opened.
struct OpenStore<'a> {
    name: &'a str,
    repository: Arc<Repository>,
}

/// Finds what is to be copied from one store to another: the snapshots that are named, or all that the other
/// store would keep.
///
/// # Errors
/// A store cannot be opened, a snapshot is not there, or the key reads too little.
pub fn plan_copy(
    context: &Context,
    from: &Access,
    to: &str,
    wanted: &[String],
) -> Result<CopyPlan, JobError> {
    let source = OpenStore {
        name: &from.store,
        repository: from.open(context)?,
    };
    let target = OpenStore::open(context, to)?;
    let roots = find_snapshots(&source.repository, wanted)?;
    let mut plan = CopyPlan::between(context, source, &target, roots)?;
    if wanted.is_empty() {
        plan.skip_unwanted(context, &target);
    }
    Ok(plan)
}

impl<'a> OpenStore<'a> {
    /// Opens a store with the key that runs use.
    fn open(context: &Context, name: &'a str) -> Result<Self, JobError> {
        Ok(Self {
            name,
            repository: open_repository(context, name, &Credentials::default())?,
        })
    }
}

impl CopyPlan {
    /// Finds the snapshots of this machine that one of a job's other stores lacks.
    pub(crate) fn for_tier(context: &Context, job: &str, to: &str) -> Result<Self, JobError> {
        let source = OpenStore::open(context, context.config.store_of(job)?)?;
        let target = OpenStore::open(context, to)?;
        let host = source.repository.host_or(&context.places.host);
        let (mut roots, failures) = source.repository.snapshots()?;
        for failure in failures {
            let error = join_causes(&failure);
            tracing::warn!(error, "a snapshot cannot be read, and is not copied");
        }
        roots.retain(|root| root.job == job && root.host == host && root.made_by() == host);
        let mut plan = Self::between(context, source, &target, roots)?;
        plan.skip_unwanted(context, &target);
        Ok(plan)
    }

    fn between(
        context: &Context,
        source: OpenStore<'_>,
        target: &OpenStore<'_>,
        roots: Vec<Root>,
    ) -> Result<Self, JobError> {
        let may_read = require_reading(&source.repository).is_ok();
        let to = Arc::clone(&target.repository);
        let copier = Copier::new(source.repository, to, &context.places.host)?;
        if !copier.goes_as_it_is() && !may_read {
            return Err(AccessError::DifferentKeys {
                from: source.name.to_owned(),
                to: target.name.to_owned(),
            }
            .into());
        }
        let (present, missing): (Vec<_>, _) =
            roots.into_iter().partition(|root| copier.is_there(root));
        Ok(Self {
            copier,
            missing,
            present: present.len() as u64,
            unwanted: 0,
        })
    }

    /// Skips what no rule would keep in the other store. If that is not clear, all of it goes there.
    fn skip_unwanted(&mut self, context: &Context, target: &OpenStore<'_>) {
        let missing = std::mem::take(&mut self.missing);
        let all = missing.len();
        self.missing = kept::filter_kept(context, target.name, &target.repository, missing);
        self.unwanted = (all - self.missing.len()) as u64;
    }

    /// Copies one snapshot.
    ///
    /// # Errors
    /// Nothing was committed.
    pub fn copy_snapshot(
        &mut self,
        context: &Context,
        root: &Root,
        progress: &Progress,
    ) -> Result<Copied, JobError> {
        Ok(self.copier.copy(root, &context.cancel, progress)?)
    }
}
