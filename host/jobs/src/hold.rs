//! Holds snapshots, ends holds, and brings back what was forgotten.

use crate::context::Context;
use crate::error::JobError;
use crate::error::keep::KeepError;
use crate::list::find_forgotten;
use crate::lock::parse_end;
use crate::open::Access;
use crate::select::{SelectError, find_id, find_snapshot, pick_snapshot};
use holdfast_base::id::SnapshotId;
use holdfast_base::progress::Progress;
use holdfast_base::time::Instant;
use holdfast_repository::format::mark::Hold;
use holdfast_repository::format::root::Root;
use holdfast_repository::object_lock::hold::{self, Released, Wish};
use holdfast_repository::{Repository, UpkeepError};

/// Why and for how long a snapshot is to be held. Only [`HoldWish::parse`] makes one.
pub struct HoldWish {
    reason: String,
    until: Option<Instant>,
}

/// A snapshot that is held.
#[derive(Debug)]
pub struct HeldSnapshot {
    /// The snapshot.
    pub root: Root,
    /// The hold.
    pub hold: Hold,
    /// How many objects the store holds for it, if the store locks.
    pub objects: Option<u64>,
}

/// A snapshot that is held no longer.
#[derive(Debug)]
pub struct ReleasedSnapshot {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What the store let go, if the store locks.
    pub released: Option<Released>,
}

impl HoldWish {
    /// Checks a reason and an end.
    ///
    /// # Errors
    /// The reason says nothing, or the end is no time to come.
    pub fn parse(context: &Context, reason: &str, until: Option<&str>) -> Result<Self, JobError> {
        let parse = |text: &str| {
            let end = parse_end(context, text)?;
            let text = text.to_owned();
            Ok::<_, JobError>(end.ok_or(KeepError::InvalidHoldEnd { text })?)
        };
        let until = until.map(parse).transpose()?;
        if reason.trim().is_empty() {
            return Err(KeepError::NoReason.into());
        }
        let reason = reason.to_owned();
        Ok(Self { reason, until })
    }
}

/// Holds a snapshot: if the store locks, in the store too.
///
/// # Errors
/// The snapshot is held already, or the store refused.
pub fn hold_snapshot(
    context: &Context,
    access: &Access,
    snapshot: &str,
    wish: HoldWish,
    progress: &Progress,
) -> Result<HeldSnapshot, JobError> {
    let repository = access.open(context)?;
    let root = find_snapshot(&repository, snapshot)?;
    let HoldWish { reason, until } = wish;
    let host = context.places.host.clone();
    if !repository.can_lock() {
        let hold = repository.find_hold(&root.snapshot, &reason, until, &host)?;
        return Ok(HeldSnapshot {
            root,
            hold,
            objects: None,
        });
    }
    let mode = context.config.store(&access.store)?.lock_mode();
    let wish = Wish {
        reason,
        until,
        mode,
        host,
    };
    let (hold, objects) = hold::hold(&repository, &root, &wish, &context.cancel, progress)?;
    Ok(HeldSnapshot {
        root,
        hold,
        objects: Some(objects),
    })
}

/// Ends the hold on a snapshot, in the store too if that locks.
///
/// # Errors
/// It is not held, or the store refused.
pub fn release_snapshot(
    context: &Context,
    access: &Access,
    snapshot: &str,
    progress: &Progress,
) -> Result<ReleasedSnapshot, JobError> {
    let repository = access.open(context)?;
    let id = find_id(&repository, snapshot)?;
    let released = if repository.can_lock() {
        Some(hold::release(&repository, &id, &context.cancel, progress)?)
    } else {
        repository.release(&id)?;
        None
    };
    Ok(ReleasedSnapshot {
        snapshot: id,
        released,
    })
}

/// Brings a forgotten snapshot back.
///
/// # Errors
/// There is no such snapshot, or it is not forgotten.
pub fn restore_forgotten(
    context: &Context,
    access: &Access,
    snapshot: &str,
) -> Result<Root, JobError> {
    let repository = access.open(context)?;
    let id = match snapshot.parse() {
        Ok(id) => id,
        Err(_) => find_forgotten_id(&repository, snapshot)?,
    };
    repository.undelete(&id)?;
    Ok(repository.snapshot(&id)?)
}

/// Finds a forgotten snapshot by what people call it.
fn find_forgotten_id(repository: &Repository, wanted: &str) -> Result<SnapshotId, JobError> {
    let (found, _) = find_forgotten(repository)?;
    let roots: Vec<Root> = found.into_iter().map(|forgotten| forgotten.root).collect();
    let error = match pick_snapshot(&roots, wanted) {
        Ok(root) => return Ok(root.snapshot),
        Err(error) => error,
    };
    // It may be one that is not forgotten, or never was.
    match find_snapshot(repository, wanted) {
        Ok(root) => {
            let snapshot = root.snapshot;
            Err(UpkeepError::NotForgotten { snapshot }.into())
        }
        Err(_) if roots.is_empty() => {
            let wanted = wanted.to_owned();
            Err(SelectError::NotForgotten { wanted }.into())
        }
        Err(_) => Err(error.into()),
    }
}
