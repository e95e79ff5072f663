//! Rows of several tables, read as one.

use crate::index::table::block::{Key, Record};
use crate::index::table::file::BlockReader;
use crate::index::table::rows::Rows;
use crate::index::table::{PackNote, SegmentNote, Standing, damaged};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

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
