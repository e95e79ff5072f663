//! Removal. Every step leaves a repository in which nothing that is needed depends on what is gone,
//! and can be taken again.

use crate::format::segment::IndexedPack;
use crate::ground::names::{pack_name, segment_name, session_name, snapshot_name};
use crate::objects::parity::remove_parity;
use crate::pipeline::put::Catalogue;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::collect::locked::remove;
use crate::upkeep::collect::view::View;
use holdfast_base::id::{PackId, SegmentId, SnapshotId};
use std::collections::HashSet;

/// So many small segments are made into larger ones.
const SMALL_SEGMENTS_MAX: usize = 64;
/// A segment of fewer chunks is small.
const SMALL_CHUNKS: usize = 75_000;

/// Removes forgotten snapshots, unless somebody brings one back or locks it in this moment; returns whether all
/// are removed.
///
/// # Errors
/// The store failed.
pub(super) fn remove_snapshots(
    repository: &Repository,
    snapshots: &[SnapshotId],
) -> Result<bool, UpkeepError> {
    let mut are_all_removed = true;
    for id in snapshots {
        let is_removed = repository.begin_removal(id)?
            && remove(repository, &session_name(id))?
            && remove(repository, &snapshot_name(id))?;
        if is_removed {
            repository.end_removal(id)?;
        }
        are_all_removed &= is_removed;
    }
    Ok(are_all_removed)
}

/// Writes the segments anew that list packs which are removed or gone, and makes large ones of many small ones.
///
/// The new ones are there before the old ones go. Only segments are looked at that were there before packs
/// were listed: a later one may list packs that are newer than what is known here.
///
/// # Errors
/// A segment cannot be read or written.
pub(super) fn rewrite_index(
    repository: &Repository,
    view: &View,
    removed: &HashSet<PackId>,
) -> Result<u64, UpkeepError> {
    let stays = |pack: &IndexedPack| view.is_stored(&pack.id) && !removed.contains(&pack.id);
    let (mut old, mut small): (Vec<SegmentId>, Vec<SegmentId>) = (Vec::new(), Vec::new());
    for id in &view.segments {
        // One that is gone was written anew by another collection.
        let Some(packs) = repository.segment_if_there(id)? else {
            continue;
        };
        let chunks = packs.iter().flat_map(|pack| &pack.frames);
        let chunks: usize = chunks.map(|frame| frame.parts.len()).sum();
        if !packs.iter().all(stays) {
            old.push(*id);
        } else if chunks < SMALL_CHUNKS {
            small.push(*id);
        }
    }
    if small.len() > SMALL_SEGMENTS_MAX {
        old.append(&mut small);
    }
    if old.is_empty() {
        return Ok(0);
    }
    let catalogue = Catalogue::without_dedup(&repository.setup, &repository.key.catalog);
    let mut listed = HashSet::new();
    for id in &old {
        for pack in repository.segment_if_there(id)?.unwrap_or_default() {
            if stays(&pack) && listed.insert(pack.id) {
                catalogue.list(pack)?;
            }
        }
    }
    catalogue.flush()?;
    for id in &old {
        remove(repository, &segment_name(id))?;
    }
    Ok(old.len() as u64)
}

/// What became of a pack that was to be removed.
pub(super) enum Removal {
    /// It is removed.
    Removed,
    /// It was gone already.
    Gone,
    /// It is still there: it was locked after it had been asked whether it is.
    Locked,
}

/// Removes a pack.
///
/// # Errors
/// It is still there, and no lock keeps it.
pub(super) fn remove_pack(repository: &Repository, pack: &PackId) -> Result<Removal, UpkeepError> {
    let name = pack_name(pack);
    let was_there = !repository.is_gone(&name);
    if !remove(repository, &name)? {
        return Ok(Removal::Locked);
    }
    if let Err(error) = remove_parity(repository.setup.store.as_ref(), pack) {
        tracing::debug!(%error, "the parity of a removed pack stays");
    }
    Ok(if was_there {
        Removal::Removed
    } else {
        Removal::Gone
    })
}

/// Removes the tombstones whose packs are all gone. That of this collection stays in any case.
///
/// # Errors
/// The store failed.
pub(super) fn remove_tombstones(
    repository: &Repository,
    view: &View,
    removed: &HashSet<PackId>,
) -> Result<(), UpkeepError> {
    for name in view.finished_tombstones(removed) {
        remove(repository, name)?;
    }
    Ok(())
}

/// Removes what is left of sessions that have ended.
///
/// # Errors
/// The store failed.
pub(super) fn remove_sessions(repository: &Repository, view: &View) -> Result<(), UpkeepError> {
    for id in view.finished() {
        remove(repository, &session_name(&id))?;
    }
    Ok(())
}
