//! What a run adds to the index: tables that are merged as they grow, so that they stay few.

use crate::format::segment::IndexedPack;
use crate::index::levels::alike;
use crate::index::table::{Rows, Table};
use holdfast_base::id::{ChunkId, SegmentId};
use holdfast_base::sync::{Unpoisoned, UnpoisonedReadWrite};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

/// More tables than this are merged.
const TABLES_MAX: usize = 8;

/// What a run has added to the index.
#[derive(Default)]
pub(crate) struct Added {
    /// The smallest first.
    tables: RwLock<Vec<Arc<Table>>>,
    /// Held by who adds.
    adding: Mutex<()>,
}

impl Added {
    /// Returns whether a chunk was added.
    ///
    /// # Errors
    /// What was written cannot be read.
    pub(crate) fn holds(&self, id: &ChunkId) -> io::Result<bool> {
        let tables = self.tables.read_unpoisoned();
        for table in tables.iter() {
            if table.holds(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds a segment; its rows are put into nameless files of the cache, if there is one.
    ///
    /// # Errors
    /// What was written cannot be read.
    pub(crate) fn push(
        &self,
        packs: &[IndexedPack],
        segment: SegmentId,
        cache: Option<&Path>,
    ) -> io::Result<()> {
        let _adding = self.adding.lock_unpoisoned();
        let mut table = Table::of_packs(packs, segment)?;
        if let Some(cache) = cache {
            table = table.on_disk(cache);
        }
        let mut tables = self.set(|tables| tables.insert(0, Arc::new(table)));
        if tables.len() <= TABLES_MAX {
            return Ok(());
        }
        tables.sort_by_key(|table| table.rows().len());
        let kept = tables.split_off(alike(0, tables.iter().map(|table| table.rows().len())).max(2));
        let merged = Arc::new(Table::new(merge(&tables, cache)?)?);
        self.set(|tables| {
            *tables = kept;
            tables.insert(0, merged);
        });
        Ok(())
    }

    /// Changes the tables; look-ups wait only for this.
    fn set(&self, change: impl FnOnce(&mut Vec<Arc<Table>>)) -> Vec<Arc<Table>> {
        let mut tables = self.tables.write_unpoisoned();
        change(&mut tables);
        tables.clone()
    }
}

fn merge(tables: &[Arc<Table>], cache: Option<&Path>) -> io::Result<Rows> {
    let rows: Vec<&Rows> = tables.iter().map(|table| table.rows()).collect();
    match cache {
        Some(cache) => Rows::merge_aside(&rows, cache),
        None => Rows::merge(&rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pack::{Frame, Part};
    use crate::format::segment::PackKind;
    use holdfast_base::id::PackId;

    fn id(n: u32) -> ChunkId {
        ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    #[test]
    fn many_segments_become_few_tables_that_hold_everything() {
        let cache = tempfile::tempdir().unwrap();
        for cache in [None, Some(cache.path())] {
            let added = Added::default();
            for segment in 0..100_u32 {
                let parts = (segment * 10..segment * 10 + 10).map(|n| Part {
                    id: id(n),
                    offset: 0,
                    length: 1,
                });
                let frame = Frame {
                    offset: 0,
                    length: 1,
                    expanded: 1,
                    parts: parts.collect(),
                };
                let pack = IndexedPack {
                    id: PackId([1; 32]),
                    kind: PackKind::Content,
                    epoch: 1,
                    sealed_bytes: 1,
                    frames: vec![frame],
                };
                let segment = SegmentId([segment as u8; 32]);
                added.push(&[pack], segment, cache).unwrap();
                assert!(added.tables.read().unwrap().len() <= TABLES_MAX + 1);
            }
            assert!((0..1000).all(|n| added.holds(&id(n)).unwrap()));
            assert!(!added.holds(&id(1000)).unwrap());
        }
    }
}
