//! Rows of several tables, read as one.

use crate::index::table::block::{Key, Record};
use crate::index::table::file::{BlockReader, Bytes, TableWriter};
use crate::index::table::rows::{Rows, aside};
use crate::index::table::{PackNote, SegmentNote, Standing, damaged};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

/// Tables of more rows are made durable at once: to read all segments again takes long.
const DURABLE_ROWS: u64 = 1 << 20;

/// Reads the rows of a table in order.
struct Cursor<'a> {
    rows: &'a Rows,
    blocks: BlockReader<'a>,
    block: Vec<Record>,
    at: usize,
    /// The number of the row that the cursor is at.
    number: u64,
}

impl<'a> Cursor<'a> {
    fn new(rows: &'a Rows) -> io::Result<Self> {
        let mut cursor = Self {
            rows,
            blocks: rows.blocks(),
            block: Vec::new(),
            at: 0,
            number: 0,
        };
        cursor.fill()?;
        Ok(cursor)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.at = 0;
        if !self.rows.guard(self.blocks.next(&mut self.block))? {
            self.block.clear();
        }
        Ok(())
    }

    fn row(&self) -> Option<&Record> {
        self.block.get(self.at)
    }

    fn advance(&mut self) -> io::Result<()> {
        self.at += 1;
        self.number += 1;
        if self.at == self.block.len() {
            self.fill()?;
        }
        Ok(())
    }
}

/// A row of several tables that are read as one.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct Next {
    /// Which of the tables it is in.
    pub(in crate::index) table: usize,
    /// Its number there.
    pub(in crate::index) number: u64,
    /// What is thought of its pack.
    pub(in crate::index) standing: Standing,
    /// The row; it names its pack by the list of its table.
    pub(in crate::index) row: Record,
    /// Where its pack is in the list of all that are wanted.
    pack: u32,
}

impl Next {
    /// Returns the row as it names its pack by the list of all that are wanted.
    pub(super) fn renamed(&self) -> Record {
        Record {
            pack: self.pack,
            ..self.row
        }
    }
}

/// Rows of several tables, read as one. Those that are gone are left out.
pub(in crate::index) struct Merged<'a> {
    cursors: Vec<Cursor<'a>>,
    /// For each table, where its packs are in the list of all that are wanted.
    places: Vec<Vec<u32>>,
    /// What each cursor is at; of equal chunks that of the first table comes first.
    heads: BinaryHeap<Reverse<(Key, usize)>>,
}

impl<'a> Merged<'a> {
    pub(in crate::index) fn new(tables: Vec<&'a Rows>) -> io::Result<Self> {
        let mut merged = Self {
            cursors: Vec::with_capacity(tables.len()),
            places: Vec::with_capacity(tables.len()),
            heads: BinaryHeap::new(),
        };
        let mut packs = 0_u32;
        for (at, rows) in tables.into_iter().enumerate() {
            let places = rows.head().packs.iter().map(|pack| {
                let place = packs;
                packs += u32::from(pack.standing != Standing::Gone);
                place
            });
            merged.places.push(places.collect());
            let cursor = Cursor::new(rows)?;
            let head = cursor.row().map(|row| Reverse((row.key, at)));
            merged.heads.extend(head);
            merged.cursors.push(cursor);
        }
        Ok(merged)
    }

    /// Returns the next row. The rows of one chunk come together, those of the first table first.
    pub(in crate::index) fn next(&mut self) -> io::Result<Option<Next>> {
        while let Some(mut head) = self.heads.peek_mut() {
            let table = head.0.1;
            let cursor = &mut self.cursors[table];
            let (number, row) = (cursor.number, *cursor.row().ok_or_else(damaged)?);
            cursor.advance()?;
            match cursor.row() {
                Some(next) => {
                    head.0.0 = next.key;
                    drop(head);
                }
                None => drop(std::collections::binary_heap::PeekMut::pop(head)),
            }
            let standing = cursor.rows.standing(&row);
            if standing == Standing::Gone {
                continue;
            }
            let place = self.places[table].get(row.pack as usize);
            return Ok(Some(Next {
                table,
                number,
                standing,
                row,
                pack: *place.ok_or_else(damaged)?,
            }));
        }
        Ok(None)
    }

    /// Returns the packs and segments of all of them that are wanted.
    pub(in crate::index) fn notes(&self) -> (Vec<PackNote>, Vec<SegmentNote>) {
        let (mut packs, mut segments) = (Vec::new(), Vec::new());
        for cursor in &self.cursors {
            let head = cursor.rows.head();
            packs.extend(head.packs.iter().filter(|p| p.standing != Standing::Gone));
            let wanted = head.segments.iter().zip(cursor.rows.gone());
            segments.extend(
                wanted
                    .filter(|(_, gone)| !**gone)
                    .map(|(segment, _)| segment),
            );
        }
        (packs, segments)
    }
}

impl Rows {
    /// Merges rows in memory.
    pub(in crate::index) fn merge(tables: &[&Self]) -> io::Result<Self> {
        let bytes = Self::merge_to(tables, Vec::new())?;
        Self::new(Bytes::Memory(bytes), None)
    }

    /// Merges rows into a file, whole or not at all, holding little of them in memory.
    pub(in crate::index) fn merge_into(tables: &[&Self], path: &Path) -> io::Result<Self> {
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let write = || -> io::Result<()> {
            let file = File::create(&temporary)?;
            Self::merge_to(tables, BufWriter::with_capacity(1 << 18, &file))?;
            let rows: u64 = tables.iter().map(|table| table.len()).sum();
            if rows > DURABLE_ROWS {
                file.sync_data()?;
            }
            std::fs::rename(&temporary, path)
        };
        write().inspect_err(|_| drop(std::fs::remove_file(&temporary)))?;
        Self::open(path)
    }

    /// Merges rows into a nameless file of the cache, or in memory if that fails.
    pub(in crate::index) fn merge_aside(tables: &[&Self], cache: &Path) -> io::Result<Self> {
        let path = aside(cache);
        let merged = Self::merge_into(tables, &path);
        let _ = std::fs::remove_file(&path);
        match merged {
            Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                tracing::debug!(%error, "a part of the index stays in memory");
                Self::merge(tables)
            }
            merged => merged.map(Self::without_path),
        }
    }

    fn merge_to<W: io::Write>(tables: &[&Self], to: W) -> io::Result<W> {
        let mut merged = Merged::new(tables.to_vec())?;
        let mut writer = TableWriter::new(to);
        while let Some(next) = merged.next()? {
            writer.push(&next.renamed())?;
        }
        let (packs, segments) = merged.notes();
        writer.finish(&packs, &segments)
    }
}
