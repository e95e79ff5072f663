//! A session in the store: what lets collection know that a run may still commit.
//!
//! Tombstones are listed, the session says which it has seen, and they are listed again. So whoever
//! removes the packs of a tombstone finds either a session that keeps clear of them, or one that it waits for.

use crate::error::{RepositoryError, chain};
use crate::format::session::{PackTombstone, SessionNote, decode, encode};
use crate::repository::{Repository, random};
use holdfast_base::id::{PackId, SnapshotId};
use holdfast_base::time::Instant;
use holdfast_store::{Created, Name};
use std::collections::{HashMap, HashSet};

/// Largest plaintext of a tombstone; one that expands to more is a bomb.
const TOMBSTONE_EXPANDED_MAX: usize = 512 << 20;
/// Largest plaintext of a session; one that expands to more is a bomb.
const SESSION_EXPANDED_MAX: usize = 16 << 20;
/// What the names of packs' tombstones begin with.
const PACKS_PREFIX: &str = "p-";

/// A session in the store.
pub(crate) struct Lease {
    /// Its id, and that of the snapshot that it may commit.
    pub(crate) id: SnapshotId,
    /// Packs that must not be relied on: collection may be about to remove them.
    pub(crate) avoided: HashSet<PackId>,
}

impl Lease {
    /// Begins a session.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn take(
        repository: &Repository,
        purpose: &str,
        host: &str,
    ) -> Result<Self, RepositoryError> {
        let id = SnapshotId(random()?);
        let before = repository.pack_tombstones()?;
        let note = SessionNote {
            session: id,
            repository: repository.header.repository,
            purpose: purpose.to_owned(),
            host: host.to_owned(),
            process: crate::process::this(),
            started: repository.setup.clock.now(),
            seen: before.keys().map(|name| name.last().to_owned()).collect(),
        };
        let name = session_name(&id)?;
        match repository.put_catalog(&name, &encode("session", &note)?) {
            Ok((Created::New, _)) => {}
            Ok((Created::Existed, _)) => {
                let place = repository.place();
                return Err(RepositoryError::Exists { place });
            }
            // Nothing depends on it yet: whether it exists does not matter.
            Err(RepositoryError::Unanswered { source, .. }) => return Err(source.into()),
            Err(error) => return Err(error),
        }
        let after = repository.pack_tombstones();
        let lease = Self {
            id,
            avoided: HashSet::new(),
        };
        let after = after.inspect_err(|_| lease.give_up(repository))?;
        let packs = before.into_values().chain(after.into_values());
        Ok(Self {
            avoided: packs.flat_map(|found| found.tombstone.packs).collect(),
            ..lease
        })
    }

    /// Ends a session that committed nothing. A store that lets nobody remove anything is no error:
    /// collection will end the session.
    pub(crate) fn give_up(&self, repository: &Repository) {
        let removed =
            session_name(&self.id).and_then(|name| Ok(repository.setup.store.delete(&name)?));
        if let Err(error) = removed {
            tracing::debug!(error = chain(&error), "the session is left to collection");
        }
    }
}

/// Returns the name of a session's object.
///
/// # Errors
/// Never for an id; the type of names wants to be asked.
pub(crate) fn session_name(id: &SnapshotId) -> Result<Name, RepositoryError> {
    Ok(Name::new(format!("sessions/{id}"))?)
}

/// Returns whether an object below `tombstones` is one of packs.
pub(crate) fn names_packs(tombstone: &Name) -> bool {
    tombstone.last().starts_with(PACKS_PREFIX)
}

/// A tombstone of packs as the store has it.
pub(crate) struct Tombstoned {
    /// What it says.
    pub(crate) tombstone: PackTombstone,
    /// When the store received it, by its clock.
    pub(crate) received: Instant,
}

impl Repository {
    /// Reads the tombstones of packs that there are.
    ///
    /// One that cannot be read is passed over: nobody can remove anything by it.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn pack_tombstones(&self) -> Result<HashMap<Name, Tombstoned>, RepositoryError> {
        let mut tombstones = HashMap::new();
        for listed in self.setup.store.list("tombstones")? {
            if !names_packs(&listed.name) {
                continue;
            }
            match self.pack_tombstone(&listed.name) {
                Ok(tombstone) => {
                    let received = listed.received;
                    let found = Tombstoned {
                        tombstone,
                        received,
                    };
                    tombstones.insert(listed.name, found);
                }
                // What collection has done with is removed, perhaps just now.
                Err(RepositoryError::Damaged { .. }) => {
                    tracing::debug!(name = %listed.name, "passing over a tombstone");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tombstones)
    }

    /// Reads the session of an object below `sessions`.
    ///
    /// # Errors
    /// It is absent or damaged, or the store failed.
    pub(crate) fn session(&self, name: &Name) -> Result<SessionNote, RepositoryError> {
        let read = || -> Result<SessionNote, RepositoryError> {
            let plain = self.get_catalog(name, SESSION_EXPANDED_MAX)?;
            let note: SessionNote = decode("session", &plain)?;
            let is_itself = note.repository == self.header.repository
                && name.last() == note.session.to_string();
            if is_itself {
                Ok(note)
            } else {
                Err(RepositoryError::Renamed)
            }
        };
        read().map_err(|error| error.in_sealed(name.as_str()))
    }

    /// Reads the tombstone of an object below `tombstones`.
    ///
    /// # Errors
    /// It is absent or damaged, or the store failed.
    pub(crate) fn pack_tombstone(&self, name: &Name) -> Result<PackTombstone, RepositoryError> {
        let read = || -> Result<PackTombstone, RepositoryError> {
            let plain = self.get_catalog(name, TOMBSTONE_EXPANDED_MAX)?;
            let tombstone: PackTombstone = decode("tombstone", &plain)?;
            if tombstone.repository == self.header.repository {
                Ok(tombstone)
            } else {
                Err(RepositoryError::Renamed)
            }
        };
        read().map_err(|error| error.in_sealed(name.as_str()))
    }
}
