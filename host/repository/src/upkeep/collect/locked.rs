//! What object lock keeps. It is asked about before anything is decided, and believed again when something
//! does not go: a lock may have been set in between, and that is no failure.

use crate::ground::names::{pack_name, snapshot_name};
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::collect::Report;
use crate::upkeep::collect::view::View;
use crate::upkeep::object_lock::{Object, map_objects};
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{PackId, SnapshotId};
use holdfast_base::progress::Progress;
use holdfast_base::time::Instant;
use holdfast_store::{Name, Protection};
use std::collections::{HashMap, HashSet};

/// What is locked of some objects.
#[derive(Default)]
pub(super) struct Locks {
    /// Packs that are locked.
    pub(super) packs: HashMap<PackId, Protection>,
    /// Forgotten snapshots that are.
    pub(super) snapshots: HashMap<SnapshotId, Protection>,
}

impl Locks {
    /// Asks about forgotten snapshots.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn of_snapshots(
        repository: &Repository,
        wanted: &[SnapshotId],
        now: Instant,
        cancel: &Cancel,
    ) -> Result<HashMap<SnapshotId, Protection>, UpkeepError> {
        locked(repository, wanted, snapshot_name, now, cancel)
    }

    /// Asks about packs.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn of_packs(
        repository: &Repository,
        wanted: &[PackId],
        now: Instant,
        cancel: &Cancel,
    ) -> Result<HashMap<PackId, Protection>, UpkeepError> {
        locked(repository, wanted, pack_name, now, cancel)
    }

    /// Puts down how much locks keep, and for how long; `idle` are packs that only locked snapshots need.
    pub(super) fn report_locked(&self, report: &mut Report, view: &View, idle: &HashSet<PackId>) {
        let is_held = self.snapshots.values().any(|lock| lock.is_held);
        for pack in idle {
            let bytes = view.stored_bytes(pack);
            report.locked.add_pack(bytes);
            if is_held {
                report.held.add_pack(bytes);
            }
        }
        for (pack, lock) in &self.packs {
            let bytes = view.stored_bytes(pack);
            report.locked.add_pack(bytes);
            if lock.is_held {
                report.held.add_pack(bytes);
            }
        }
        let locks = self.packs.values().chain(self.snapshots.values());
        report.locked_until = locks.filter_map(|lock| Some(lock.term?.until)).max();
        report.locked_snapshots = self.snapshots.keys().copied().collect();
        report.locked_snapshots.sort_unstable();
    }
}

/// Returns those of some objects that are locked at that moment; none if the store locks nothing.
fn locked<I: Copy + Eq + std::hash::Hash>(
    repository: &Repository,
    wanted: &[I],
    name: impl Fn(&I) -> Name,
    now: Instant,
    cancel: &Cancel,
) -> Result<HashMap<I, Protection>, UpkeepError> {
    let mut found = HashMap::new();
    if !repository.can_lock() {
        return Ok(found);
    }
    let objects = wanted.iter().map(|id| {
        let name = name(id);
        Ok(Object { name, bytes: 0 })
    });
    let objects = objects.collect::<Result<Vec<_>, UpkeepError>>()?;
    let store = repository.setup.store.as_ref();
    let answers = map_objects(&objects, cancel, &Progress::default(), |object| {
        store
            .require_object_lock(&object.name)?
            .protection(&object.name)
    })?;
    for (id, answer) in wanted.iter().zip(answers) {
        match answer {
            Some(Ok(lock)) if lock.holds_at(now) => drop(found.insert(*id, lock)),
            Some(Err(error)) if !error.is_absent() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(found)
}

/// Removes an object; returns whether no lock keeps it.
///
/// # Errors
/// It is still there, for another reason.
pub(super) fn remove(repository: &Repository, name: &Name) -> Result<bool, UpkeepError> {
    match repository.setup.store.delete(name) {
        Ok(()) => Ok(true),
        Err(error) if error.is_locked() => {
            tracing::debug!(%name, "a lock keeps it");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
