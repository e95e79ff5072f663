//! What the index lists and what the store has, as of one moment.
//!
//! Backups and collections go on while a check reads. A collection stores a segment anew before it removes the
//! old one, and removes a pack only after no segment names it any more. So what is missing is damage only
//! if a segment names it that is still there when it is listed once more.

use crate::format::segment::IndexedPack;
use crate::ground::names::PACKS;
use crate::objects::error::ObjectError;
use crate::objects::error::ObjectFault;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::thaw::{Cold, Frozen};
use holdfast_base::id::{PackId, SegmentId};
use holdfast_store::{Listed, Warmth};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How often it is looked again when segments come and go.
const ROUNDS_MAX: usize = 5;

/// Segments, the packs that they list, and the packs that are there.
#[derive(Default)]
pub(super) struct Extent {
    /// Sound segments, with what each lists.
    pub(super) segments: HashMap<SegmentId, Vec<Arc<IndexedPack>>>,
    /// Segments that cannot be read, and why.
    pub(super) unread: Vec<(SegmentId, ObjectError)>,
    /// Packs that the store has, with their lengths.
    pub(super) stored: HashMap<PackId, u64>,
    /// Those of them that may have to be thawed before they can be read.
    pub(super) cold: Cold,
    /// Those of them that lie in a cold class, thawed or not.
    pub(super) in_cold_class: Frozen,
    /// What lies among the packs and is none.
    pub(super) strangers: Vec<String>,
}

impl Extent {
    pub(super) fn read(repository: &Repository) -> Result<Self, UpkeepError> {
        let mut extent = Self::default();
        extent.refresh(repository)?;
        Ok(extent)
    }

    /// Follows what has changed since it was read.
    pub(super) fn refresh(&mut self, repository: &Repository) -> Result<(), UpkeepError> {
        for _ in 0..ROUNDS_MAX {
            let is_whole = self.read_segments(repository)?;
            self.list_packs(repository)?;
            if is_whole && (!self.lacks_packs() || self.is_current(repository)?) {
                break;
            }
        }
        Ok(())
    }

    /// Returns the packs that sound segments list.
    pub(super) fn listed_packs(&self) -> HashMap<PackId, Arc<IndexedPack>> {
        let listed = self.segments.values().flatten();
        listed.map(|pack| (pack.id, Arc::clone(pack))).collect()
    }

    /// Reads the segments that are new, and lets go of those that went; returns whether none went before it
    /// could be read.
    fn read_segments(&mut self, repository: &Repository) -> Result<bool, UpkeepError> {
        let listed: HashSet<SegmentId> = repository.segments()?.into_iter().collect();
        self.segments.retain(|id, _| listed.contains(id));
        self.unread.retain(|(id, _)| listed.contains(id));
        let mut is_whole = true;
        for id in listed {
            if self.knows_segment(&id) {
                continue;
            }
            match repository.segment(&id) {
                Ok(packs) => {
                    let packs = packs.into_iter().map(Arc::new).collect();
                    self.segments.insert(id, packs);
                }
                Err(error) if error.is_absence() => is_whole = false,
                Err(error) => self.unread.push((id, error)),
            }
        }
        self.unread.sort_by_key(|(id, _)| *id);
        Ok(is_whole)
    }

    fn knows_segment(&self, id: &SegmentId) -> bool {
        self.segments.contains_key(id) || self.unread.iter().any(|(unread, _)| unread == id)
    }

    fn list_packs(&mut self, repository: &Repository) -> Result<(), UpkeepError> {
        self.stored.clear();
        self.strangers.clear();
        self.cold.clear();
        self.in_cold_class = Frozen::default();
        for listed in repository.setup.store.list(PACKS)? {
            match listed.name.last().parse::<PackId>() {
                Ok(id) => self.note_pack(id, &listed),
                Err(_) => self.strangers.push(listed.name.to_string()),
            }
        }
        Ok(())
    }

    fn note_pack(&mut self, pack: PackId, listed: &Listed) {
        if listed.warmth != Warmth::Warm {
            self.cold.insert(pack, listed.size);
        }
        if listed.warmth == Warmth::Cold {
            self.in_cold_class.add(Frozen {
                packs: 1,
                bytes: listed.size,
                asked: 0,
            });
        }
        self.stored.insert(pack, listed.size);
    }

    fn lacks_packs(&self) -> bool {
        let mut listed = self.segments.values().flatten();
        listed.any(|pack| !self.stored.contains_key(&pack.id))
    }

    /// Returns whether the segments are still those that were read.
    fn is_current(&self, repository: &Repository) -> Result<bool, UpkeepError> {
        let listed = repository.segments()?;
        let known = self.segments.len() + self.unread.len();
        Ok(listed.len() == known && listed.iter().all(|id| self.knows_segment(id)))
    }
}
