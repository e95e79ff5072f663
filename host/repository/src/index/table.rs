//! A sorted table of chunks with a filter in front.
//!
//! Rows lie sorted by id in blocks, in a file or in memory. In memory always: what stands in front
//! of them, some ten bits a chunk. A hundred million chunks so take about 140 MiB, and a file of
//! 4 GB. A look-up reads one block, and sees from its checksum that it is whole.
//!
//! Blocks are read with `pread`, not mapped: a cache file that shrinks under us is then an error
//! and not a signal, and no unsafe code is needed.

mod block;
mod file;
mod front;
mod merge;
mod rows;

use crate::format::segment::{IndexedPack, PackKind};
use crate::index::Location;
use block::{BLOCK_BYTES, Key, Record};
use front::Front;
use holdfast_base::id::{ChunkId, PackId, SegmentId};
use std::io;
use std::path::Path;

pub(super) use merge::{Merged, Next};
pub(super) use rows::Rows;

/// Between more blocks than these a key is searched for by halves.
const BLOCKS_TRIED: usize = 4;

/// What is thought of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It is relied on.
    Sound,
    /// It is looked into last.
    Suspect,
    /// What lies in it is not found.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackNote {
    id: PackId,
    kind: PackKind,
    epoch: u32,
    chunks: u32,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentNote {
    id: SegmentId,
    /// How many packs it has in the list of all.
    packs: u32,
}

pub(super) fn damaged() -> io::Error {
    let what = "the cached index is damaged; the next run makes it again";
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A sorted table of chunks with a filter in front.
pub(crate) struct Table {
    rows: Rows,
    front: Front,
}

impl Table {
    /// Makes a table in memory from the packs of one segment.
    ///
    /// # Errors
    /// Never: memory can be written to.
    pub(super) fn of_packs(packs: &[IndexedPack], segment: SegmentId) -> io::Result<Self> {
        Self::new(Rows::of_packs(packs, segment)?)
    }

    pub(super) fn new(rows: Rows) -> io::Result<Self> {
        let front = rows.front()?;
        Ok(Self { rows, front })
    }

    /// Puts the rows into a nameless file of the cache, so that the table takes little memory.
    pub(super) fn on_disk(self, cache: &Path) -> Self {
        Self {
            rows: self.rows.on_disk(cache),
            ..self
        }
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(super) fn rows_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Returns the bytes that the table holds in memory while its rows are in a file.
    #[must_use]
    pub(crate) fn resident_bytes(&self) -> usize {
        self.front.bytes() + std::mem::size_of_val(self.rows.head().packs.as_slice())
    }

    /// Returns whether a chunk is listed.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub(crate) fn holds(&self, id: &ChunkId) -> io::Result<bool> {
        Ok(self.search(&Key::of(id), Standing::Sound)?.is_some())
    }

    /// Finds a chunk: the first of its rows whose packs are thought so of.
    pub(super) fn find(&self, id: &ChunkId, standing: Standing) -> io::Result<Option<Location>> {
        let found = self.search(&Key::of(id), standing)?;
        found.map(|(_, row)| self.location(&row)).transpose()
    }

    /// Returns the number of the row that [`Table::find`] finds.
    pub(super) fn row(&self, id: &ChunkId, standing: Standing) -> io::Result<Option<u64>> {
        let found = self.search(&Key::of(id), standing)?;
        Ok(found.map(|(number, _)| number))
    }

    fn search(&self, key: &Key, standing: Standing) -> io::Result<Option<(u64, Record)>> {
        let Some(blocks) = self.front.blocks(key) else {
            return Ok(None);
        };
        let (mut first, last) = blocks.into_inner();
        let mut buffer = [0; BLOCK_BYTES];
        let mut end = last;
        while end - first > BLOCKS_TRIED {
            let middle = first.midpoint(end);
            if self.block(middle, &mut buffer)?.key(0) < *key {
                first = middle;
            } else {
                end = middle;
            }
        }
        for number in first..=last {
            let block = self.block(number, &mut buffer)?;
            for at in block.position(key)..block.count() {
                if block.key(at) != *key {
                    return Ok(None);
                }
                let row = block.row(at);
                if self.rows.standing(&row) == standing {
                    return Ok(Some((block.first_row() + at as u64, row)));
                }
            }
        }
        Ok(None)
    }

    fn block<'a>(
        &self,
        number: usize,
        buffer: &'a mut [u8; BLOCK_BYTES],
    ) -> io::Result<block::Block<'a>> {
        let share = self.front.share(number).ok_or_else(damaged)?;
        let block = self.rows.block(number as u64, share, buffer);
        self.rows.guard(block)
    }

    /// Says where the chunk of a row of this table lies.
    pub(super) fn location(&self, row: &Record) -> io::Result<Location> {
        let pack = self.rows.pack(row)?;
        Ok(pack.location(row))
    }
}

impl PackNote {
    /// Says where the chunk of a row lies whose pack this is.
    pub(super) fn location(&self, row: &Record) -> Location {
        Location {
            pack: self.id,
            kind: self.kind,
            epoch: self.epoch,
            frame_offset: row.frame_offset,
            frame_length: row.frame_length,
            frame_expanded: row.frame_expanded,
            offset: row.offset,
            length: row.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pack::{Frame, Part};

    fn id(n: u32) -> ChunkId {
        ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    fn packs(chunks: u32) -> Vec<IndexedPack> {
        let parts = (0..chunks)
            .map(|n| Part {
                id: id(n),
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
            let found = table.find(&id(n), Standing::Sound).unwrap().unwrap();
            assert_eq!((found.offset, found.pack), (n, PackId([3; 32])));
        }
        let mut absent: Vec<ChunkId> = (chunks..chunks + 2_000).map(id).collect();
        absent.extend([ChunkId([0; 32]), ChunkId([255; 32])]);
        for id in absent {
            assert!(!table.holds(&id).unwrap());
        }
    }

    #[test]
    fn every_chunk_is_found_in_memory_and_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        for chunks in [0, 1, 2, 26, 27, 5_000, 600_000] {
            let rows = Rows::of_packs(&packs(chunks), SegmentId([1; 32])).unwrap();
            let opened = Rows::merge_into(&[&rows], &path).unwrap();
            assert_eq!(opened.len(), u64::from(chunks));
            assert!(opened.segments().eq([SegmentId([1; 32])]));
            for rows in [rows, opened] {
                finds_all(&Table::new(rows).unwrap(), chunks);
            }
        }
    }

    #[test]
    fn ids_that_begin_alike_are_found_too() {
        let mut packs = packs(20_000);
        for part in &mut packs[0].frames[0].parts {
            let begin = [part.id.0[0] % 2; 8];
            part.id.0[..8].copy_from_slice(&begin);
        }
        let parts = packs[0].frames[0].parts.clone();
        let table = Table::of_packs(&packs, SegmentId([1; 32])).unwrap();
        for part in parts {
            let found = table.find(&part.id, Standing::Sound).unwrap().unwrap();
            assert_eq!(found.offset, part.offset);
        }
    }

    #[test]
    fn more_copies_than_a_block_holds_are_one_chunk() {
        let mut packs = packs(5_000);
        for part in &mut packs[0].frames[0].parts[1_000..2_000] {
            part.id = id(1_000);
        }
        let mut table = Table::of_packs(&packs, SegmentId([1; 32])).unwrap();
        let first = table.row(&id(1_000), Standing::Sound).unwrap().unwrap();
        let found = table.find(&id(1_000), Standing::Sound).unwrap().unwrap();
        assert_eq!(found.offset, 1_000);
        let others = [999, 2_000].map(|n| table.row(&id(n), Standing::Sound).unwrap().unwrap());
        assert!(
            others
                .iter()
                .all(|row| *row < first || *row >= first + 1_000)
        );
        table
            .rows_mut()
            .judge(&[PackId([3; 32])].into(), Standing::Gone);
        assert!(!table.holds(&id(1_000)).unwrap());
    }

    #[test]
    fn what_stands_in_memory_is_little() {
        let chunks = 1 << 20;
        let table = Table::of_packs(&packs(chunks), SegmentId([1; 32])).unwrap();
        // 200 MiB for a hundred million.
        assert!(table.resident_bytes() as u64 * 100_000_000 / u64::from(chunks) < 160 << 20);
    }
}
