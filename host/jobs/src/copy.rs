//! Copies snapshots from store to store.

use crate::error::JobError;
use crate::open::{Context, Credentials};
use crate::select;
use holdfast_repository::Repository;
use holdfast_repository::copy::{Copied, Copier, Progress};
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
}

impl Plan {
    /// Finds what is to be copied from one store to another.
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
        let may_read = source.key().require(Role::Read).is_ok();
        let copier = Copier::new(source, target, &context.places.host)?;
        if !copier.goes_as_it_is() && !may_read {
            let message = format!(
                "the repositories of `{}` and `{to}` have different keys: content must be read to be copied",
                from.0
            );
            let hint = "Give an operator's identity with --identity FILE, or let a new store have the same keys: \
                        holdfast init STORE --same-keys-as OTHER";
            return Err(JobError::KeyReadsTooLittle { message, hint });
        }
        let (there, missing): (Vec<_>, _) =
            roots.into_iter().partition(|root| copier.is_there(root));
        Ok(Self {
            copier,
            missing,
            there: there.len() as u64,
        })
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
fn roots(repository: &Arc<Repository>, wanted: &[String]) -> Result<Vec<Root>, JobError> {
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
