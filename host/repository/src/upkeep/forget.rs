//! Forgetting: which snapshots are no longer shown, and which nothing may remove.
//!
//! - To forget is to create one object beside the snapshot. The snapshot stays as it is until collection
//!   removes it after the grace time; until then, removing that object brings it back.
//! - A host forgets what it made itself; the operators' keys forget anything.

use crate::format::mark::{Hold, Mark, Tombstone};
use crate::format::signed::Sign as _;
use crate::ground::names::{
    REMOVAL_PREFIX, TOMBSTONES, hold_name, removal_name, snapshot_name, snapshot_tombstone_name,
};
use crate::repository::Repository;
use crate::snapshot::marks::marked;
pub use crate::snapshot::marks::{Forgotten, GRACE_SECONDS, Held, Marks, Standing};
use crate::upkeep::UpkeepError;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::Instant;
use holdfast_store::{Created, Name};

impl Repository {
    /// Forgets snapshots: each with why. One that is forgotten already stays so.
    ///
    /// # Errors
    /// One is held, and then none is forgotten; or the store failed, and then each is forgotten or not.
    pub fn forget(&self, which: &[(SnapshotId, String)], host: &str) -> Result<(), UpkeepError> {
        self.header
            .ensure_features_known(crate::format::header::Purpose::Write)?;
        let now = self.setup.clock.now();
        let marks = self.marks_surely()?;
        for (id, _) in which {
            if let Some(held) = marks.hold(id, now) {
                return Err(held_error(held));
            }
            self.exists(id)?;
            self.may_forget(id, self.signer()?.author())?;
        }
        for (id, why) in which {
            let tombstone = Tombstone {
                snapshot: *id,
                repository: self.header.repository,
                why: why.clone(),
                host: self.host_or(host),
                written: now,
                program: env!("CARGO_PKG_VERSION").to_owned(),
            };
            let name = snapshot_tombstone_name(id);
            if self.put_mark(&name, &tombstone)? == Created::Existed {
                // One that counts for nobody would be believed here and nowhere else.
                self.tombstone(&name, id)?;
            }
        }
        Ok(())
    }

    /// Brings a forgotten snapshot back.
    ///
    /// # Errors
    /// It is not forgotten, collection has removed it, or the store refuses to remove the tombstone.
    pub fn undelete(&self, id: &SnapshotId) -> Result<(), UpkeepError> {
        let name = snapshot_tombstone_name(id);
        let gone = || UpkeepError::NotForgotten { snapshot: *id };
        match self.setup.store.size(&name) {
            Ok(_) => {}
            Err(error) if error.is_absent() => return Err(gone()),
            Err(error) => return Err(error.into()),
        }
        self.exists(id)?;
        self.setup.store.delete(&name)?;
        // Collection may have been on its way.
        self.ensure_kept(id)?;
        Ok(self.exists(id)?)
    }

    /// Makes sure that collection has not begun to remove a snapshot.
    ///
    /// It says that it does, and then looks whether it may; who wants to keep one does that, and then
    /// looks whether it does. So at worst both give way.
    fn ensure_kept(&self, id: &SnapshotId) -> Result<(), UpkeepError> {
        match self.setup.store.size(&removal_name(id)) {
            Ok(_) => Err(UpkeepError::TooLate { snapshot: *id }),
            Err(error) if error.is_absent() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Says that a snapshot is being removed; returns whether it may be.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn begin_removal(&self, id: &SnapshotId) -> Result<bool, UpkeepError> {
        let what = format!("{{\"removing\":\"{id}\"}}");
        self.put_catalog(&removal_name(id), what.as_bytes())?;
        // One that has ended holds nothing.
        let may_go = match self.setup.store.get(&hold_name(id)) {
            Ok(_) => self.marks_surely()?.hidden().contains(id),
            Err(error) if error.is_absent() => true,
            Err(error) => return Err(error.into()),
        };
        let forgotten = self.tombstone(&snapshot_tombstone_name(id), id)?;
        Ok(may_go && forgotten.is_some())
    }

    /// Removes what is left of a snapshot that was removed.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn end_removal(&self, id: &SnapshotId) -> Result<(), UpkeepError> {
        self.setup.store.delete(&snapshot_tombstone_name(id))?;
        match self.setup.store.delete(&hold_name(id)) {
            // A hold that came too late for its snapshot: it holds nothing any more, and costs nothing.
            Err(error) if error.is_locked() => {}
            deleted => deleted?,
        }
        Ok(self.setup.store.delete(&removal_name(id))?)
    }

    /// Removes what collections left that were interrupted when they had removed a snapshot.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn end_removals(&self) -> Result<(), UpkeepError> {
        let listed = self.setup.store.list(TOMBSTONES)?;
        for (id, _) in marked(&listed, REMOVAL_PREFIX) {
            if self.is_gone(&snapshot_name(&id)) {
                self.end_removal(&id)?;
            }
        }
        Ok(())
    }

    /// Holds a snapshot; it is no longer forgotten, if it was.
    ///
    /// # Errors
    /// There is no such snapshot, it is held already, or the store failed.
    pub fn find_hold(
        &self,
        id: &SnapshotId,
        reason: &str,
        until: Option<Instant>,
        host: &str,
    ) -> Result<Hold, UpkeepError> {
        self.header
            .ensure_features_known(crate::format::header::Purpose::Write)?;
        self.exists(id)?;
        let hold = Hold {
            snapshot: *id,
            repository: self.header.repository,
            reason: reason.to_owned(),
            until,
            host: self.host_or(host),
            written: self.setup.clock.now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let name = hold_name(id);
        match self.put_mark(&name, &hold)? {
            Created::New => self
                .ensure_kept(id)
                .and_then(|()| Ok(self.exists(id)?))
                .map(|()| hold),
            Created::Existed => {
                let held = self.mark::<Hold>(&name, id)?;
                Err(UpkeepError::Held {
                    snapshot: *id,
                    reason: held.map_or_else(String::new, |(held, _)| held.reason),
                })
            }
        }
    }

    /// Returns the hold on a snapshot, also one that has ended.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn standing_hold(&self, id: &SnapshotId) -> Result<Option<Hold>, UpkeepError> {
        let held = self.mark::<Hold>(&hold_name(id), id)?;
        Ok(held.map(|(hold, _)| hold))
    }

    /// Ends the hold on a snapshot, which is not forgotten then.
    ///
    /// # Errors
    /// It is not held, or the store refuses to remove the hold.
    pub fn release(&self, id: &SnapshotId) -> Result<(), UpkeepError> {
        let name = hold_name(id);
        match self.setup.store.size(&name) {
            Ok(_) => {}
            Err(error) if error.is_absent() => {
                return Err(UpkeepError::NotHeld { snapshot: *id });
            }
            Err(error) => return Err(error.into()),
        }
        // An old tombstone would let collection take the snapshot at once: the hold outlives it.
        self.setup.store.delete(&snapshot_tombstone_name(id))?;
        Ok(self.setup.store.delete(&name)?)
    }

    fn put_mark<M: Mark>(&self, name: &Name, mark: &M) -> Result<Created, UpkeepError> {
        let bytes = mark.encode(&self.signer()?)?;
        Ok(self.put_catalog(name, &bytes)?.0)
    }
}

fn held_error(held: &Held) -> UpkeepError {
    UpkeepError::Held {
        snapshot: held.snapshot,
        reason: held.reason(),
    }
}
