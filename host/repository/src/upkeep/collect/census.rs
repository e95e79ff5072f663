//! What each pack is worth: how much of it is needed, and whether only from there.

use crate::format::segment::PackKind;
use crate::index::Location;
use crate::objects::error::IoStep;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::collect::Options;
use crate::upkeep::collect::mark::Needed;
use crate::upkeep::collect::repack::Sparse;
use crate::upkeep::collect::view::View;
use holdfast_base::id::PackId;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// What a pack is worth. Bytes are those of chunks, expanded.
#[derive(Debug, Clone, Copy)]
struct Worth {
    kind: PackKind,
    epoch: u32,
    needed: u64,
    all: u64,
    is_needed: bool,
}

/// What each pack that the index lists is worth.
pub(super) struct Census {
    packs: HashMap<PackId, Worth>,
    needed: HashSet<PackId>,
}

impl Census {
    /// Goes through all copies of all chunks.
    ///
    /// Of a chunk that lies in several packs which no tombstone names, the pack with the smallest id has it, so
    /// that two collections at once take the same for superfluous. If tombstones name all its packs, all have it.
    ///
    /// # Errors
    /// A chunk that is needed lies in no pack that is there.
    pub(super) fn take_census(needed: &Needed, view: &View) -> Result<Self, UpkeepError> {
        let mut census = Self {
            packs: HashMap::new(),
            needed: HashSet::new(),
        };
        let mut copies: Vec<Location> = Vec::new();
        let mut is_needed = false;
        let mut lost = 0;
        for row in needed.index().walk().map_err(IoStep::ReadIndex.failed())? {
            let row = row.map_err(IoStep::ReadIndex.failed())?;
            if !row.is_copy {
                lost += census.count_copies(&copies, is_needed, view);
                copies.clear();
                is_needed = needed.has_row(row.number);
            }
            copies.push(row.location);
        }
        lost += census.count_copies(&copies, is_needed, view);
        if lost > 0 {
            return Err(UpkeepError::Incomplete { chunks: lost });
        }
        let packs = census.packs.iter().filter(|(_, worth)| worth.is_needed);
        census.needed = packs.map(|(id, _)| *id).collect();
        Ok(census)
    }

    /// Counts the copies of a chunk; returns how many chunks are lost by that.
    fn count_copies(&mut self, copies: &[Location], is_needed: bool, view: &View) -> u64 {
        for copy in copies {
            let worth = self.packs.entry(copy.pack).or_insert(Worth {
                kind: copy.kind,
                epoch: copy.epoch,
                needed: 0,
                all: 0,
                is_needed: false,
            });
            worth.all += u64::from(copy.length);
        }
        if !is_needed {
            return 0;
        }
        let clean = copies.iter().filter(|copy| view.is_clean(&copy.pack));
        if let Some(keeper) = clean.min_by_key(|copy| copy.pack) {
            self.need_copy(keeper);
            return 0;
        }
        let mut lost = u64::from(!copies.is_empty());
        for copy in copies.iter().filter(|copy| view.is_stored(&copy.pack)) {
            self.need_copy(copy);
            lost = 0;
        }
        lost
    }

    fn need_copy(&mut self, copy: &Location) {
        if let Some(worth) = self.packs.get_mut(&copy.pack) {
            worth.is_needed = true;
            worth.needed += u64::from(copy.length);
        }
    }

    /// Returns whether something is needed from this pack.
    pub(super) fn is_needed(&self, pack: &PackId) -> bool {
        self.needed.contains(pack)
    }

    /// Returns the packs from which something is needed.
    pub(super) fn needed(&self) -> &HashSet<PackId> {
        &self.needed
    }

    /// Returns the packs that nobody needs and no tombstone names, those too that the index does not list.
    pub(super) fn unneeded(&self, view: &View) -> HashSet<PackId> {
        view.settled()
            .filter(|pack| !self.is_needed(pack))
            .collect()
    }

    /// Returns the packs that can be removed now.
    pub(super) fn removable(&self, view: &View, grace: Duration) -> HashSet<PackId> {
        let ripe = view
            .ripe_tombstones(grace)
            .flat_map(|tombstone| &tombstone.packs);
        let there = ripe.filter(|pack| view.is_stored(pack));
        there
            .filter(|pack| !self.is_needed(pack))
            .copied()
            .collect()
    }

    /// Chooses what is worth copying: what tombstones name and is needed all the same, and then packs of which
    /// little is needed, until no more is unused than may be. What is cold stays as it is, unless it is to be sealed
    /// anew: then whoever wants that is told.
    pub(super) fn sparse(&self, repository: &Repository, options: &Options, view: &View) -> Sparse {
        let can_open = |worth: &Worth| match worth.kind {
            PackKind::Catalog => true,
            PackKind::Content | PackKind::Items => {
                repository.key.writing().is_ok() && repository.key.epoch(worth.epoch).is_ok()
            }
        };
        let can_read = |id: &PackId| options.reseal_before.is_some() || !view.is_cold(id);
        let needed = self.packs.iter().filter(|(_, worth)| worth.is_needed);
        let (clean, named): (Vec<_>, Vec<_>) = needed
            .filter(|(id, worth)| can_open(worth) && can_read(id))
            .partition(|(id, _)| view.is_clean(id));
        let mut budget = options.repack_max;
        let mut take = |id: &PackId| {
            let bytes = view.stored_bytes(id);
            let fits = bytes <= budget;
            budget -= if fits { bytes } else { 0 };
            fits
        };
        let rescued = named
            .into_iter()
            .map(|(id, _)| *id)
            .filter(&mut take)
            .collect();
        let settled: HashSet<PackId> = view.settled().collect();
        let mut clean: Vec<_> = clean
            .into_iter()
            .filter(|(id, _)| settled.contains(id))
            .collect();
        clean.sort_unstable_by_key(|(id, worth)| (worth.needed * 1000 / worth.all.max(1), **id));
        let is_older = |worth: &Worth| {
            worth.kind != PackKind::Catalog
                && options
                    .reseal_before
                    .is_some_and(|epoch| worth.epoch < epoch)
        };
        let mut retired = Vec::new();
        for (id, _) in clean.iter().filter(|(_, worth)| is_older(worth)) {
            if take(id) {
                retired.push(**id);
            }
        }
        clean.retain(|(_, worth)| !is_older(worth));
        let all: u64 = self.packs.values().map(|worth| worth.all).sum();
        let mut unused = self.unused_bytes(&retired.iter().copied().collect());
        for (id, worth) in clean {
            let wasted = worth.all - worth.needed;
            let is_enough = unused * 1000 <= all.saturating_mul(options.unused_permille);
            if wasted == 0 || is_enough {
                break;
            }
            if take(id) {
                unused -= wasted;
                retired.push(*id);
            }
        }
        Sparse { rescued, retired }
    }

    /// Returns the unneeded bytes in packs that also hold something needed, without those packs.
    pub(super) fn unused_bytes(&self, without: &HashSet<PackId>) -> u64 {
        let packs = self.packs.iter();
        packs
            .filter(|(id, worth)| worth.is_needed && !without.contains(id))
            .map(|(_, worth)| worth.all - worth.needed)
            .sum()
    }
}
