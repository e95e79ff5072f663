//! Holds that the store itself keeps: whoever may remove anything else removes nothing that is held.
//!
//! - First everything that the snapshot reaches is held, and then the object is written that says so. To release
//!   it goes the other way round. So whatever is interrupted, no snapshot says that it is held which is not.
//! - Both can be done again after an interruption, and go on from there.
//! - A hold that ends by itself is a term: nobody has to come and take it off.
//! - What several held snapshots reach stays held until the last of them is released. Who holds looks again
//!   after the hold is written, and who releases looks for new holds afterwards: so at worst both hold.

use crate::format::mark::Hold;
use crate::format::root::Root;
use crate::ground::names::{hold_name, snapshot_name};
use crate::objects::error::ObjectFault;
use crate::read::StoredError;
use crate::repository::Repository;
use crate::snapshot::SnapshotError;
use crate::upkeep::UpkeepError;
use crate::upkeep::object_lock::map_objects;
use crate::upkeep::object_lock::reach::{Object, reached};
use holdfast_base::cancel::Cancel;
use holdfast_base::id::SnapshotId;
use holdfast_base::progress::Progress;
use holdfast_base::time::Instant;
use holdfast_store::{Extension, Name, RetentionMode, Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;

/// What is held, why, and how long.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Why.
    pub reason: String,
    /// Its end; none, until it is released.
    pub until: Option<Instant>,
    /// Who can end it sooner, if it has an end.
    pub mode: RetentionMode,
    /// The machine that wants it.
    pub host: String,
}

/// A snapshot that is held no longer.
#[derive(Debug)]
pub struct Released {
    /// How many objects the store let go of.
    pub objects: u64,
    /// Until when the store keeps the snapshot all the same: a term cannot be made shorter.
    pub until: Option<Instant>,
    /// Whether it is known what the snapshot reaches; what is not is held still.
    pub is_whole: bool,
}

/// Holds a snapshot, and all that it reaches, in a store that locks. Returns how many objects are held by it.
///
/// # Errors
/// The store refused, or the snapshot is held already: then what was missing is held too.
pub fn hold(
    repository: &Arc<Repository>,
    root: &Root,
    wish: &Wish,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<(Hold, u64), UpkeepError> {
    let id = &root.snapshot;
    let mut objects = reached(repository, &[root], cancel)?;
    // One that is held already stays as it is, and so does its end; what was missing of it is made good.
    let standing = repository.standing_hold(id)?;
    let until = standing.as_ref().map_or(wish.until, |hold| hold.until);
    let wish = &Wish {
        until,
        ..wish.clone()
    };
    keep_objects(repository, &objects, wish, cancel, progress)?;
    let held = repository.find_hold(id, &wish.reason, until, &wish.host);
    match &held {
        Ok(_) | Err(UpkeepError::Held { .. }) => {
            if until.is_none() {
                let name = hold_name(id);
                objects.push(Object { name, bytes: 0 });
            }
            // Again: whoever released another snapshot in this moment did not know of this one.
            keep_objects(repository, &objects, wish, cancel, progress)?;
        }
        // Nobody could find out any more what it reached, and let go of it.
        Err(UpkeepError::Stored(StoredError::Snapshot(SnapshotError::NoSnapshot { .. }))) => {
            let_go(repository, id, &objects, cancel, progress)?;
        }
        Err(_) => {}
    }
    Ok((held?, objects.len() as u64))
}

/// Has the store keep objects.
fn keep_objects(
    repository: &Repository,
    objects: &[Object],
    wish: &Wish,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<(), UpkeepError> {
    let store = repository.setup.store.as_ref();
    if wish
        .until
        .is_some_and(|until| until <= repository.setup.clock.now())
    {
        return Ok(());
    }
    let answers = map_objects(objects, cancel, progress, |object| match wish.until {
        None => set_hold(store, &object.name, true).map(drop),
        Some(until) => {
            let (least, mode) = (until, wish.mode);
            let wanted = Extension { least, until, mode };
            let locks = store.require_object_lock(&object.name)?;
            locks.retain(&object.name, &wanted).map(drop)
        }
    })?;
    first_failure(answers)
}

fn first_failure<T>(answers: Vec<Option<Result<T, StoreError>>>) -> Result<(), UpkeepError> {
    let mut failures = answers.into_iter().flatten().filter_map(Result::err);
    failures.next().map_or(Ok(()), |error| Err(error.into()))
}

/// Ends the hold on a snapshot in a store that locks, and takes off what no other held snapshot reaches.
///
/// # Errors
/// It is not held, and nothing of it is; or the store refused, and doing it again goes on.
pub fn release(
    repository: &Arc<Repository>,
    id: &SnapshotId,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Released, UpkeepError> {
    let was_held = match set_hold(repository.setup.store.as_ref(), &hold_name(id), false) {
        Ok(_) => {
            repository.release(id)?;
            true
        }
        Err(error) if error.is_absent() => false,
        Err(error) => return Err(error.into()),
    };
    let root = match repository.snapshot(id) {
        Ok(root) => root,
        Err(error) if !was_held => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "what the snapshot reaches is not known, and stays held in the store");
            return Ok(Released {
                objects: 0,
                until: None,
                is_whole: false,
            });
        }
    };
    let objects = reached(repository, &[&root], cancel)?;
    let changed = let_go(repository, id, &objects, cancel, progress)?;
    if !was_held && changed == 0 {
        return Err(UpkeepError::NotHeld { snapshot: *id });
    }
    let name = snapshot_name(id);
    let store = repository.setup.store.as_ref();
    let lock = store.require_object_lock(&name)?.protection(&name)?;
    let now = repository.setup.clock.now();
    let until = lock.term.map(|term| term.until);
    Ok(Released {
        objects: changed,
        until: until.filter(|until| *until > now),
        is_whole: true,
    })
}

/// Sets or takes off the hold of one object; returns whether that changed anything.
fn set_hold(store: &dyn Store, name: &Name, is_held: bool) -> Result<bool, StoreError> {
    store.require_object_lock(name)?.set_hold(name, is_held)
}

/// Takes holds off objects that no held snapshot but this one reaches; returns how many had one.
fn let_go(
    repository: &Arc<Repository>,
    id: &SnapshotId,
    objects: &[Object],
    cancel: &Cancel,
    progress: &Progress,
) -> Result<u64, UpkeepError> {
    let others = held_roots(repository, id)?;
    let needed = object_names(reached(
        repository,
        &others.iter().collect::<Vec<_>>(),
        cancel,
    )?);
    let free = objects.iter();
    let free: Vec<Object> = free
        .filter(|object| !needed.contains(&object.name))
        .cloned()
        .collect();
    let store = repository.setup.store.as_ref();
    let answers = map_objects(&free, cancel, progress, |object| {
        set_hold(store, &object.name, false)
    })?;
    let changed = answers.iter().flatten();
    let changed = changed.filter(|one| matches!(one, Ok(true))).count();
    // What is gone needs no hold any more.
    let failures = answers.into_iter().map(|one| {
        let is_gone = |one: &Result<bool, StoreError>| matches!(one, Err(e) if e.is_absent());
        one.filter(|one| !is_gone(one))
    });
    first_failure(failures.collect())?;
    hold_again(repository, id, &others, cancel, progress)?;
    Ok(changed as u64)
}

/// Holds again what a snapshot reaches that was held in this moment.
fn hold_again(
    repository: &Arc<Repository>,
    id: &SnapshotId,
    known: &[Root],
    cancel: &Cancel,
    progress: &Progress,
) -> Result<(), UpkeepError> {
    let new: Vec<Root> = held_roots(repository, id)?
        .into_iter()
        .filter(|root| known.iter().all(|k| k.snapshot != root.snapshot))
        .collect();
    let objects = reached(repository, &new.iter().collect::<Vec<_>>(), cancel)?;
    let store = repository.setup.store.as_ref();
    let answers = map_objects(&objects, cancel, progress, |object| {
        set_hold(store, &object.name, true)
    })?;
    first_failure(answers)
}

/// Returns the snapshots, but for one, that are held without an end. Of one that is gone nothing is left.
fn held_roots(repository: &Repository, without: &SnapshotId) -> Result<Vec<Root>, UpkeepError> {
    let mut roots = Vec::new();
    for held in repository.marks_surely()?.holds {
        if held.snapshot == *without || held.until().is_some() {
            continue;
        }
        match repository.snapshot(&held.snapshot) {
            Ok(root) => roots.push(root),
            Err(error) if error.is_absence() => {}
            Err(SnapshotError::NoSnapshot { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(roots)
}

fn object_names(objects: Vec<Object>) -> HashSet<Name> {
    objects.into_iter().map(|object| object.name).collect()
}
