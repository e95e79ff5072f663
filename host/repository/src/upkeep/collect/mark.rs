//! What is needed: one bit for every chunk of the index.

use crate::format::refs::{Reference, decode_ids};
use crate::format::root::Root;
use crate::ground::domain::Domain;
use crate::index::Index;
use crate::objects::error::{IoStep, ensure_not_cancelled};
use crate::read::ReadError;
use crate::read::Reader;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::ChunkId;
use holdfast_base::progress::Progress;
use std::sync::Arc;

/// One bit for every row of an index.
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// None is set.
    pub(super) fn for_index(index: &Index) -> Self {
        let words = index.rows().div_ceil(64);
        Self(vec![0; usize::try_from(words).unwrap_or(usize::MAX)])
    }

    /// Returns whether a bit is set.
    pub(super) fn is_marked(&self, row: u64) -> bool {
        let word = self.0.get((row / 64) as usize);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Sets a bit; returns whether it was not set before.
    ///
    /// # Errors
    /// There is no such row.
    pub(super) fn set(&mut self, row: u64) -> Result<bool, UpkeepError> {
        let no_row = || UpkeepError::MissingRow;
        let word = self.0.get_mut((row / 64) as usize).ok_or_else(no_row)?;
        let bit = 1 << (row % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        Ok(is_new)
    }
}

/// The chunks that snapshots need.
pub(super) struct Needed {
    reader: Reader,
    bits: Bits,
}

impl Needed {
    /// Returns the index whose rows the bits stand for.
    pub(super) fn index(&self) -> &Index {
        &self.reader.index
    }

    /// Returns what reads packs by that index.
    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Returns whether the chunk whose first row has that number is needed.
    pub(super) fn has_row(&self, row: u64) -> bool {
        self.bits.is_marked(row)
    }

    /// Returns the number of a chunk's first row.
    ///
    /// # Errors
    /// The local copy of the index cannot be read.
    pub(super) fn find_row(&self, id: &ChunkId) -> Result<Option<u64>, UpkeepError> {
        let row = self.reader.index.row(id);
        Ok(row.map_err(IoStep::ReadIndex.failed())?)
    }

    /// Marks a chunk; returns whether it was not marked before.
    fn set(&mut self, id: &ChunkId) -> Result<bool, UpkeepError> {
        let missing = ReadError::MissingChunk { chunk: *id };
        let row = self.find_row(id)?.ok_or(missing)?;
        self.bits.set(row)
    }

    /// Marks pieces of a reference stream, and what they lead to. A piece that is marked has been followed:
    /// snapshots share most of them.
    fn follow(
        &mut self,
        pieces: &[ChunkId],
        levels: u32,
        cancel: &Cancel,
    ) -> Result<(), UpkeepError> {
        for piece in pieces {
            ensure_not_cancelled(cancel)?;
            if !self.set(piece)? {
                continue;
            }
            if levels > 0 {
                let below = decode_ids(&self.reader.read_chunk(Domain::Trunk, piece)?)?;
                self.follow(&below, levels - 1, cancel)?;
                continue;
            }
            let references = self.reader.read_chunk(Domain::References, piece)?;
            for reference in Reference::decode_all(&references)? {
                self.set(&reference.chunk_id())?;
            }
        }
        Ok(())
    }
}

/// Marks what snapshots need.
///
/// # Errors
/// Something that one needs is missing or damaged: what else it needs cannot be told.
pub(super) fn mark_needed(
    repository: &Arc<Repository>,
    roots: &[&Root],
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Needed, UpkeepError> {
    let reader = Reader::new(Arc::clone(repository))?;
    let mut needed = Needed {
        bits: Bits::for_index(&reader.index),
        reader,
    };
    for root in roots {
        needed.follow(&root.references.ids, root.references.levels, cancel)?;
        progress.add_done(1);
    }
    Ok(needed)
}
