//! Index segments of a repair: new ones are created and proven before an old one goes.

use crate::format::segment::{self, IndexedPack, PACKS_MAX};
use crate::ground::names::segment_name;
use crate::ground::seal::{Recipient, seal_bytes};
use crate::objects::create::create_surely;
use crate::objects::error::{IoStep, ObjectError};
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::repair::aside;
use crate::upkeep::repair::{What, Work};
use holdfast_base::id::{PackId, SegmentId};
use std::collections::HashSet;

/// Chunks in one segment, as runs write them.
const SEGMENT_CHUNKS: usize = 150_000;

impl Work<'_> {
    /// Lists packs, and no longer lists others: writes new segments, then removes those they replace.
    ///
    /// # Errors
    /// The store failed. All that was listed still is.
    pub(super) fn relist(
        &mut self,
        listed: Vec<IndexedPack>,
        dropped: &HashSet<PackId>,
    ) -> Result<(), UpkeepError> {
        let replaced: Vec<(SegmentId, Vec<PackId>)> = self
            .survey
            .segments
            .iter()
            .filter(|(_, packs)| packs.iter().any(|id| dropped.contains(id)))
            .cloned()
            .collect();
        for pack in &listed {
            let chunks: usize = pack.frames.iter().map(|frame| frame.parts.len()).sum();
            let detail = format!("{chunks} chunks are found again");
            self.record_action(What::Listed, format!("packs/{}", pack.id), detail);
        }
        let mut seen: HashSet<PackId> = listed.iter().map(|pack| pack.id).collect();
        let kept = replaced.iter().flat_map(|(_, packs)| packs);
        let kept: Vec<IndexedPack> = kept
            .filter(|id| !dropped.contains(id) && seen.insert(**id))
            .filter_map(|id| self.survey.packs.get(id))
            .map(|pack| IndexedPack::clone(pack))
            .collect();
        if !self.is_dry {
            for packs in portions(listed.into_iter().chain(kept)) {
                write_listing(self.repository, &packs)?;
            }
        }
        for (id, _) in replaced {
            self.remove_segment(&id)?;
        }
        Ok(())
    }

    fn remove_segment(&mut self, id: &SegmentId) -> Result<(), UpkeepError> {
        let name = segment_name(id);
        let kept = if self.is_dry {
            None
        } else {
            aside::remove(self.store(), &name)?
        };
        match kept {
            None => self.record_action(
                What::Removed,
                name.to_string(),
                "a new one stands for it".into(),
            ),
            Some(why) => self.record_action(What::Kept, name.to_string(), why),
        }
        Ok(())
    }
}

/// Divides packs into what one segment holds.
fn portions(packs: impl Iterator<Item = IndexedPack>) -> Vec<Vec<IndexedPack>> {
    let mut portions: Vec<Vec<IndexedPack>> = Vec::new();
    let mut chunks = SEGMENT_CHUNKS;
    for pack in packs {
        let is_full = portions.last().is_none_or(|last| last.len() >= PACKS_MAX);
        if is_full || chunks >= SEGMENT_CHUNKS {
            portions.push(Vec::new());
            chunks = 0;
        }
        chunks += pack
            .frames
            .iter()
            .map(|frame| frame.parts.len())
            .sum::<usize>();
        if let Some(last) = portions.last_mut() {
            last.push(pack);
        }
    }
    portions
}

/// Writes a segment and reads it back.
fn write_listing(repository: &Repository, packs: &[IndexedPack]) -> Result<(), UpkeepError> {
    let plain = zstd::bulk::compress(&segment::encode(packs), 3)
        .map_err(IoStep::CompressSegment.failed())?;
    let recipients = [Recipient::PublicKey(
        repository.key.catalog.public_key.clone(),
    )];
    let sealed = seal_bytes(repository.setup.sealer.as_ref(), &recipients, plain)?;
    let id = SegmentId(*blake3::hash(&sealed).as_bytes());
    let name = segment_name(&id);
    create_surely(repository.setup.store.as_ref(), &name, &sealed)?;
    let stored = repository
        .segment(&id)
        .map_err(|e| e.read_back_failed(&name))?;
    if stored == packs {
        Ok(())
    } else {
        Err(ObjectError::ContentMismatch.read_back_failed(&name).into())
    }
}
