//! A sorted table of chunks with a filter in front.
//!
//! Records lie sorted by id, on disk or in memory. In memory always: a filter of nine bits a chunk,
//! which answers nearly every "no", and one id in 64 as a fence, which leads a "yes" to one short
//! read. A hundred million chunks so take about 125 MiB.
//!
//! Records are read with `pread`, not mapped: a cache file that shrinks under us is then an error
//! and not a signal, and no unsafe code is needed.

mod file;
mod merge;

use super::{Location, records};
use crate::format::segment::{IndexedPack, PackKind};
use holdfast_base::id::{ChunkId, PackId, SegmentId};
use merge::Cursor;
pub(super) use merge::Merged;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use xorf::{BinaryFuse8, Filter};

/// Bytes of one record in a file.
const RECORD_BYTES: usize = 56;
/// One id in so many is kept in memory.
const FENCE_EVERY: usize = 64;
/// A filter is made for so many chunks at a time, which bounds the memory that making it takes.
const FILTER_CHUNKS: usize = 1 << 18;

/// A chunk as a table lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Which chunk.
    pub id: ChunkId,
    /// Place of its pack in the table's list of packs.
    pub pack: u32,
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

impl Record {
    fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..32].copy_from_slice(self.id.as_bytes());
        let numbers = [
            self.pack,
            self.frame_offset,
            self.frame_length,
            self.frame_expanded,
            self.offset,
            self.length,
        ];
        for (to, number) in bytes[32..].as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *to = number.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8; RECORD_BYTES]) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(&bytes[..32]);
        let number = |n: usize| {
            let at = 32 + n * 4;
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            id: ChunkId(id),
            pack: number(0),
            frame_offset: number(1),
            frame_length: number(2),
            frame_expanded: number(3),
            offset: number(4),
            length: number(5),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PackNote {
    id: PackId,
    kind: PackKind,
    epoch: u32,
}

enum Rows {
    Memory(Vec<Record>),
    File { file: File, offset: u64, count: u64 },
}

/// A sorted table of chunks with a filter in front.
pub struct Table {
    packs: Vec<PackNote>,
    segments: Vec<SegmentId>,
    rows: Rows,
    /// First row of each filter's share, and its filter.
    filters: Vec<(u64, BinaryFuse8)>,
    fences: Vec<u64>,
}

impl Table {
    /// Makes a table in memory from the packs of one segment.
    #[must_use]
    pub fn of_packs(packs: &[IndexedPack], segments: Vec<SegmentId>) -> Self {
        let mut rows = records(packs);
        rows.sort_by_key(|row| row.id);
        let packs = packs
            .iter()
            .map(|p| PackNote {
                id: p.id,
                kind: p.kind,
                epoch: p.epoch,
            })
            .collect();
        Self::new(packs, segments, rows)
    }

    fn new(packs: Vec<PackNote>, segments: Vec<SegmentId>, rows: Vec<Record>) -> Self {
        let mut builder = FrontBuilder::default();
        for row in &rows {
            builder.push(&row.id);
        }
        let (filters, fences) = builder.finish();
        Self {
            packs,
            segments,
            rows: Rows::Memory(rows),
            filters,
            fences,
        }
    }

    /// Returns the segments that went into the table.
    #[must_use]
    pub fn segments(&self) -> &[SegmentId] {
        &self.segments
    }

    /// Returns the number of packs.
    #[must_use]
    pub fn packs(&self) -> usize {
        self.packs.len()
    }

    /// Returns the packs.
    pub fn pack_ids(&self) -> impl Iterator<Item = PackId> {
        self.packs.iter().map(|pack| pack.id)
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.rows {
            Rows::Memory(rows) => rows.len() as u64,
            Rows::File { count, .. } => *count,
        }
    }

    /// Returns whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds a chunk: the first of its rows, where it lies in several places.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn find(&self, id: &ChunkId) -> io::Result<Option<Location>> {
        let found = self.search(id)?;
        found
            .map(|(_, row)| location(&self.packs, &row))
            .transpose()
    }

    /// Returns the number of the first row of a chunk.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn row(&self, id: &ChunkId) -> io::Result<Option<u64>> {
        Ok(self.search(id)?.map(|(number, _)| number))
    }

    fn search(&self, id: &ChunkId) -> io::Result<Option<(u64, Record)>> {
        let key = prefix(id);
        let fences = self.fences.partition_point(|fence| *fence <= key);
        let Some(last) = fences.checked_sub(1) else {
            return Ok(None);
        };
        let start = (last * FENCE_EVERY) as u64;
        let share = self.filters.partition_point(|(row, _)| *row <= start);
        let Some((_, filter)) = share.checked_sub(1).and_then(|at| self.filters.get(at)) else {
            return Ok(None);
        };
        if !filter.contains(&key) {
            return Ok(None);
        }
        // Rows of one chunk, and ids with equal prefixes, may begin before the fence that names them.
        let first = self.fences.partition_point(|fence| *fence < key);
        for block in first.saturating_sub(1)..=last {
            let start = (block * FENCE_EVERY) as u64;
            let count = (FENCE_EVERY as u64).min(self.len() - start);
            if let Some(found) = self.search_block(start, count as usize, id)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn search_block(
        &self,
        start: u64,
        count: usize,
        id: &ChunkId,
    ) -> io::Result<Option<(u64, Record)>> {
        let (at, row) = match &self.rows {
            Rows::Memory(rows) => {
                let rows = &rows[start as usize..start as usize + count];
                let at = rows.partition_point(|row| row.id < *id);
                (at, rows.get(at).copied())
            }
            Rows::File { file, offset, .. } => {
                let mut bytes = [0; RECORD_BYTES * FENCE_EVERY];
                let bytes = &mut bytes[..count * RECORD_BYTES];
                file.read_exact_at(bytes, offset + start * RECORD_BYTES as u64)?;
                let rows = bytes.as_chunks::<RECORD_BYTES>().0;
                let at = rows.partition_point(|row| row[..32] < id.as_bytes()[..]);
                (at, rows.get(at).map(Record::decode))
            }
        };
        let found = row.filter(|row| row.id == *id);
        Ok(found.map(|row| (start + at as u64, row)))
    }

    /// Merges tables; of a chunk that lies in several places the rows stay, those of the first table first.
    ///
    /// # Errors
    /// A table cannot be read.
    pub fn merge(tables: &[Arc<Table>]) -> io::Result<Self> {
        let mut merged = Merged::new(tables)?;
        let mut rows = Vec::new();
        while let Some(next) = merged.next()? {
            rows.push(next.row);
        }
        let Merged {
            packs, segments, ..
        } = merged;
        Ok(Self::new(packs, segments, rows))
    }

    /// Merges tables into a file, whole or not at all, holding little of them in memory.
    ///
    /// # Errors
    /// A table cannot be read, or the file cannot be written; an earlier one stays as it was.
    pub fn merge_into(tables: &[Arc<Table>], path: &Path) -> io::Result<Self> {
        let mut merged = Merged::new(tables)?;
        let (packs, segments) = (merged.packs.clone(), merged.segments.clone());
        file::write(path, &packs, &segments, || {
            Ok(merged.next()?.map(|next| next.row))
        })?;
        Self::open(path)
    }

    /// Puts the rows into a nameless file of the cache, where there is one, so that the table takes
    /// little memory.
    #[must_use]
    pub fn on_disk(self, cache: Option<&Path>) -> Self {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let Some(cache) = cache else { return self };
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let path = cache.join(format!("run-{}-{number}", std::process::id()));
        let opened = self.save(&path).and_then(|()| Self::open(&path));
        let _ = std::fs::remove_file(&path);
        opened.unwrap_or(self)
    }

    /// Writes the table to a file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written; an earlier one stays as it was.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut rows = Cursor::new(self)?;
        file::write(path, &self.packs, &self.segments, || {
            let row = rows.row;
            rows.advance()?;
            Ok(row)
        })
    }

    /// Opens a table that [`Table::save`] wrote, and checks it.
    ///
    /// # Errors
    /// The file is absent, of another version, or damaged.
    pub fn open(path: &Path) -> io::Result<Self> {
        file::open(path)
    }
}

fn location(packs: &[PackNote], row: &Record) -> io::Result<Location> {
    let no_pack = || io::Error::new(io::ErrorKind::InvalidData, "a row names no pack");
    let pack = packs.get(row.pack as usize).ok_or_else(no_pack)?;
    Ok(Location {
        pack: pack.id,
        kind: pack.kind,
        epoch: pack.epoch,
        frame_offset: row.frame_offset,
        frame_length: row.frame_length,
        frame_expanded: row.frame_expanded,
        offset: row.offset,
        length: row.length,
    })
}

fn prefix(id: &ChunkId) -> u64 {
    let b = id.as_bytes();
    u64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
}

/// What stands in front of the rows: filters with the first row of their share, and fences.
type Front = (Vec<(u64, BinaryFuse8)>, Vec<u64>);

/// Makes what stands in front of the rows, from rows in order.
#[derive(Default)]
struct FrontBuilder {
    rows: u64,
    share_start: u64,
    share: Vec<u64>,
    filters: Vec<(u64, BinaryFuse8)>,
    fences: Vec<u64>,
}

impl FrontBuilder {
    fn push(&mut self, id: &ChunkId) {
        let key = prefix(id);
        if self.rows.is_multiple_of(FENCE_EVERY as u64) {
            if self.share.len() >= FILTER_CHUNKS {
                self.close();
            }
            self.fences.push(key);
        }
        if self.share.last() != Some(&key) {
            self.share.push(key);
        }
        self.rows += 1;
    }

    fn close(&mut self) {
        if self.share.is_empty() {
            return;
        }
        // Building fails only on keys that repeat, and sorted keys are made unique above.
        if let Ok(filter) = BinaryFuse8::try_from(&self.share) {
            self.filters.push((self.share_start, filter));
        }
        self.share.clear();
        self.share_start = self.rows;
    }

    fn finish(mut self) -> Front {
        self.close();
        (self.filters, self.fences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pack::{Frame, Part};

    fn packs(chunks: u32) -> Vec<IndexedPack> {
        let parts = (0..chunks)
            .map(|n| Part {
                id: ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes()),
                offset: n,
                length: 1,
            })
            .collect();
        let frame = Frame {
            offset: 5,
            length: 6,
            expanded: chunks,
            parts,
        };
        vec![IndexedPack {
            id: PackId([3; 32]),
            kind: PackKind::Content,
            epoch: 1,
            sealed_bytes: 9,
            frames: vec![frame],
        }]
    }

    fn finds_all(table: &Table, chunks: u32) {
        for n in 0..chunks {
            let id = ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes());
            assert_eq!(table.find(&id).unwrap().unwrap().offset, n);
        }
        assert_eq!(table.find(&ChunkId([0; 32])).unwrap(), None);
        assert_eq!(table.find(&ChunkId([255; 32])).unwrap(), None);
    }

    #[test]
    fn every_chunk_is_found_in_memory_and_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        for chunks in [0, 1, 63, 64, 65, 5_000] {
            let table = Table::of_packs(&packs(chunks), vec![SegmentId([1; 32])]);
            finds_all(&table, chunks);
            table.save(&path).unwrap();
            let opened = Table::open(&path).unwrap();
            assert_eq!(opened.segments(), [SegmentId([1; 32])]);
            finds_all(&opened, chunks);
        }
    }

    #[test]
    fn merged_tables_name_the_pack_of_the_first_that_had_a_chunk() {
        let directory = tempfile::tempdir().unwrap();
        let few = Table::of_packs(&packs(10), vec![SegmentId([1; 32])]);
        let mut others = packs(3_000);
        others[0].id = PackId([4; 32]);
        let many = Table::of_packs(&others, vec![SegmentId([2; 32])]);
        let tables = [few.on_disk(Some(directory.path())), many].map(Arc::new);
        let path = directory.path().join("merged");
        for merged in [
            Table::merge(&tables).unwrap(),
            Table::merge_into(&tables, &path).unwrap(),
        ] {
            assert_eq!(merged.len(), 3_010);
            assert_eq!(merged.segments().len(), 2);
            finds_all(&merged, 3_000);
            for n in [0_u32, 9, 10, 2_999] {
                let id = ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes());
                let pack = if n < 10 { 3 } else { 4 };
                let found = merged.find(&id).unwrap().unwrap();
                assert_eq!(found.pack, PackId([pack; 32]));
            }
        }
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1);
    }

    #[test]
    fn a_damaged_file_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        Table::of_packs(&packs(100), vec![]).save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(97) {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            std::fs::write(&path, &changed).unwrap();
            assert!(Table::open(&path).is_err(), "byte {at}");
        }
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(Table::open(&path).is_err());
    }
}
