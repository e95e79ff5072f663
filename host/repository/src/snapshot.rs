//! Snapshots: the one moment at which one begins to exist, and listing those that do.
//!
//! - Before a commit, every pack and index segment that the snapshot needs is durable.
//! - The commit is one create-if-absent. A crash before it leaves garbage, never a snapshot.
//! - Where the store loses its answer it is asked what it holds, and never to do the same again: between
//!   the two the snapshot may have been forgotten and its packs collected.
//! - Collection takes the place of a snapshot to end its session: one of the two is first, and the other sees it.

/// What can go wrong with a snapshot as a whole.
mod error;
/// Marks on snapshots: which are forgotten, and which are held.
pub mod marks;

pub use error::SnapshotError;

use crate::format::root::Root;
use crate::format::session::{Expired, encode};
use crate::ground::names::{SNAPSHOTS, snapshot_name};
use crate::ground::seal::open_bytes;
use crate::objects::catalog::expand_small;
use crate::objects::error::{ObjectError, ObjectFault};
use crate::repository::Repository;
use holdfast_base::cancel::Cancel;
use holdfast_base::error::join_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::SnapshotId;
use holdfast_base::parallel::{Workers, map_parallel};
use holdfast_store::{Attempts, Created, StoreError};
use std::ops::ControlFlow;

/// Objects that are read at the same time.
const AT_ONCE: usize = 8;
/// Fewer objects than these are read one after the other.
const FEW: usize = 32;

/// Largest plaintext of a snapshot root; one that expands to more is a bomb.
const ROOT_EXPANDED_MAX: usize = 64 << 20;

/// How a commit went.
#[derive(Debug)]
pub(crate) enum Commit {
    /// The snapshot exists.
    Done,
    /// Collection had ended the session before: nothing was committed.
    Expired,
    /// The store failed, and the snapshot does not exist; but what was asked of the store may come to it
    /// still, so that this session can no longer be used.
    Open(StoreError),
}

/// What is in the place of a snapshot.
pub(crate) enum Slot {
    /// A snapshot.
    Root(Box<Root>),
    /// The mark of a session that can no longer commit one.
    Expired,
}

impl Repository {
    /// Commits a snapshot, unless collection has ended its session.
    ///
    /// # Errors
    /// Nothing was committed, the store does not say whether it was, or the snapshot does not come back.
    pub(crate) fn commit(&self, root: &Root) -> Result<Commit, ObjectError> {
        let object = snapshot_name(&root.snapshot);
        let bytes = root.encode(&self.signer()?)?;
        let sealed = self.seal_catalog(&object, &bytes)?;
        let store = self.setup.store.as_ref();
        let answer = store.create(&object, &sealed, Attempts::Single);
        if !matches!(answer, Ok(Created::New)) {
            // It may have been done without an answer, or more than once on its way.
            match (answer, store.get(&object)) {
                (_, Ok(held)) if held == sealed => {}
                (Ok(_), Ok(_)) => return self.lost(&root.snapshot),
                (Err(error), Ok(_)) => return self.lost(&root.snapshot).or(Err(error.into())),
                (Err(error), Err(absent)) if absent.is_absent() => {
                    return Ok(Commit::Open(error));
                }
                (_, Err(source)) => {
                    let object = object.to_string();
                    return Err(ObjectError::Unanswered { object, source });
                }
            }
        }
        self.read_back(&root.snapshot)?;
        Ok(Commit::Done)
    }

    /// Says what stands where a snapshot was to be committed.
    fn lost(&self, id: &SnapshotId) -> Result<Commit, ObjectError> {
        match self.stored_slot(id)? {
            Slot::Expired => Ok(Commit::Expired),
            Slot::Root(_) => Err(ObjectError::Taken {
                object: snapshot_name(id),
            }),
        }
    }

    /// Reads a snapshot again that was just committed, which also brings it into the cache.
    fn read_back(&self, id: &SnapshotId) -> Result<(), ObjectError> {
        match self.stored_slot(id) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Key) => {
                Err(error.read_back_failed(&snapshot_name(id)))
            }
            // The store has said that it is durable; that it answers no more does not change that.
            Err(error) => {
                let error = join_causes(&error);
                tracing::warn!(
                    error,
                    "the snapshot is committed, and could not be read again"
                );
                Ok(())
            }
        }
    }

    /// Returns the ids of all snapshots that are not forgotten, in no particular order.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn snapshot_ids(&self) -> Result<Vec<SnapshotId>, ObjectError> {
        let mut ids = self.stored_ids()?;
        let marks = self.marks()?;
        for failure in &marks.failures {
            let error = join_causes(failure);
            tracing::warn!(error, "what cannot be read forgets nothing");
        }
        let hidden = marks.hidden();
        ids.retain(|id| !hidden.contains(id));
        Ok(ids)
    }

    /// Returns the ids of all snapshots, the forgotten ones too.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn stored_ids(&self) -> Result<Vec<SnapshotId>, ObjectError> {
        self.listed_ids(SNAPSHOTS)
    }

    /// Reads a snapshot's root.
    ///
    /// A copy in the cache saves opening the object. It is checked by its signature like the
    /// object itself, so that nobody gains anything by changing it.
    ///
    /// # Errors
    /// There is none of that id, or it is damaged.
    pub fn snapshot(&self, id: &SnapshotId) -> Result<Root, SnapshotError> {
        match self.slot(id)? {
            Slot::Root(root) => Ok(*root),
            Slot::Expired => Err(SnapshotError::no_snapshot(id)),
        }
    }

    /// Reads what is in the place of a snapshot, from the cache if that has it.
    pub(crate) fn slot(&self, id: &SnapshotId) -> Result<Slot, ObjectError> {
        match self
            .remembered(id)
            .and_then(|bytes| self.decode_slot(id, &bytes).ok())
        {
            Some(slot) => Ok(slot),
            None => self.stored_slot(id),
        }
    }

    /// Does the same for many, several at a time, in their order.
    pub(crate) fn slots(&self, ids: &[SnapshotId]) -> Vec<Result<Slot, ObjectError>> {
        read_many(ids, |id| self.slot(id))
    }

    fn decode_slot(&self, id: &SnapshotId, bytes: &[u8]) -> Result<Slot, ObjectError> {
        if Expired::in_place_of(bytes, *id, self.header.repository) {
            return Ok(Slot::Expired);
        }
        let root = Root::decode(bytes, &self.trust, self.header.repository, *id)?;
        Ok(Slot::Root(Box::new(root)))
    }

    /// Reads what the store has in the place of a snapshot.
    pub(crate) fn stored_slot(&self, id: &SnapshotId) -> Result<Slot, ObjectError> {
        let object = snapshot_name(id);
        let read = || -> Result<Slot, ObjectError> {
            let bytes = self.get_catalog(&object, ROOT_EXPANDED_MAX)?;
            let slot = self.decode_slot(id, &bytes)?;
            self.remember(id, &bytes);
            Ok(slot)
        };
        read().map_err(|e| e.in_sealed(object.as_str()))
    }

    /// Returns whether an object of another repository is this snapshot of this one.
    pub(crate) fn is_snapshot(&self, id: &SnapshotId, sealed: Vec<u8>) -> bool {
        let sealer = self.setup.sealer.as_ref();
        let packed = open_bytes(sealer, &self.catalog_identity(), sealed);
        let bytes = packed
            .ok()
            .and_then(|packed| expand_small(&packed, ROOT_EXPANDED_MAX).ok());
        bytes.is_some_and(|bytes| self.decode_slot(id, &bytes).is_ok())
    }

    /// Puts a mark in the place of a snapshot, so that its session can no longer commit it. Returns
    /// whether that came before the commit.
    ///
    /// # Errors
    /// The store failed, or does not say which of the two was first.
    pub(crate) fn expire(&self, session: &SnapshotId) -> Result<bool, ObjectError> {
        let mark = Expired {
            expired: *session,
            repository: self.header.repository,
            at: self.setup.clock.now(),
        };
        let (created, _) = self.put_catalog(&snapshot_name(session), &encode("mark", &mark)?)?;
        Ok(created == Created::New)
    }

    /// Returns all snapshots that are not forgotten, oldest first, and what could not be read.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn snapshots(&self) -> Result<(Vec<Root>, Vec<ObjectError>), ObjectError> {
        Ok(Self::roots_of(self.snapshot_ids()?, |id| self.slot(id)))
    }

    /// Returns all snapshots, the forgotten ones too, oldest first, and what could not be read.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn all_snapshots(&self) -> Result<(Vec<Root>, Vec<ObjectError>), ObjectError> {
        Ok(Self::roots_of(self.stored_ids()?, |id| self.slot(id)))
    }

    /// Returns all snapshots as the store has them, whatever the cache says, the forgotten ones too: for
    /// checking.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn snapshots_from_store(&self) -> Result<(Vec<Root>, Vec<ObjectError>), ObjectError> {
        Ok(Self::roots_of(self.stored_ids()?, |id| {
            self.stored_slot(id)
        }))
    }

    fn roots_of(
        ids: Vec<SnapshotId>,
        read: impl Fn(&SnapshotId) -> Result<Slot, ObjectError> + Sync,
    ) -> (Vec<Root>, Vec<ObjectError>) {
        let mut roots = Vec::new();
        let mut failures = Vec::new();
        for slot in read_many(&ids, read) {
            match slot {
                Ok(Slot::Root(root)) => roots.push(*root),
                Ok(Slot::Expired) => {}
                // Else whoever stole a key could keep restores, retention and collection from their work.
                Err(error) if error.is_revoked() => {
                    let error = join_causes(&error);
                    tracing::warn!(error, "it counts for nothing, and can be forgotten");
                }
                Err(error) => failures.push(error),
            }
        }
        roots.sort_by_key(|root| (root.started, root.snapshot));
        (roots, failures)
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

/// Reads objects, several at a time if there are many: what takes long is waiting for a store, or looking at signatures.
fn read_many<I: Sync, T: Send>(ids: &[I], read: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let workers = Workers {
        count_max: if ids.len() < FEW { 1 } else { AT_ONCE },
        cancel: &Cancel::new(),
    };
    let answers = map_parallel(
        ids,
        workers,
        || (),
        |(), id| ControlFlow::Continue(read(id)),
    );
    answers.into_iter().flatten().collect()
}
