//! Snapshots: the one moment at which one begins to exist, and listing those that do.
//!
//! - Before a commit, every pack and index segment that the snapshot needs is durable.
//! - The commit is one create-if-absent. A crash before it leaves garbage, never a snapshot.
//! - Where the store loses its answer it is asked again: a run never says that nothing was committed
//!   when something may have been.

use crate::error::{RepositoryError, chain};
use crate::format::root::Root;
use crate::pipeline::put::create_surely;
use crate::pipeline::seal::{Recipient, open_bytes, seal_bytes};
use crate::repository::{Repository, expand_small};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::SnapshotId;
use holdfast_store::{Created, Name};

/// Largest plaintext of a snapshot root; one that expands to more is a bomb.
const ROOT_EXPANDED_MAX: usize = 64 << 20;

/// Returns the name of a snapshot's object.
///
/// # Errors
/// Never for an id; the type of names wants to be asked.
pub fn name(id: &SnapshotId) -> Result<Name, RepositoryError> {
    Ok(Name::new(format!("snapshots/{id}"))?)
}

impl Repository {
    /// Commits a snapshot and returns the length of its object.
    ///
    /// # Errors
    /// Nothing was committed, the store does not say whether it was, or the snapshot does not come back.
    pub(crate) fn commit(&self, root: &Root) -> Result<u64, RepositoryError> {
        let bytes = root.encode(&self.key.writing()?.signing_key()?)?;
        let plain = zstd::bulk::compress(&bytes, 3)
            .map_err(|e| RepositoryError::io("compress a snapshot", e))?;
        let recipients = [Recipient::PublicKey(self.key.catalog.public_key.clone())];
        let sealed = seal_bytes(self.setup.sealer.as_ref(), &recipients, plain)?;
        let store = self.setup.store.as_ref();
        let object = name(&root.snapshot)?;
        match create_surely(store, &object, &sealed)? {
            Created::New => {
                self.prove(&root.snapshot)?;
                Ok(sealed.len() as u64)
            }
            Created::Existed => Err(RepositoryError::Exists {
                place: self.place(),
            }),
        }
    }

    /// Reads a snapshot again that was just committed, which also brings it into the cache.
    fn prove(&self, id: &SnapshotId) -> Result<(), RepositoryError> {
        match self.stored_snapshot(id) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Key) => {
                Err(error.unproven(&name(id)?))
            }
            // The store has said that it is durable; that it answers no more does not change that.
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "the snapshot is committed, and could not be read again"
                );
                Ok(())
            }
        }
    }

    /// Returns the ids of all snapshots, in no particular order.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn snapshot_ids(&self) -> Result<Vec<SnapshotId>, RepositoryError> {
        let listed = self.setup.store.list("snapshots")?;
        Ok(listed
            .iter()
            .filter_map(|l| l.name.last().parse().ok())
            .collect())
    }

    /// Reads a snapshot's root.
    ///
    /// A copy in the cache saves opening the object. It is checked by its signature like the
    /// object itself, so that nobody gains anything by changing it.
    ///
    /// # Errors
    /// There is none of that id, or it is damaged.
    pub fn snapshot(&self, id: &SnapshotId) -> Result<Root, RepositoryError> {
        match self
            .remembered(id)
            .and_then(|bytes| self.decode_root(id, &bytes).ok())
        {
            Some(root) => Ok(root),
            None => self.stored_snapshot(id),
        }
    }

    fn decode_root(&self, id: &SnapshotId, bytes: &[u8]) -> Result<Root, RepositoryError> {
        Ok(Root::decode(
            bytes,
            &self.verifying_key,
            self.header.repository,
            *id,
        )?)
    }

    fn stored_snapshot(&self, id: &SnapshotId) -> Result<Root, RepositoryError> {
        let object = name(id)?;
        let read = || -> Result<Root, RepositoryError> {
            let sealed = self.setup.store.get(&object)?;
            let plain = open_bytes(self.setup.sealer.as_ref(), &self.catalog_identity(), sealed)?;
            let bytes = expand_small(&plain, ROOT_EXPANDED_MAX)?;
            let root = self.decode_root(id, &bytes)?;
            self.remember(id, &bytes);
            Ok(root)
        };
        read().map_err(|e| e.in_sealed(object.as_str()))
    }

    /// Returns all snapshots, oldest first, and what could not be read.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn snapshots(&self) -> Result<(Vec<Root>, Vec<RepositoryError>), RepositoryError> {
        self.all_snapshots(|id| self.snapshot(id))
    }

    /// Returns all snapshots as the store has them, whatever the cache says: for checking.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn snapshots_from_store(
        &self,
    ) -> Result<(Vec<Root>, Vec<RepositoryError>), RepositoryError> {
        self.all_snapshots(|id| self.stored_snapshot(id))
    }

    fn all_snapshots(
        &self,
        read: impl Fn(&SnapshotId) -> Result<Root, RepositoryError>,
    ) -> Result<(Vec<Root>, Vec<RepositoryError>), RepositoryError> {
        let mut roots = Vec::new();
        let mut failures = Vec::new();
        for id in self.snapshot_ids()? {
            match read(&id) {
                Ok(root) => roots.push(root),
                Err(error) => failures.push(error),
            }
        }
        roots.sort_by_key(|root| (root.started, root.snapshot));
        Ok((roots, failures))
    }

    fn cached_root(&self, id: &SnapshotId) -> Option<std::path::PathBuf> {
        self.setup
            .cache
            .as_ref()
            .map(|cache| cache.join("snapshots").join(id.to_string()))
    }

    fn remembered(&self, id: &SnapshotId) -> Option<Vec<u8>> {
        std::fs::read(self.cached_root(id)?).ok()
    }

    fn remember(&self, id: &SnapshotId, bytes: &[u8]) {
        let Some(path) = self.cached_root(id) else {
            return;
        };
        let write = || -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let temporary = path.with_extension(std::process::id().to_string());
            std::fs::write(&temporary, bytes)?;
            std::fs::rename(&temporary, &path)
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "a snapshot is not kept in the cache");
        }
    }
}
