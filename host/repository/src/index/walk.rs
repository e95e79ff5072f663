//! All rows of an index, one after the other.
//!
//! - The rows of one chunk come together; the first of them has the number that [`Index::row`] gives
//!   for the chunk. So whoever marks chunks by that number finds all their copies.
//! - Little is held in memory, however many rows there are.

use super::table::Merged;
use super::{Index, Location};
use std::io;

/// A row: one place where a chunk lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub number: u64,
    /// Whether the row before it is of the same chunk.
    pub is_copy: bool,
    /// Where the chunk lies.
    pub location: Location,
}

/// Goes through the rows. Made by [`Index::walk`].
pub struct Walk<'a> {
    rows: Merged<'a>,
    /// The number of each table's first row.
    starts: Vec<u64>,
    has_failed: bool,
}

impl Index {
    /// Goes through all rows, in the order of chunks.
    ///
    /// # Errors
    /// The local copy cannot be read.
    pub fn walk(&self) -> io::Result<Walk<'_>> {
        let starts = self.tables.iter().scan(0, |before, table| {
            let start = *before;
            *before += table.len();
            Some(start)
        });
        Ok(Walk {
            rows: Merged::new(&self.tables)?,
            starts: starts.collect(),
            has_failed: false,
        })
    }
}

impl Walk<'_> {
    fn advance(&mut self) -> io::Result<Option<Row>> {
        let Some(next) = self.rows.next()? else {
            return Ok(None);
        };
        Ok(Some(Row {
            number: self.starts[next.table] + next.number,
            is_copy: next.is_copy,
            location: self.rows.location(&next.row)?,
        }))
    }
}

impl Iterator for Walk<'_> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = self.advance().transpose();
        self.has_failed = matches!(next, Some(Err(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pack::{Frame, Part};
    use crate::format::segment::{IndexedPack, PackKind};
    use holdfast_base::id::{ChunkId, PackId, SegmentId};

    fn id(n: u32) -> ChunkId {
        ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    fn pack(name: u8, chunks: std::ops::Range<u32>) -> IndexedPack {
        let parts = chunks.enumerate().map(|(at, n)| Part {
            id: id(n),
            offset: at as u32,
            length: 1,
        });
        let parts: Vec<_> = parts.collect();
        IndexedPack {
            id: PackId([name; 32]),
            kind: PackKind::Content,
            epoch: 1,
            sealed_bytes: 9,
            frames: vec![Frame {
                offset: 0,
                length: 6,
                expanded: parts.len() as u32,
                parts,
            }],
        }
    }

    fn check_rows(index: &Index) {
        let rows: Vec<Row> = index.walk().unwrap().map(Result::unwrap).collect();
        let mut numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), rows.len(), "each row has its own number");
        assert!(numbers.iter().all(|number| *number < index.rows()));
        for n in 0..3_000 {
            let number = index.row(&id(n)).unwrap().unwrap();
            let at = rows.iter().position(|row| row.number == number).unwrap();
            let found = index.find(&id(n)).unwrap().unwrap();
            assert_eq!(rows[at].location, found);
            assert!(!rows[at].is_copy);
            let copies = rows[at + 1..].iter().take_while(|row| row.is_copy).count();
            assert_eq!(copies, usize::from((1_000..2_000).contains(&n)), "{n}");
        }
        assert_eq!(index.row(&id(3_001)).unwrap(), None);
    }

    #[test]
    fn all_copies_of_a_chunk_follow_the_row_that_is_found() {
        let cache = tempfile::tempdir().unwrap();
        let packs = [pack(1, 0..2_000), pack(2, 1_000..3_000)];
        let segments = [SegmentId([1; 32]), SegmentId([2; 32])];
        let read = |id: &SegmentId| Ok(vec![packs[usize::from(id.0[0]) - 1].clone()]);
        for cache in [None, Some(cache.path())] {
            check_rows(&Index::load_loose(&segments, cache, &read).unwrap());
            for _ in 0..2 {
                check_rows(&Index::load(&segments, cache, &read).unwrap());
            }
        }
    }

    #[test]
    fn a_pack_that_two_segments_list_has_each_chunk_once() {
        let cache = tempfile::tempdir().unwrap();
        let segments = [SegmentId([1; 32]), SegmentId([2; 32])];
        let read = |_: &SegmentId| Ok(vec![pack(1, 0..100)]);
        let index = Index::load(&segments, Some(cache.path()), &read).unwrap();
        assert_eq!(index.walk().unwrap().count(), 100);
    }
}
