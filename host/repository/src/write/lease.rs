//! A session in the store: what lets collection know that a run may still commit.
//!
//! Tombstones are listed, the session says which it has seen, and they are listed again. So whoever
//! removes the packs of a tombstone finds either a session that keeps clear of them, or one that it waits for.

use crate::format::root::Root;
use crate::format::session::{PackTombstone, SessionNote, decode, encode};
use crate::ground::chance::random;
use crate::ground::names::{TOMBSTONES, names_packs, session_name};
use crate::objects::error::ObjectError;
use crate::repository::Repository;
use crate::snapshot::Commit;
use holdfast_base::error::join_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::{PackId, SnapshotId};
use holdfast_base::time::Instant;
use holdfast_store::{Created, Name, StoreError};
use std::collections::{HashMap, HashSet};

/// A run whose sessions ended without a commit so often gives up.
const SESSIONS_MAX: u32 = 3;
/// Largest plaintext of a tombstone; one that expands to more is a bomb.
const TOMBSTONE_EXPANDED_MAX: usize = 512 << 20;
/// Largest plaintext of a session; one that expands to more is a bomb.
const SESSION_EXPANDED_MAX: usize = 16 << 20;

/// A session in the store.
pub(crate) struct Lease {
    /// Its id, and that of the snapshot that it may commit.
    pub(crate) id: SnapshotId,
    /// Packs that must not be relied on: collection may be about to remove them.
    pub(crate) avoided: HashSet<PackId>,
    purpose: String,
    host: String,
    /// Whether the snapshot of the session may exist, or come to exist.
    may_have_committed: bool,
}

impl Lease {
    /// Begins a session.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn begin_session(
        repository: &Repository,
        purpose: &str,
        host: &str,
    ) -> Result<Self, ObjectError> {
        let id = SnapshotId(random()?);
        let before = repository.pack_tombstones()?;
        let note = SessionNote {
            session: id,
            repository: repository.header.repository,
            purpose: purpose.to_owned(),
            host: host.to_owned(),
            process: crate::write::process::current_process(),
            started: repository.setup.clock.now(),
            seen: before.keys().map(|name| name.last().to_owned()).collect(),
        };
        let name = session_name(&id);
        match repository.put_catalog(&name, &encode("session", &note)?) {
            Ok((Created::New, _)) => {}
            Ok((Created::Existed, _)) => {
                return Err(ObjectError::Taken { object: name });
            }
            // Nothing depends on it yet: whether it exists does not matter.
            Err(ObjectError::Unanswered { source, .. }) => return Err(source.into()),
            Err(error) => return Err(error),
        }
        // Twice: what one listing leaves out must not be relied on.
        let after = repository.pack_tombstones().and_then(|mut found| {
            found.extend(repository.pack_tombstones()?);
            Ok(found)
        });
        let lease = Self {
            id,
            avoided: HashSet::new(),
            purpose: purpose.to_owned(),
            host: host.to_owned(),
            may_have_committed: false,
        };
        let after = after.inspect_err(|_| lease.give_up(repository))?;
        let packs = before.into_values().chain(after.into_values());
        Ok(Self {
            avoided: packs.flat_map(|found| found.tombstone.packs).collect(),
            ..lease
        })
    }

    /// Commits a snapshot that relies on these packs, of which some must have a certain length. Where collection
    /// has ended the session, it goes on in a new one, if all of them are there still.
    ///
    /// # Errors
    /// Nothing was committed, or the store does not say.
    pub(crate) fn commit(
        &mut self,
        repository: &Repository,
        mut root: Root,
        relied: &[(PackId, Option<u64>)],
    ) -> Result<Root, ObjectError> {
        self.still_there(repository, relied)?;
        for session in 1.. {
            // From here on the snapshot may exist, and so the session must stay, whatever is answered.
            self.may_have_committed = true;
            match repository.commit(&root)? {
                Commit::Done => break,
                Commit::Open(error) if session == SESSIONS_MAX || !may_pass(&error) => {
                    return Err(error.into());
                }
                Commit::Expired if session == SESSIONS_MAX => {
                    return Err(ObjectError::Overtaken { pack: None });
                }
                Commit::Open(_) | Commit::Expired => tracing::warn!(
                    "the snapshot could not be committed; the run goes on in a new session"
                ),
            }
            // The old session stays: it is collection that knows when nothing can come of it any more.
            *self = Self::begin_session(repository, &self.purpose, &self.host)?;
            self.still_there(repository, relied)?;
            root.snapshot = self.id;
        }
        Ok(root)
    }

    /// Makes sure that every pack that a snapshot relies on is still there, and that no tombstone that the
    /// session has seen names it.
    ///
    /// Collection removes no pack that an open session may rely on. This is for sessions that were ended
    /// meanwhile, and for stores that lose or hide what they hold.
    fn still_there(
        &self,
        repository: &Repository,
        relied: &[(PackId, Option<u64>)],
    ) -> Result<(), ObjectError> {
        let stored = repository.stored_packs()?;
        let gone = |(id, size): &&(PackId, Option<u64>)| {
            let stored = stored.get(id);
            self.avoided.contains(id)
                || stored.is_none_or(|stored| size.is_some_and(|s| s != *stored))
        };
        match relied.iter().find(gone) {
            Some((pack, _)) => Err(ObjectError::Overtaken { pack: Some(*pack) }),
            None => Ok(()),
        }
    }

    /// Ends a session that committed nothing and cannot have. A store that lets nobody remove anything is no error:
    /// collection will end the session.
    pub(crate) fn give_up(&self, repository: &Repository) {
        if self.may_have_committed {
            return;
        }
        let removed = repository.setup.store.delete(&session_name(&self.id));
        if let Err(error) = removed {
            tracing::debug!(
                error = join_causes(&error),
                "the session is left to collection"
            );
        }
    }
}

/// Returns whether it is worth asking a store again.
fn may_pass(error: &StoreError) -> bool {
    matches!(error.kind(), Kind::Temporary | Kind::Failed)
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
    pub(crate) fn pack_tombstones(&self) -> Result<HashMap<Name, Tombstoned>, ObjectError> {
        let mut tombstones = HashMap::new();
        for listed in self.setup.store.list(TOMBSTONES)? {
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
                Err(ObjectError::Damaged { .. }) => {
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
    pub(crate) fn session(&self, name: &Name) -> Result<SessionNote, ObjectError> {
        let read = || -> Result<SessionNote, ObjectError> {
            let plain = self.get_catalog(name, SESSION_EXPANDED_MAX)?;
            let note: SessionNote = decode("session", &plain)?;
            let is_itself = note.repository == self.header.repository
                && name.last() == note.session.to_string();
            if is_itself {
                Ok(note)
            } else {
                Err(ObjectError::ContentMismatch)
            }
        };
        read().map_err(|error| error.in_sealed(name.as_str()))
    }

    /// Reads the tombstone of an object below `tombstones`.
    ///
    /// # Errors
    /// It is absent or damaged, or the store failed.
    pub(crate) fn pack_tombstone(&self, name: &Name) -> Result<PackTombstone, ObjectError> {
        let read = || -> Result<PackTombstone, ObjectError> {
            let plain = self.get_catalog(name, TOMBSTONE_EXPANDED_MAX)?;
            let tombstone: PackTombstone = decode("tombstone", &plain)?;
            if tombstone.repository == self.header.repository {
                Ok(tombstone)
            } else {
                Err(ObjectError::ContentMismatch)
            }
        };
        read().map_err(|error| error.in_sealed(name.as_str()))
    }
}
