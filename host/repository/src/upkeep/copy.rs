//! Copies snapshots from one repository into another.
//!
//! - Two repositories of one trust group have the same keys: packs travel as they are, and nobody needs to be
//!   able to read them. Their names are hashes, so that what arrives is checked on its way.
//! - Between others, content is read, and stored as a backup of it would be.
//!
//! A copy names the snapshot that it is of: one that is there already is not made again, and one that was
//! interrupted goes on with what is there. One that is forgotten there is there, until collection removes it.

mod packs;
mod stream;

use crate::format::root::{Origin, Root};
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use holdfast_base::cancel::Cancel;
use holdfast_base::error::join_causes;
use holdfast_base::id::{RepositoryId, SnapshotId};
use holdfast_base::progress::Progress;
use std::collections::HashSet;
use std::sync::Arc;

/// A snapshot that was copied.
#[derive(Debug)]
pub struct Copied {
    /// The snapshot that it is of.
    pub from: SnapshotId,
    /// The new snapshot.
    pub root: Root,
    /// Packs that travelled as they are.
    pub packs: u64,
    /// Bytes that were added to the store.
    pub bytes: u64,
}

/// Copies snapshots from one repository into another.
pub struct Copier {
    from: Arc<Repository>,
    to: Arc<Repository>,
    host: String,
    there: HashSet<(RepositoryId, SnapshotId)>,
    goes_as_it_is: bool,
}

impl Copier {
    /// Looks at what is there already.
    ///
    /// # Errors
    /// Both are the same repository, the keys do not go so far, or the other store cannot be listed.
    pub fn new(
        from: Arc<Repository>,
        to: Arc<Repository>,
        host: &str,
    ) -> Result<Self, UpkeepError> {
        if from.header.repository == to.header.repository {
            return Err(UpkeepError::SameRepository { place: to.place() });
        }
        to.key.writing()?;
        let (roots, failures) = to.all_snapshots()?;
        for failure in failures {
            let error = join_causes(&failure);
            tracing::warn!(
                error,
                "what it is a copy of cannot be read; it may be copied again"
            );
        }
        let there = roots.iter().flat_map(|root| {
            let own = (to.header.repository, root.snapshot);
            [Some(own), root.origin.as_ref().map(Origin::identity_key)]
        });
        Ok(Self {
            there: there.flatten().collect(),
            goes_as_it_is: packs::share_keys(&from, &to),
            from,
            to,
            host: host.to_owned(),
        })
    }

    /// Returns whether packs travel as they are.
    #[must_use]
    pub fn goes_as_it_is(&self) -> bool {
        self.goes_as_it_is
    }

    /// Returns whether a copy of a snapshot is there already.
    #[must_use]
    pub fn is_there(&self, root: &Root) -> bool {
        self.there.contains(&self.origin(root).identity_key())
    }

    /// Copies a snapshot.
    ///
    /// # Errors
    /// Nothing was committed.
    pub fn copy(
        &mut self,
        root: &Root,
        cancel: &Cancel,
        progress: &Progress,
    ) -> Result<Copied, UpkeepError> {
        let copied = if self.goes_as_it_is {
            packs::copy_packs(self, root, cancel, progress)?
        } else {
            stream::copy_entries(self, root, cancel, progress)?
        };
        self.there.insert(self.origin(root).identity_key());
        Ok(copied)
    }

    /// Returns the origin that a copy names: the repository that made the snapshot first.
    fn origin(&self, root: &Root) -> Origin {
        let first = root.origin.as_ref().map(Origin::identity_key);
        let (repository, snapshot) = first.unwrap_or((self.from.header.repository, root.snapshot));
        Origin {
            repository,
            snapshot,
            copied_by: self.to.host_or(&self.host),
        }
    }
}
