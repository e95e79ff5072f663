//! Tables read row by row, one or several of them in one order.

use super::{PackNote, RECORD_BYTES, Record, Rows, Table, location};
use crate::index::Location;
use holdfast_base::id::{ChunkId, SegmentId};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Rows that are read from a file at once.
const BLOCK_ROWS: usize = 1024;

/// Reads the rows of a table in order.
pub(super) struct Cursor<'a> {
    table: &'a Table,
    /// The row that the cursor is at; none at the end.
    pub(super) row: Option<Record>,
    next: u64,
    block: Vec<u8>,
    /// The row that the block begins with.
    block_start: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(table: &'a Table) -> io::Result<Self> {
        let mut cursor = Self {
            table,
            row: None,
            next: 0,
            block: Vec::new(),
            block_start: 0,
        };
        cursor.advance()?;
        Ok(cursor)
    }

    pub(super) fn advance(&mut self) -> io::Result<()> {
        let at = self.next;
        self.next += 1;
        self.row = match &self.table.rows {
            _ if at >= self.table.len() => None,
            Rows::Memory(rows) => rows.get(at as usize).copied(),
            Rows::File {
                file,
                offset,
                count,
            } => {
                let held = self.block.len() / RECORD_BYTES;
                if at >= self.block_start + held as u64 {
                    let rows = (count - at).min(BLOCK_ROWS as u64) as usize;
                    self.block.resize(rows * RECORD_BYTES, 0);
                    self.block_start = at;
                    file.read_exact_at(&mut self.block, offset + at * RECORD_BYTES as u64)?;
                }
                let rows = self.block.as_chunks::<RECORD_BYTES>().0;
                rows.get((at - self.block_start) as usize)
                    .map(Record::decode)
            }
        };
        Ok(())
    }
}

/// A row of several tables that are read as one.
pub(in crate::index) struct Next {
    /// Which of the tables it is in.
    pub(in crate::index) table: usize,
    /// Its number there.
    pub(in crate::index) number: u64,
    /// Whether the row before it is of the same chunk.
    pub(in crate::index) is_copy: bool,
    /// The row; it names its pack by the list of all packs.
    pub(in crate::index) row: Record,
}

/// Several tables as one.
pub(in crate::index) struct Merged<'a> {
    /// The packs of all of them, each once.
    pub(in crate::index::table) packs: Vec<PackNote>,
    /// The segments of all of them.
    pub(in crate::index::table) segments: Vec<SegmentId>,
    cursors: Vec<Cursor<'a>>,
    /// For each table, where its packs are in the list of all.
    places: Vec<Vec<u32>>,
    /// What each cursor is at; of equal chunks that of the first table comes first.
    heads: BinaryHeap<Reverse<(ChunkId, usize)>>,
    /// The rows of the chunk that the last one was of.
    chunk: Vec<Record>,
}

impl<'a> Merged<'a> {
    pub(in crate::index) fn new(tables: &'a [Arc<Table>]) -> io::Result<Self> {
        let mut merged = Self {
            packs: Vec::new(),
            segments: Vec::new(),
            cursors: Vec::new(),
            places: Vec::new(),
            heads: BinaryHeap::new(),
            chunk: Vec::new(),
        };
        let mut ordinals: HashMap<PackNote, u32> = HashMap::new();
        for (at, table) in tables.iter().enumerate() {
            merged.segments.extend(&table.segments);
            let mut places = Vec::with_capacity(table.packs.len());
            for pack in &table.packs {
                places.push(*ordinals.entry(*pack).or_insert_with(|| {
                    merged.packs.push(*pack);
                    merged.packs.len() as u32 - 1
                }));
            }
            merged.places.push(places);
            let cursor = Cursor::new(table)?;
            merged
                .heads
                .extend(cursor.row.map(|row| Reverse((row.id, at))));
            merged.cursors.push(cursor);
        }
        Ok(merged)
    }

    /// Returns the next row. The rows of one chunk come together, those of the first table first;
    /// one that two tables have alike comes once.
    pub(in crate::index) fn next(&mut self) -> io::Result<Option<Next>> {
        while let Some(Reverse((id, at))) = self.heads.pop() {
            let cursor = &mut self.cursors[at];
            let (number, row) = (cursor.next - 1, cursor.row);
            cursor.advance()?;
            self.heads
                .extend(cursor.row.map(|row| Reverse((row.id, at))));
            let Some(row) = row else { continue };
            let no_pack = || io::Error::new(io::ErrorKind::InvalidData, "a row names no pack");
            let pack = *self.places[at].get(row.pack as usize).ok_or_else(no_pack)?;
            let row = Record { pack, ..row };
            let is_copy = self.chunk.first().is_some_and(|first| first.id == id);
            if !is_copy {
                self.chunk.clear();
            } else if self.chunk.contains(&row) {
                continue;
            }
            self.chunk.push(row);
            return Ok(Some(Next {
                table: at,
                number,
                is_copy,
                row,
            }));
        }
        Ok(None)
    }

    /// Says where the chunk of a row lies.
    pub(in crate::index) fn location(&self, row: &Record) -> io::Result<Location> {
        location(&self.packs, row)
    }
}
