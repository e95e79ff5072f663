//! The index: which chunk lies where.
//!
//! The store holds immutable segments. Here they become sorted tables, merged and kept in the
//! cache directory; without one they live in memory. The cache is never trusted to be there, and
//! whatever is wrong with it is mended by reading the segments again.

/// What a killed run had already made durable.
pub mod journal;
/// A sorted table of chunks with a filter in front.
pub mod table;
/// All rows, one after the other.
pub mod walk;

use crate::error::{RepositoryError, chain};
use crate::format::segment::{self, IndexedPack, PackKind};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::{ChunkId, PackId, SegmentId};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use table::{Record, Table};

/// More single segments than this are merged into one table.
const LOOSE_MAX: usize = 16;

/// Where a chunk lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The pack.
    pub pack: PackId,
    /// What the pack holds.
    pub kind: PackKind,
    /// The epoch that it is sealed to.
    pub epoch: u32,
    /// First byte of the frame in the pack before sealing.
    pub frame_offset: u32,
    /// Length of the frame in bytes, compressed.
    pub frame_length: u32,
    /// Length of the frame in bytes, expanded.
    pub frame_expanded: u32,
    /// First byte of the chunk in the expanded frame.
    pub offset: u32,
    /// Length of the chunk in bytes.
    pub length: u32,
}

/// All chunks of a repository, as of one moment.
#[derive(Default)]
pub struct Index {
    tables: Vec<Arc<Table>>,
}

impl Index {
    /// Finds a chunk.
    ///
    /// # Errors
    /// The local copy cannot be read.
    pub fn find(&self, id: &ChunkId) -> io::Result<Option<Location>> {
        for table in &self.tables {
            if let Some(location) = table.find(id)? {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }

    /// Returns the number of the first row of a chunk, which is below [`Index::rows`] and stays the
    /// same as long as this index is held: a place in a bitmap.
    ///
    /// # Errors
    /// The local copy cannot be read.
    pub fn row(&self, id: &ChunkId) -> io::Result<Option<u64>> {
        let mut before = 0;
        for table in &self.tables {
            if let Some(number) = table.row(id)? {
                return Ok(Some(before + number));
            }
            before += table.len();
        }
        Ok(None)
    }

    /// Returns how many numbers rows have. [`Index::walk`] goes through the rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.chunks()
    }

    /// Returns how many chunks are listed; one that lies in two places counts twice.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.tables.iter().map(|table| table.len()).sum()
    }

    /// Returns how many packs are listed.
    #[must_use]
    pub fn packs(&self) -> usize {
        self.tables.iter().map(|table| table.packs()).sum()
    }

    /// Returns the packs that are listed.
    pub fn pack_ids(&self) -> impl Iterator<Item = PackId> {
        self.tables.iter().flat_map(|table| table.pack_ids())
    }

    /// Loads the segments of a repository, by way of the cache where there is one.
    ///
    /// # Errors
    /// A segment cannot be read. One that is damaged is passed over.
    pub fn load(
        segments: &[SegmentId],
        cache: Option<&Path>,
        read: &dyn Fn(&SegmentId) -> Result<Vec<IndexedPack>, RepositoryError>,
    ) -> Result<Self, RepositoryError> {
        let wanted: HashSet<SegmentId> = segments.iter().copied().collect();
        let mut tables = Vec::new();
        let mut covered = HashSet::new();
        if let Some(merged) = cache.and_then(|cache| open_merged(cache, &wanted)) {
            covered.extend(merged.segments().iter().copied());
            tables.push(Arc::new(merged));
        }
        let loose: Vec<_> = segments
            .iter()
            .copied()
            .filter(|id| !covered.contains(id))
            .collect();
        let mut index = Self { tables };
        index.append(Self::load_loose(&loose, cache, read)?);
        if loose.len() > LOOSE_MAX || (cache.is_some() && covered.is_empty() && !loose.is_empty()) {
            let merged = index.merge(cache);
            merged.map_err(|e| RepositoryError::io("merge the index", e))?;
        }
        Ok(index)
    }

    /// Loads segments as they are.
    ///
    /// # Errors
    /// A segment cannot be read. One that is damaged is passed over.
    pub fn load_loose(
        segments: &[SegmentId],
        cache: Option<&Path>,
        read: &dyn Fn(&SegmentId) -> Result<Vec<IndexedPack>, RepositoryError>,
    ) -> Result<Self, RepositoryError> {
        let mut tables = Vec::new();
        for id in segments {
            let packs = match read(id) {
                Ok(packs) => packs,
                // What only it lists is missing where it is needed, and told there; a run stores it
                // anew. So one damaged object neither hides what is sound nor stops backups.
                Err(error) if error.kind() == Kind::Damaged => {
                    let error = chain(&error);
                    tracing::warn!(%error, "going on without this part of the index");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let table = Table::of_packs(&packs, vec![*id]);
            tables.push(Arc::new(table.on_disk(cache)));
        }
        Ok(Self { tables })
    }

    /// Removes what the cache has, so that the next load reads all segments.
    pub fn forget(cache: Option<&Path>) {
        let Some(cache) = cache else { return };
        if let Err(error) = std::fs::remove_file(merged_path(cache))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the cached index cannot be removed");
        }
    }

    /// Adds what is looked into after all else.
    pub fn append(&mut self, later: Self) {
        self.tables.extend(later.tables);
    }

    fn merge(&mut self, cache: Option<&Path>) -> io::Result<()> {
        let kept = cache.map(|cache| Table::merge_into(&self.tables, &merged_path(cache)));
        let merged = match kept {
            Some(Ok(merged)) => merged,
            Some(Err(error)) => {
                tracing::debug!(%error, "the index is not kept in the cache");
                Table::merge(&self.tables)?
            }
            None => Table::merge(&self.tables)?,
        };
        self.tables = vec![Arc::new(merged)];
        Ok(())
    }
}

fn merged_path(cache: &Path) -> PathBuf {
    cache.join("index-v2")
}

/// Opens the merged table if it is sound and covers nothing that was removed.
fn open_merged(cache: &Path, wanted: &HashSet<SegmentId>) -> Option<Table> {
    match Table::open(&merged_path(cache)) {
        Ok(table) if table.segments().iter().all(|id| wanted.contains(id)) => Some(table),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(%error, "the cached index is not usable and is read from the store again");
            None
        }
    }
}

/// Makes the records of a table from packs.
#[must_use]
pub fn records(packs: &[IndexedPack]) -> Vec<Record> {
    let mut records = Vec::new();
    for (ordinal, pack) in packs.iter().enumerate() {
        for frame in &pack.frames {
            records.extend(frame.parts.iter().map(|part| Record {
                id: part.id,
                pack: ordinal as u32,
                frame_offset: frame.offset,
                frame_length: frame.length,
                frame_expanded: frame.expanded,
                offset: part.offset,
                length: part.length,
            }));
        }
    }
    records
}

/// Reads a segment's plaintext.
///
/// # Errors
/// The bytes are no segment.
pub fn decode_segment(plain: &[u8]) -> Result<Vec<IndexedPack>, RepositoryError> {
    Ok(segment::decode(plain)?)
}
