//! Copies what is needed out of packs that hold little else of use.

use crate::format::pack::{Frame, Part};
use crate::format::segment::{IndexedPack, PackKind};
use crate::index::Location;
use crate::objects::error::{IoStep, ObjectError, ensure_not_cancelled};
use crate::pipeline::compress::{Expander, FrameBytes, verify};
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::collect::mark::{Bits, Needed};
use crate::upkeep::collect::view::View;
use crate::upkeep::rewrite::Rewriter;
use crate::write::lease::Lease;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::PackId;
use std::collections::HashSet;
use std::sync::Arc;

/// Packs that are copied.
pub(super) struct Sparse {
    /// Those that a tombstone names although something in them is needed.
    pub(super) rescued: Vec<PackId>,
    /// Those that the next tombstone names.
    pub(super) retired: Vec<PackId>,
}

/// Copies the needed chunks of packs into new ones, each once, unless it also lies in a pack that stays; returns
/// the bytes of the new packs.
///
/// # Errors
/// A pack cannot be read, or storing failed: the old ones stay as they are.
pub(super) fn repack(
    repository: &Arc<Repository>,
    lease: &Lease,
    sparse: &Sparse,
    view: &View,
    needed: &Needed,
    cancel: &Cancel,
) -> Result<u64, UpkeepError> {
    let wanted: HashSet<PackId> = sparse
        .rescued
        .iter()
        .chain(&sparse.retired)
        .copied()
        .collect();
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut held = held_elsewhere(needed, view, &wanted)?;
    let mut rewriter = Rewriter::begin_rewrite(repository, lease)?;
    let mut done = HashSet::new();
    for segment in repository.segments()? {
        for pack in repository.segment_if_there(&segment)?.unwrap_or_default() {
            if wanted.contains(&pack.id) && done.insert(pack.id) {
                copy_pack(repository, &mut rewriter, &pack, needed, &mut held, cancel)?;
            }
        }
    }
    if done.len() < wanted.len() {
        // What is not copied must not be named.
        return Err(ObjectError::Disagree { area: "index" }.into());
    }
    let written = rewriter.finish()?;
    Ok(written.into_iter().map(|(_, bytes)| bytes).sum())
}

/// Returns the chunks that need not be copied: the pack from which each is needed is not among these, and no
/// tombstone names it. Another collection takes the same pack for that one, and names none of both then.
fn held_elsewhere(
    needed: &Needed,
    view: &View,
    wanted: &HashSet<PackId>,
) -> Result<Bits, UpkeepError> {
    let mut held = Bits::for_index(needed.index());
    let (mut first, mut keeper) = (0, None);
    let mut tell = |row, keeper: Option<PackId>| match keeper {
        Some(keeper) if !wanted.contains(&keeper) => held.set(row).map(drop),
        _ => Ok(()),
    };
    for row in needed.index().walk().map_err(IoStep::ReadIndex.failed())? {
        let row = row.map_err(IoStep::ReadIndex.failed())?;
        if !row.is_copy {
            tell(first, keeper.take())?;
            first = row.number;
        }
        let pack = row.location.pack;
        if view.is_clean(&pack) && keeper.is_none_or(|keeper| pack < keeper) {
            keeper = Some(pack);
        }
    }
    tell(first, keeper)?;
    Ok(held)
}

/// Copies the needed chunks of a pack that were not copied yet.
fn copy_pack(
    repository: &Arc<Repository>,
    rewriter: &mut Rewriter<'_>,
    pack: &IndexedPack,
    needed: &Needed,
    held: &mut Bits,
    cancel: &Cancel,
) -> Result<(), UpkeepError> {
    let mut expander = Expander::new()?;
    for frame in &pack.frames {
        ensure_not_cancelled(cancel)?;
        let mut parts = Vec::new();
        for part in &frame.parts {
            let row = needed
                .find_row(&part.id)?
                .filter(|row| needed.has_row(*row));
            if let Some(row) = row
                && held.set(row)?
            {
                parts.push(*part);
            }
        }
        if !parts.is_empty() {
            let bytes = needed.reader().open_pack(
                &Location::in_frame(pack, frame, 0, frame.expanded),
                u64::from(frame.offset),
                frame.length as usize,
            )?;
            let plain = expander.expand(&bytes, frame.expanded)?;
            check_frame(repository, pack.kind, plain, frame)?;
            copy_parts(rewriter, pack.kind, frame, parts, bytes, plain)?;
        }
    }
    Ok(())
}

/// Copies chunks of a frame: the frame as it is if all of them are needed.
fn copy_parts(
    rewriter: &mut Rewriter<'_>,
    kind: PackKind,
    frame: &Frame,
    parts: Vec<Part>,
    bytes: Vec<u8>,
    plain: &[u8],
) -> Result<(), UpkeepError> {
    if parts.len() == frame.parts.len() {
        let whole = FrameBytes {
            bytes,
            expanded: frame.expanded,
            parts,
        };
        return Ok(rewriter.take_frame(kind, whole)?);
    }
    for part in parts {
        let end = part.offset as usize + part.length as usize;
        rewriter.take_chunk(kind, part.id, &plain[part.offset as usize..end])?;
    }
    Ok(())
}

/// Checks that the chunks of a frame have the content that their names say, if the key can name them.
fn check_frame(
    repository: &Repository,
    kind: PackKind,
    plain: &[u8],
    frame: &Frame,
) -> Result<(), UpkeepError> {
    let Some(key) = &repository.id_key else {
        return Ok(());
    };
    Ok(verify(key, kind.domains(), plain, &frame.parts)?)
}
