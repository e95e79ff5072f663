//! The rows of a table on their own, without what finds one of them: enough to merge.

use crate::format::segment::IndexedPack;
use crate::index::table::block::{BLOCK_BYTES, Block, Key, Record};
use crate::index::table::file::{BlockReader, Bytes, Head, TableWriter};
use crate::index::table::front::Front;
use crate::index::table::{PackNote, SegmentNote, Standing, damaged};
use holdfast_base::id::{PackId, SegmentId};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The rows of a table on their own.
pub(in crate::index) struct Rows {
    bytes: Bytes,
    head: Head,
    /// The segments that are no longer wanted, or that another table has.
    gone: Vec<bool>,
    /// Whether every row may be used.
    is_sound: bool,
    path: Option<PathBuf>,
}

impl Rows {
    /// Sorts the chunks of one segment, in memory.
    pub(in crate::index) fn of_packs(
        packs: &[IndexedPack],
        segment: SegmentId,
    ) -> io::Result<Self> {
        let mut rows = Vec::new();
        let mut notes = Vec::with_capacity(packs.len());
        for (ordinal, pack) in packs.iter().enumerate() {
            let before = rows.len();
            for frame in &pack.frames {
                rows.extend(frame.parts.iter().map(|part| Record {
                    key: Key::of(&part.id),
                    pack: ordinal as u32,
                    frame_offset: frame.offset,
                    frame_length: frame.length,
                    frame_expanded: frame.expanded,
                    offset: part.offset,
                    length: part.length,
                }));
            }
            notes.push(PackNote {
                id: pack.id,
                kind: pack.kind,
                epoch: pack.epoch,
                chunks: (rows.len() - before) as u32,
                standing: Standing::Sound,
            });
        }
        rows.sort_by_key(|row| row.key);
        let mut writer = TableWriter::new(Vec::new());
        for row in &rows {
            writer.push(row)?;
        }
        let note = SegmentNote {
            id: segment,
            packs: notes.len() as u32,
        };
        Self::new(Bytes::Memory(writer.finish(&notes, &[note])?), None)
    }

    pub(super) fn new(bytes: Bytes, path: Option<PathBuf>) -> io::Result<Self> {
        let head = Head::read(&bytes)?;
        Ok(Self {
            gone: vec![false; head.segments.len()],
            bytes,
            head,
            is_sound: true,
            path,
        })
    }

    /// Opens a file that [`Rows::merge_into`] wrote.
    pub(in crate::index) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // Look-ups read here and there; what lies beside is not wanted.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random);
        Self::new(Bytes::of_file(file), Some(path.to_owned()))
    }

    /// Forgets which file the rows lie in, since it has no name any more.
    pub(super) fn without_path(self) -> Self {
        Self { path: None, ..self }
    }

    /// Puts the bytes into a nameless file of the cache, so that they take no memory.
    pub(in crate::index) fn on_disk(mut self, cache: &Path) -> Self {
        let Bytes::Memory(bytes) = &self.bytes else {
            return self;
        };
        let path = aside(cache);
        let written = std::fs::write(&path, bytes).and_then(|()| File::open(&path));
        let _ = std::fs::remove_file(&path);
        match written {
            Ok(file) => self.bytes = Bytes::of_file(file),
            Err(error) => tracing::debug!(%error, "a part of the index stays in memory"),
        }
        self
    }

    /// Returns how many rows there are, those that are not used included.
    pub(in crate::index) fn len(&self) -> u64 {
        self.head.rows
    }

    /// Returns how many rows are of segments that are wanted.
    pub(in crate::index) fn wanted_rows(&self) -> u64 {
        let packs = self.head.packs.iter();
        let wanted = packs.filter(|pack| pack.standing != Standing::Gone);
        wanted.map(|pack| u64::from(pack.chunks)).sum()
    }

    /// Returns the segments that are wanted of this table.
    pub(in crate::index) fn segments(&self) -> impl Iterator<Item = SegmentId> {
        let all = self.head.segments.iter().zip(&self.gone);
        all.filter(|(_, is_gone)| !**is_gone)
            .map(|(segment, _)| segment.id)
    }

    /// Uses only what is of segments that are wanted of this table.
    pub(in crate::index) fn want(&mut self, is_wanted: impl Fn(&SegmentId) -> bool) {
        let mut packs = self.head.packs.iter_mut();
        for (segment, gone) in self.head.segments.iter().zip(&mut self.gone) {
            *gone = !is_wanted(&segment.id);
            for pack in packs.by_ref().take(segment.packs as usize) {
                if *gone {
                    pack.standing = Standing::Gone;
                    self.is_sound = false;
                }
            }
        }
    }

    /// Changes what is thought of packs.
    pub(in crate::index) fn judge(&mut self, packs: &HashSet<PackId>, standing: Standing) {
        for pack in &mut self.head.packs {
            if pack.standing < standing && packs.contains(&pack.id) {
                pack.standing = standing;
                self.is_sound = false;
            }
        }
    }

    /// Returns the packs that are thought so of.
    pub(in crate::index) fn packs(&self, standing: Standing) -> impl Iterator<Item = PackId> {
        let packs = self.head.packs.iter();
        packs
            .filter(move |pack| pack.standing == standing)
            .map(|pack| pack.id)
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn gone(&self) -> &[bool] {
        &self.gone
    }

    /// Returns what is thought of the pack of a row.
    pub(super) fn standing(&self, row: &Record) -> Standing {
        if self.is_sound {
            return Standing::Sound;
        }
        let pack = self.head.packs.get(row.pack as usize);
        pack.map_or(Standing::Gone, |pack| pack.standing)
    }

    pub(super) fn pack(&self, row: &Record) -> io::Result<&PackNote> {
        let pack = self.head.packs.get(row.pack as usize);
        pack.ok_or_else(damaged)
    }

    /// Reads what finds rows.
    pub(super) fn front(&self) -> io::Result<Front> {
        self.guard(self.head.read_front(&self.bytes))
    }

    pub(super) fn blocks(&self) -> BlockReader<'_> {
        BlockReader::new(&self.head, &self.bytes)
    }

    /// Reads one block.
    pub(super) fn block<'a>(
        &self,
        number: u64,
        (share, first): (usize, u64),
        buffer: &'a mut [u8; BLOCK_BYTES],
    ) -> io::Result<Block<'a>> {
        let place = self.head.block_offset(number, share, first);
        self.bytes.read(buffer, place.ok_or_else(damaged)?)?;
        Block::check(buffer, number)
    }

    /// Removes the file if something is wrong with it, so that the next load reads the segments.
    pub(in crate::index) fn guard<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let (Err(error), Some(path)) = (&result, &self.path)
            && error.kind() == io::ErrorKind::InvalidData
        {
            tracing::warn!("the cached index is damaged and is made again from the store");
            let _ = std::fs::remove_file(path);
        }
        result
    }

    /// Removes the file, since another has its rows.
    pub(in crate::index) fn remove(&self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Returns where a file lies for the moment between making and opening it.
pub(super) fn aside(cache: &Path) -> PathBuf {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    cache.join(format!("run-{}-{number}", std::process::id()))
}
