//! Copies snapshots from store to store: when somebody says so, and after a run to where its job says.
//!
//! What the rules of the other store would forget at once is not brought there, unless it is named.

mod kept;
/// A job's other stores, which its snapshots are copied to.
pub mod tiers;

use crate::error::JobError;
use crate::open::{Context, Credentials};
use crate::select;
use holdfast_base::error::join_causes;
use holdfast_base::progress::Progress;
use holdfast_repository::Repository;
use holdfast_repository::copy::{Copied, Copier};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Snapshots that are to be copied, and the way that they go.
pub struct Plan {
    copier: Copier,
    /// Those that are not there yet, oldest first.
    pub missing: Vec<Root>,
    /// How many are there already.
    pub there: u64,
    /// How many are not there since no rule would keep them there.
    pub unwanted: u64,
}

impl Plan {
    /// Finds what is to be copied from one store to another: the snapshots that are named, or all that the
    /// other store keeps.
    ///
    /// # Errors
    /// A store cannot be opened, a snapshot is not there, or the key reads too little.
    pub fn make(
        context: &Context,
        from: (&str, &Credentials),
        to: &str,
        wanted: &[String],
    ) -> Result<Self, JobError> {
        let source = context.open(from.0, from.1)?;
        let target = context.open(to, &Credentials::default())?;
        let roots = roots(&source, wanted)?;
        let mut plan = Self::between(context, (from.0, source), (to, &target), roots)?;
        if wanted.is_empty() {
            plan.leave_out(context, to, &target);
        }
        Ok(plan)
    }

    /// Finds what one of a job's other stores lacks of the snapshots that this machine made.
    fn of_tier(context: &Context, job: &str, to: &str) -> Result<Self, JobError> {
        let own = context.config.store_of(job)?;
        let source = context.open(own, &Credentials::default())?;
        let target = context.open(to, &Credentials::default())?;
        let host = source.host_or(&context.places.host);
        let (mut roots, failures) = source.snapshots()?;
        for failure in failures {
            let error = join_causes(&failure);
            tracing::warn!(error, "a snapshot cannot be read, and is not copied");
        }
        roots.retain(|root| root.job == job && root.host == host && root.made_by() == host);
        let mut plan = Self::between(context, (own, source), (to, &target), roots)?;
        plan.leave_out(context, to, &target);
        Ok(plan)
    }

    fn between(
        context: &Context,
        (from, source): (&str, Arc<Repository>),
        (to, target): (&str, &Arc<Repository>),
        roots: Vec<Root>,
    ) -> Result<Self, JobError> {
        let may_read = source.key().require(Role::Read).is_ok();
        let copier = Copier::new(source, Arc::clone(target), &context.places.host)?;
        if !copier.goes_as_it_is() && !may_read {
            let message = format!(
                "the repositories of `{from}` and `{to}` have different keys: content must be read to be copied"
            );
            let hint = "Give an operator's identity with --identity FILE, or let a new store have the same keys: \
                        holdfast init STORE --same-keys-as OTHER. Where only one of the two was rotated: holdfast \
                        rotate STORE --same-keys-as OTHER";
            return Err(JobError::KeyReadsTooLittle { message, hint });
        }
        let (there, missing): (Vec<_>, _) =
            roots.into_iter().partition(|root| copier.is_there(root));
        Ok(Self {
            copier,
            missing,
            there: there.len() as u64,
            unwanted: 0,
        })
    }

    /// Leaves out what no rule would keep in the other store. Where that is not clear, all of it goes there.
    fn leave_out(&mut self, context: &Context, to: &str, target: &Repository) {
        let missing = std::mem::take(&mut self.missing);
        let all = missing.len();
        self.missing = kept::kept(context, to, target, missing);
        self.unwanted = (all - self.missing.len()) as u64;
    }

    /// Returns whether packs travel as they are.
    #[must_use]
    pub fn goes_as_it_is(&self) -> bool {
        self.copier.goes_as_it_is()
    }

    /// Copies one snapshot.
    ///
    /// # Errors
    /// Nothing was committed.
    pub fn copy(
        &mut self,
        context: &Context,
        root: &Root,
        progress: &Progress,
    ) -> Result<Copied, JobError> {
        Ok(self.copier.copy(root, &context.cancel, progress)?)
    }
}

/// Returns the snapshots that are meant, oldest first.
pub(crate) fn roots(
    repository: &Arc<Repository>,
    wanted: &[String],
) -> Result<Vec<Root>, JobError> {
    let (roots, failures) = repository.snapshots()?;
    if let Some(error) = failures.into_iter().next() {
        return Err(error.into());
    }
    if wanted.is_empty() {
        return Ok(roots);
    }
    let mut found = BTreeMap::new();
    for word in wanted {
        let of_job: Vec<_> = roots.iter().filter(|root| root.job == *word).collect();
        for root in of_job.iter().copied().cloned() {
            found.insert((root.started, root.snapshot), root);
        }
        if of_job.is_empty() {
            let root = select::snapshot(repository, word)?;
            found.insert((root.started, root.snapshot), root);
        }
    }
    Ok(found.into_values().collect())
}
