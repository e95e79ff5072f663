//! The index: which chunk lies where.
//!
//! The store holds immutable segments. Here they become sorted tables, kept in the cache directory
//! and merged so that there are few; without one they live in memory. The cache is never trusted to be
//! there, and whatever is wrong with it is mended by reading the segments again.

/// What a run adds.
pub(crate) mod grow;
/// What a killed run had already made durable.
pub(crate) mod journal;
/// The tables that the cache keeps.
mod levels;
/// A sorted table of chunks with a filter in front.
pub(crate) mod table;
/// All rows, one after the other.
pub(crate) mod walk;

use crate::format::pack::Frame;
use crate::format::segment::{self, IndexedPack, PackKind};
use crate::objects::error::{IoStep, ObjectError, ObjectFault};
use holdfast_base::error::join_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::{ChunkId, PackId, SegmentId};
use holdfast_base::sync::Unpoisoned;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use table::{Rows, Standing, Table};

/// Where the index comes from: reads one segment.
pub(crate) type Segments =
    dyn Fn(&SegmentId) -> Result<Vec<IndexedPack>, ObjectError> + Send + Sync;

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

impl Location {
    /// Returns the place of some bytes of an expanded frame.
    pub(crate) fn in_frame(pack: &IndexedPack, frame: &Frame, offset: u32, length: u32) -> Self {
        Self {
            pack: pack.id,
            kind: pack.kind,
            epoch: pack.epoch,
            frame_offset: frame.offset,
            frame_length: frame.length,
            frame_expanded: frame.expanded,
            offset,
            length,
        }
    }
}

/// A table, and what stands in for it if it turns out to be damaged.
struct Level {
    table: Table,
    mended: Mutex<Option<Arc<Table>>>,
}

impl Level {
    fn new(rows: Rows) -> io::Result<Self> {
        Ok(Self {
            table: Table::new(rows)?,
            mended: Mutex::default(),
        })
    }

    /// Finds a chunk, in the segments themselves if the table is damaged.
    fn find(
        &self,
        id: &ChunkId,
        standing: Standing,
        mend: &dyn Fn(&Table) -> io::Result<Table>,
    ) -> io::Result<Option<Location>> {
        match self.table.find(id, standing) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let mut mended = self.mended.lock_unpoisoned();
                let table = match &*mended {
                    Some(table) => Arc::clone(table),
                    None => Arc::clone(mended.insert(Arc::new(mend(&self.table)?))),
                };
                drop(mended);
                table.find(id, standing)
            }
            found => found,
        }
    }
}

/// All chunks of a repository, as of one moment.
#[derive(Default)]
pub struct Index {
    levels: Vec<Level>,
    segments: Option<Arc<Segments>>,
    cache: Option<PathBuf>,
    has_suspects: bool,
}

impl Index {
    /// Finds a chunk; in suspect packs only if it is in no other.
    ///
    /// # Errors
    /// The local copy cannot be read, and neither can the segments.
    pub fn find(&self, id: &ChunkId) -> io::Result<Option<Location>> {
        for standing in self.standings() {
            for level in &self.levels {
                let found = level.find(id, *standing, &|table| self.mend(table))?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// Returns whether a chunk is listed.
    ///
    /// # Errors
    /// The local copy cannot be read, and neither can the segments.
    pub fn holds(&self, id: &ChunkId) -> io::Result<bool> {
        match self.row(id) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Ok(self.find(id)?.is_some())
            }
            found => Ok(found?.is_some()),
        }
    }

    /// Returns the number of the first row of a chunk, which is below [`Index::rows`] and stays the
    /// same as long as this index is held: a place in a bitmap.
    ///
    /// # Errors
    /// The local copy cannot be read, or is damaged; the next load makes it again, with other numbers.
    pub fn row(&self, id: &ChunkId) -> io::Result<Option<u64>> {
        for standing in self.standings() {
            let mut before = 0;
            for level in &self.levels {
                if let Some(number) = level.table.row(id, *standing)? {
                    return Ok(Some(before + number));
                }
                before += level.table.rows().len();
            }
        }
        Ok(None)
    }

    fn standings(&self) -> &[Standing] {
        let all = &[Standing::Sound, Standing::Suspect];
        if self.has_suspects { all } else { &all[..1] }
    }

    /// Returns how many numbers rows have. [`Index::walk`] goes through the rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.levels.iter().map(|l| l.table.rows().len()).sum()
    }

    /// Returns how many packs are listed.
    #[must_use]
    pub fn packs(&self) -> usize {
        self.pack_ids().count()
    }

    /// Returns the packs that are listed; one that two segments list comes twice.
    pub fn pack_ids(&self) -> impl Iterator<Item = PackId> {
        let rows = self.levels.iter().map(|level| level.table.rows());
        rows.flat_map(|rows| {
            let sound = rows.packs(Standing::Sound);
            sound.chain(rows.packs(Standing::Suspect))
        })
    }

    /// Returns the bytes that the index holds in memory while its rows are in files.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        self.levels.iter().map(|l| l.table.resident_bytes()).sum()
    }

    /// Loads the segments of a repository, by way of the cache if there is one.
    ///
    /// # Errors
    /// A segment cannot be read. One that is damaged is passed over.
    pub fn load(
        segments: &[SegmentId],
        cache: Option<&Path>,
        read: Arc<Segments>,
    ) -> Result<Self, ObjectError> {
        let levels = levels::load(segments, cache, read.as_ref())?;
        Ok(Self {
            levels,
            segments: Some(read),
            cache: cache.map(Path::to_owned),
            has_suspects: false,
        })
    }

    /// Removes what the cache has, so that the next load reads all segments.
    pub fn forget(cache: Option<&Path>) {
        if let Some(cache) = cache {
            levels::forget(cache);
        }
    }

    /// Looks into packs last.
    pub fn suspect(&mut self, packs: &HashSet<PackId>) {
        self.judge(packs, Standing::Suspect);
        self.has_suspects = true;
    }

    /// Finds nothing in packs any more.
    pub fn dismiss(&mut self, packs: &HashSet<PackId>) {
        self.judge(packs, Standing::Gone);
    }

    fn judge(&mut self, packs: &HashSet<PackId>, standing: Standing) {
        for level in &mut self.levels {
            level.table.rows_mut().judge(packs, standing);
        }
    }

    /// Makes a table again from its segments.
    fn mend(&self, table: &Table) -> io::Result<Table> {
        let read = self.segments.as_ref().ok_or_else(table::damaged)?;
        let segments = table.rows().segments();
        let mut rows = levels::gather(segments, self.cache.as_deref(), read.as_ref())?;
        rows.judge(
            &table.rows().packs(Standing::Suspect).collect(),
            Standing::Suspect,
        );
        rows.judge(
            &table.rows().packs(Standing::Gone).collect(),
            Standing::Gone,
        );
        Table::new(rows)
    }
}

/// Reads a segment and sorts its chunks; nothing if it is damaged. One that is gone was written anew
/// by a collection, and is an error: its chunks are elsewhere.
fn read_segment(id: &SegmentId, read: &Segments) -> Result<Option<Rows>, ObjectError> {
    let packs = match read(id) {
        Ok(packs) => packs,
        // What only it lists is missing where it is needed, and told there; a run stores it
        // anew. So one damaged object neither hides what is sound nor stops backups.
        Err(error) if error.kind() == Kind::Damaged && !error.is_absence() => {
            let error = join_causes(&error);
            tracing::warn!(%error, "going on without this part of the index");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let rows = Rows::of_packs(&packs, *id);
    Ok(Some(rows.map_err(IoStep::SortIndex.failed())?))
}

/// Reads a segment's plaintext.
///
/// # Errors
/// The bytes are no segment.
pub(crate) fn decode_segment(plain: &[u8]) -> Result<Vec<IndexedPack>, ObjectError> {
    Ok(segment::decode(plain)?)
}
