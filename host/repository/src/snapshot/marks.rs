//! Marks on snapshots: tombstones, which forget them, and holds, which keep them.
//!
//! - A hold wins over a tombstone, whichever was first.
//! - What cannot be read never hides a snapshot, and always holds one: a torn object costs room, not data.
//! - Decisions are made on marks that two listings agree on: one that lies would show what is forgotten.

use crate::format::mark::{Hold, Mark, Tombstone};
use crate::format::root::Root;
use crate::format::signed::Author;
use crate::ground::names::{HOLDS, SNAPSHOT_TOMBSTONE_PREFIX, TOMBSTONES, snapshot_name};
use crate::objects::error::{ObjectError, ObjectFault};
use crate::repository::Repository;
use crate::snapshot::{Slot, SnapshotError};
use holdfast_base::error::join_causes;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::Instant;
use holdfast_store::{Listed, Name};
use std::collections::{HashMap, HashSet};

/// How long a snapshot can be brought back after it was forgotten, at the least.
pub const GRACE_SECONDS: i64 = 7 * 24 * 3600;
/// Largest plaintext of a mark; one that expands to more is a bomb.
const MARK_EXPANDED_MAX: usize = 64 << 10;
/// Listings until two agree: others may commit meanwhile.
const LISTINGS_MAX: u32 = 4;

/// A snapshot that is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The tombstone.
    pub tombstone: Tombstone,
    /// Since when, by the store's clock: the grace time counts from here. If a hold that has ended kept the
    /// snapshot longer, since that end.
    pub since: Instant,
}

impl Forgotten {
    /// Returns until when it can be brought back.
    #[must_use]
    pub fn until(&self) -> Instant {
        Instant(
            self.since
                .0
                .saturating_add(GRACE_SECONDS.saturating_mul(1_000_000_000)),
        )
    }
}

/// A hold as it stands in the store.
#[derive(Debug)]
pub struct Held {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Since when, by the store's clock.
    pub since: Instant,
    /// What it says; an error if it cannot be read, and then it holds all the same.
    pub hold: Result<Hold, ObjectError>,
}

impl Held {
    /// Returns when it ends by itself, if it does.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.hold.as_ref().ok().and_then(|hold| hold.until)
    }

    /// Returns why it holds, in words.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.hold {
            Ok(hold) => hold.reason.clone(),
            Err(error) => join_causes(error),
        }
    }

    /// Returns whether it holds at that moment.
    #[must_use]
    pub fn holds_at(&self, now: Instant) -> bool {
        self.until().is_none_or(|until| until > now)
    }
}

/// All marks of a repository.
#[derive(Debug, Default)]
pub struct Marks {
    /// The snapshots that are forgotten and not held, in no particular order. The snapshot itself may be gone.
    pub forgotten: Vec<Forgotten>,
    /// All holds, those that have ended too.
    pub holds: Vec<Held>,
    /// Tombstones that cannot be read, or are another host's: their snapshots are not forgotten.
    pub failures: Vec<ObjectError>,
}

impl Marks {
    /// Returns the hold on a snapshot, if there is one at that moment.
    #[must_use]
    pub fn hold(&self, id: &SnapshotId, now: Instant) -> Option<&Held> {
        self.holds
            .iter()
            .find(|held| held.snapshot == *id && held.holds_at(now))
    }

    /// Returns why marks cannot be read: tombstones, which forget nothing, and holds, which hold.
    pub fn unreadable(&self) -> impl Iterator<Item = &ObjectError> {
        let holds = self
            .holds
            .iter()
            .filter_map(|held| held.hold.as_ref().err());
        self.failures.iter().chain(holds)
    }

    /// Returns what is forgotten.
    #[must_use]
    pub fn hidden(&self) -> HashSet<SnapshotId> {
        let forgotten = self.forgotten.iter();
        forgotten.map(|mark| mark.tombstone.snapshot).collect()
    }
}

/// What stands in a repository.
#[derive(Debug)]
pub struct Standing {
    /// All snapshots, the forgotten ones too, with when the store received each.
    pub snapshots: Vec<(Root, Instant)>,
    /// All marks on them.
    pub marks: Marks,
}

/// Returns the snapshots that the marks of a listing speak of; others have no such names.
pub(crate) fn marked<'a>(
    listed: &'a [Listed],
    prefix: &'a str,
) -> impl Iterator<Item = (SnapshotId, &'a Listed)> {
    listed.iter().filter_map(move |object| {
        let id = object.name.last().strip_prefix(prefix)?;
        Some((id.parse().ok()?, object))
    })
}

impl Repository {
    /// Returns all marks.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn marks(&self) -> Result<Marks, ObjectError> {
        let holds = self.setup.store.list(HOLDS)?;
        let tombstones = self.setup.store.list(TOMBSTONES)?;
        Ok(self.read_marks(&tombstones, &holds))
    }

    /// Returns all marks, for whoever decides what is lost.
    ///
    /// # Errors
    /// The store cannot be listed, or its listings do not agree.
    pub fn marks_surely(&self) -> Result<Marks, ObjectError> {
        let holds = self.agreed("holds")?;
        Ok(self.read_marks(&self.agreed("tombstones")?, &holds))
    }

    /// Returns all that stands in the repository, for whoever decides what is lost.
    ///
    /// # Errors
    /// The store cannot be listed, its listings do not agree, or a snapshot cannot be read: it may be the
    /// newest.
    pub fn standing(&self) -> Result<Standing, ObjectError> {
        let marks = self.marks_surely()?;
        let hidden = marks.hidden();
        let listed = self.agreed("snapshots")?;
        let (ids, received): (Vec<_>, Vec<_>) = marked(&listed, "")
            .map(|(id, object)| (id, object.received))
            .unzip();
        let mut snapshots = Vec::new();
        for ((id, received), slot) in ids.iter().zip(received).zip(self.slots(&ids)) {
            match slot {
                Ok(Slot::Root(root)) => snapshots.push((*root, received)),
                Ok(Slot::Expired) => {}
                Err(error) if hidden.contains(id) || error.is_revoked() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Standing { snapshots, marks })
    }

    /// Lists until two listings, one right after the other, agree.
    fn agreed(&self, area: &'static str) -> Result<Vec<Listed>, ObjectError> {
        let list = || -> Result<Vec<Listed>, ObjectError> {
            let mut listed = self.setup.store.list(area)?;
            listed.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(listed)
        };
        let mut before = list()?;
        for _ in 1..LISTINGS_MAX {
            let listed = list()?;
            if listed == before {
                return Ok(listed);
            }
            before = listed;
        }
        Err(ObjectError::Disagree { area })
    }

    fn read_marks(&self, tombstones: &[Listed], holds: &[Listed]) -> Marks {
        let now = self.setup.clock.now();
        let mut marks = Marks::default();
        let mut ended = HashMap::new();
        for (id, object) in marked(holds, "") {
            let hold = match self.mark::<Hold>(&object.name, &id) {
                Ok(None) => continue,
                Ok(Some((hold, _))) => Ok(hold),
                Err(error) => Err(error),
            };
            ended.extend(hold.iter().filter_map(|hold| Some((id, hold.until?))));
            marks.holds.push(Held {
                snapshot: id,
                since: object.received,
                hold,
            });
        }
        for (id, object) in marked(tombstones, SNAPSHOT_TOMBSTONE_PREFIX) {
            match self.tombstone(&object.name, &id) {
                Ok(None) => {}
                Ok(_) if marks.hold(&id, now).is_some() => {}
                Ok(Some(tombstone)) => {
                    let ended = ended.get(&id).copied().unwrap_or(object.received);
                    let since = object.received.max(ended);
                    marks.forgotten.push(Forgotten { tombstone, since });
                }
                Err(error) => marks.failures.push(error),
            }
        }
        marks
    }

    /// Reads a tombstone that counts: a host forgets its own snapshots, and the operators forget any.
    pub(crate) fn tombstone(
        &self,
        name: &Name,
        id: &SnapshotId,
    ) -> Result<Option<Tombstone>, ObjectError> {
        match self.mark::<Tombstone>(name, id)? {
            None => Ok(None),
            Some((tombstone, author)) => {
                self.may_forget(id, &author).map_err(|error| match error {
                    error @ ObjectError::NotOwn { .. } => error.damaged(name.as_str()),
                    other => other,
                })?;
                Ok(Some(tombstone))
            }
        }
    }

    /// Makes sure that a snapshot was made by the host that forgets it, or is forgotten by the operators.
    pub(crate) fn may_forget(&self, id: &SnapshotId, author: &Author) -> Result<(), ObjectError> {
        let Author::Host { name, .. } = author else {
            return Ok(());
        };
        match self.slot(id) {
            Ok(Slot::Root(root)) if root.made_by() != name => Err(ObjectError::NotOwn {
                snapshot: *id,
                made_by: root.made_by().to_owned(),
                host: name.clone(),
            }),
            Ok(_) => Ok(()),
            // Of one that is gone already nothing is left to be lost.
            Err(error) => self.exists(id).map_or(Ok(()), |()| Err(error)),
        }
    }

    pub(crate) fn exists(&self, id: &SnapshotId) -> Result<(), SnapshotError> {
        match self.setup.store.size(&snapshot_name(id)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_absent() => Err(SnapshotError::no_snapshot(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a mark, and who signed it; none if it was taken away meanwhile.
    pub(crate) fn mark<M: Mark>(
        &self,
        name: &Name,
        id: &SnapshotId,
    ) -> Result<Option<(M, Author)>, ObjectError> {
        let read = || -> Result<Option<(M, Author)>, ObjectError> {
            let bytes = match self.get_catalog(name, MARK_EXPANDED_MAX) {
                Err(ObjectError::Store(error)) if error.is_absent() => return Ok(None),
                other => other?,
            };
            let repository = self.header.repository;
            let mark = M::decode(&bytes, &self.trust, repository, *id)?;
            Ok(Some(mark))
        };
        read().map_err(|error| error.in_sealed(name.as_str()))
    }
}
