//! All rows of an index, one after the other.
//!
//! - The rows of one chunk come together; the first of them has the number that [`Index::row`] gives
//!   for the chunk. So whoever marks chunks by that number finds all their copies.
//! - Little is held in memory, however many rows there are.

use crate::index::table::{Merged, Next};
use crate::index::{Index, Location};
use std::collections::VecDeque;
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
    index: &'a Index,
    rows: Merged<'a>,
    /// The number of each table's first row.
    starts: Vec<u64>,
    /// The first row of the next chunk.
    ahead: Option<Next>,
    /// The rows of one chunk.
    chunk: VecDeque<Row>,
    has_failed: bool,
}

impl Index {
    /// Goes through all rows, in the order of chunks. A place that two segments list comes once.
    ///
    /// # Errors
    /// The local copy cannot be read, or is damaged; the next load makes it again.
    pub fn walk(&self) -> io::Result<Walk<'_>> {
        let tables = || self.levels.iter().map(|level| level.table.rows());
        let starts = tables().scan(0, |before, rows| {
            let start = *before;
            *before += rows.len();
            Some(start)
        });
        let mut rows = Merged::new(tables().collect())?;
        Ok(Walk {
            index: self,
            starts: starts.collect(),
            ahead: rows.next()?,
            rows,
            chunk: VecDeque::new(),
            has_failed: false,
        })
    }
}

impl Walk<'_> {
    /// Reads the rows of the next chunk; none at the end.
    fn read_chunk(&mut self) -> io::Result<()> {
        let Some(first) = self.ahead.take() else {
            return Ok(());
        };
        let mut copies = vec![first];
        self.ahead = self.rows.next()?;
        while let Some(next) = self.ahead.filter(|next| next.row.key == first.row.key) {
            copies.push(next);
            self.ahead = self.rows.next()?;
        }
        // A look-up finds those in sound packs first.
        copies.sort_by_key(|next| next.standing);
        for next in copies {
            let table = &self.index.levels[next.table].table;
            let location = table.location(&next.row)?;
            if self.chunk.iter().all(|row| row.location != location) {
                self.chunk.push_back(Row {
                    number: self.starts[next.table] + next.number,
                    is_copy: !self.chunk.is_empty(),
                    location,
                });
            }
        }
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.is_empty()
            && !self.has_failed
            && let Err(error) = self.read_chunk()
        {
            self.has_failed = true;
            return Some(Err(error));
        }
        self.chunk.pop_front().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pack::{Frame, Part};
    use crate::format::segment::{IndexedPack, PackKind};
    use holdfast_base::id::{ChunkId, PackId, SegmentId};
    use std::collections::HashSet;
    use std::sync::Arc;

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
        let segments = [SegmentId([1; 32]), SegmentId([2; 32])];
        let read = Arc::new(|id: &SegmentId| {
            let packs = [pack(1, 0..2_000), pack(2, 1_000..3_000)];
            Ok(vec![packs[usize::from(id.0[0]) - 1].clone()])
        });
        for cache in [None, Some(cache.path())] {
            for _ in 0..2 {
                let mut index = Index::load(&segments, cache, read.clone()).unwrap();
                check_rows(&index);
                index.suspect(&HashSet::from([PackId([1; 32])]));
                check_rows(&index);
                let found = index.find(&id(1_500)).unwrap().unwrap();
                assert_eq!(found.pack, PackId([2; 32]));
                index.dismiss(&HashSet::from([PackId([2; 32])]));
                assert_eq!(index.find(&id(2_500)).unwrap(), None);
                assert_eq!(index.walk().unwrap().count(), 2_000);
            }
        }
    }

    #[test]
    fn a_pack_that_two_segments_list_has_each_chunk_once() {
        let cache = tempfile::tempdir().unwrap();
        let segments = [SegmentId([1; 32]), SegmentId([2; 32])];
        let read = Arc::new(|_: &SegmentId| Ok(vec![pack(1, 0..100)]));
        let index = Index::load(&segments, Some(cache.path()), read).unwrap();
        assert_eq!(index.walk().unwrap().count(), 100);
    }
}
