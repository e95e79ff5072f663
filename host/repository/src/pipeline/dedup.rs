//! Deduplication: answers "do we hold this chunk already?" without asking the store.
//!
//! Three places are asked: what this run has claimed and not indexed yet, what it has indexed, and
//! what the repository held when it began. A chunk is claimed once, whoever of the workers meets it.

use crate::format::segment::IndexedPack;
use crate::index::Index;
use crate::index::grow::Added;
use holdfast_base::id::{ChunkId, SegmentId};
use holdfast_base::sync::Unpoisoned;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

const SHARDS: usize = 64;

/// What the workers of one run share.
pub(crate) struct Dedup {
    index: Arc<Index>,
    claimed: Vec<Mutex<HashSet<ChunkId>>>,
    added: Added,
}

impl Dedup {
    /// Starts with what the repository holds.
    #[must_use]
    pub(crate) fn new(index: Arc<Index>) -> Self {
        let claimed = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            index,
            claimed,
            added: Added::default(),
        }
    }

    /// Returns how many packs the repository held when the run began.
    #[must_use]
    pub(crate) fn packs(&self) -> usize {
        self.index.packs()
    }

    /// Returns what the repository held when the run began.
    #[must_use]
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Returns whether the caller is the first to meet the chunk, and so must store it.
    ///
    /// # Errors
    /// The local copy of the index cannot be read.
    pub(crate) fn claim(&self, id: &ChunkId) -> io::Result<bool> {
        if self.is_indexed(id)? {
            return Ok(false);
        }
        let shard = &self.claimed[usize::from(id.0[0]) % SHARDS];
        Ok(shard.lock_unpoisoned().insert(*id))
    }

    /// Returns whether the chunk is held, without claiming it.
    ///
    /// # Errors
    /// The local copy of the index cannot be read.
    pub(crate) fn is_held(&self, id: &ChunkId) -> io::Result<bool> {
        let shard = &self.claimed[usize::from(id.0[0]) % SHARDS];
        let claimed = shard.lock_unpoisoned().contains(id);
        Ok(claimed || self.is_indexed(id)?)
    }

    /// Moves the chunks of a segment from what was claimed to what is indexed, so that memory stays
    /// bounded.
    ///
    /// # Errors
    /// The local copy of the index cannot be read.
    pub(crate) fn indexed(
        &self,
        packs: &[IndexedPack],
        segment: SegmentId,
        cache: Option<&Path>,
    ) -> io::Result<()> {
        self.added.push(packs, segment, cache)?;
        let frames = packs.iter().flat_map(|pack| &pack.frames);
        let ids = frames.flat_map(|frame| &frame.parts).map(|part| part.id);
        for id in ids {
            let shard = &self.claimed[usize::from(id.0[0]) % SHARDS];
            shard.lock_unpoisoned().remove(&id);
        }
        Ok(())
    }

    fn is_indexed(&self, id: &ChunkId) -> io::Result<bool> {
        Ok(self.index.holds(id)? || self.added.holds(id)?)
    }
}
