//! The tables that the cache keeps: few, each much larger than all smaller ones together.
//!
//! - What new segments hold becomes a small table, and is merged only with tables of about its size.
//!   A table of a hundred million chunks is so written again when half as much was added, not
//!   by every run.
//! - A segment that collection removed takes nothing with it but its own rows: a table knows which pack
//!   came from which segment. One of which a quarter is gone is written again.
//! - Tables are immutable and bear random names; whoever holds the lock makes new ones. Who does not get
//!   it reads what there is, and keeps the rest to itself.

use crate::index::table::Rows;
use crate::index::{Level, Segments, read_segment};
use crate::objects::error::{IoStep, ObjectError};
use holdfast_base::hex;
use holdfast_base::id::SegmentId;
use rustix::fs::{FlockOperation, flock};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// So many segments may be read from the store at each load, before they are kept.
const LOOSE_MAX: usize = 4;
/// Rows of segments that are held in memory, before they are put into a table.
const LOOSE_ROWS_MAX: u64 = 1 << 20;
/// A table is merged with what is new if it has at most so many times its rows.
const LARGER: u64 = 2;
/// Loads begin anew so often after they met damage.
const ATTEMPTS: usize = 4;
const SUFFIX: &str = "table";

/// Loads the tables of a repository.
pub(super) fn load(
    segments: &[SegmentId],
    cache: Option<&Path>,
    read: &Segments,
) -> Result<Vec<Level>, ObjectError> {
    let mut attempt = 1;
    loop {
        match load_once(segments, cache, read) {
            // What is damaged was removed, so that now its segments are read.
            Err(LoadError::Local(error))
                if error.kind() == io::ErrorKind::InvalidData && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(LoadError::Local(error)) => {
                return Err(IoStep::MergeIndex.failed()(error));
            }
            Err(LoadError::Store(error)) => return Err(error),
            Ok(levels) => return Ok(levels),
        }
    }
}

/// Removes all tables.
pub(super) fn forget(cache: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory(cache))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the cached index cannot be removed");
    }
}

fn directory(cache: &Path) -> PathBuf {
    cache.join("index-v3")
}

enum LoadError {
    Store(ObjectError),
    Local(io::Error),
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Local(error)
    }
}

fn load_once(
    segments: &[SegmentId],
    cache: Option<&Path>,
    read: &Segments,
) -> Result<Vec<Level>, LoadError> {
    let shelf = cache.map(Shelf::open);
    let mut missing: HashSet<SegmentId> = segments.iter().copied().collect();
    let mut tables = match &shelf {
        Some(shelf) => shelf.tables(&mut missing),
        None => Vec::new(),
    };
    let is_first = tables.is_empty();
    let mut loose = Loose {
        shelf: shelf.as_ref(),
        parts: Vec::new(),
        rows: 0,
    };
    let mut count = 0;
    for id in segments.iter().filter(|id| missing.contains(id)) {
        if let Some(rows) = read_segment(id, read).map_err(LoadError::Store)? {
            count += 1;
            tables.extend(loose.push(rows)?);
        }
    }
    let parts = loose.parts;
    match &shelf {
        Some(shelf) => shelf.tidy(&mut tables, parts, is_first || count > LOOSE_MAX)?,
        None if parts.len() > LOOSE_MAX => tables.push(merge(&parts, None)?),
        None => tables.extend(parts),
    }
    tables.sort_by_key(|table| std::cmp::Reverse(table.len()));
    Ok(tables
        .into_iter()
        .map(Level::new)
        .collect::<io::Result<_>>()?)
}

/// Merges what no table has, without keeping it.
fn merge(parts: &[Rows], cache: Option<&Path>) -> io::Result<Rows> {
    let parts: Vec<&Rows> = parts.iter().collect();
    match cache {
        Some(cache) => Rows::merge_aside(&parts, cache),
        None => Rows::merge(&parts),
    }
}

/// Reads segments past what the cache has of them.
pub(super) fn gather(
    segments: impl Iterator<Item = SegmentId>,
    cache: Option<&Path>,
    read: &Segments,
) -> io::Result<Rows> {
    let (mut tables, mut parts, mut rows) = (Vec::new(), Vec::new(), 0);
    for id in segments {
        let part = read_segment(&id, read).map_err(io::Error::other)?;
        rows += part.as_ref().map_or(0, Rows::len);
        parts.extend(part);
        if rows >= LOOSE_ROWS_MAX {
            tables.push(merge(&parts, cache)?);
            (parts, rows) = (Vec::new(), 0);
        }
    }
    tables.append(&mut parts);
    merge(&tables, cache)
}

/// Segments that no table has.
struct Loose<'a> {
    shelf: Option<&'a Shelf>,
    parts: Vec<Rows>,
    rows: u64,
}

impl Loose<'_> {
    /// Takes a segment; gives a table when there are too many rows to hold them in memory.
    fn push(&mut self, rows: Rows) -> io::Result<Option<Rows>> {
        self.rows += rows.len();
        self.parts.push(rows);
        let Some(shelf) = self.shelf else {
            return Ok(None);
        };
        if self.rows < LOOSE_ROWS_MAX {
            return Ok(None);
        }
        self.rows = 0;
        let parts = std::mem::take(&mut self.parts);
        Ok(Some(shelf.put(&parts)?))
    }
}

/// The directory of the tables.
struct Shelf {
    cache: PathBuf,
    directory: PathBuf,
    /// Held by whoever may change it.
    lock: Option<File>,
}

impl Shelf {
    fn open(cache: &Path) -> Self {
        let directory = directory(cache);
        let lock = || -> io::Result<File> {
            std::fs::create_dir_all(&directory)?;
            let lock = File::create(directory.join("lock"))?;
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok(lock)
        };
        let lock = lock().inspect_err(|error| {
            tracing::debug!(%error, "the cached index is used as it is");
        });
        let shelf = Self {
            cache: cache.to_owned(),
            lock: lock.ok(),
            directory,
        };
        if shelf.lock.is_some() {
            shelf.clean();
        }
        shelf
    }

    /// Removes what a killed run left, and what earlier versions kept.
    fn clean(&self) {
        for path in self.files() {
            if path.extension().is_some_and(|extension| extension == "new") {
                let _ = std::fs::remove_file(path);
            }
        }
        let _ = std::fs::remove_file(self.cache.join("index-v2"));
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.directory);
        let files = files.into_iter().flatten().filter_map(Result::ok);
        files.map(|file| file.path()).collect()
    }

    /// Opens the tables that have segments which are missing, and strikes these out.
    fn tables(&self, missing: &mut HashSet<SegmentId>) -> Vec<Rows> {
        let mut tables = Vec::new();
        for _ in 0..ATTEMPTS {
            let (opened, is_complete) = self.open_all();
            tables = opened;
            if is_complete {
                break;
            }
        }
        tables.sort_by_key(|table| std::cmp::Reverse(table.len()));
        tables.retain_mut(|table| {
            table.want(|id| missing.contains(id));
            let count = missing.len();
            for id in table.segments() {
                missing.remove(&id);
            }
            let is_wanted = missing.len() < count;
            if !is_wanted && self.lock.is_some() {
                table.remove();
            }
            is_wanted
        });
        tables
    }

    /// Opens all tables; not all if one was merged and removed meanwhile.
    fn open_all(&self) -> (Vec<Rows>, bool) {
        let (mut tables, mut is_complete) = (Vec::new(), true);
        for path in self.files() {
            if path.extension().is_none_or(|extension| extension != SUFFIX) {
                continue;
            }
            match Rows::open(&path) {
                Ok(rows) => tables.push(rows),
                Err(error) if error.kind() == io::ErrorKind::NotFound => is_complete = false,
                Err(error) => {
                    tracing::warn!(%error, "a part of the cached index is not usable and is read from the store again");
                    let _ = std::fs::remove_file(&path);
                }
            }
        }
        (tables, is_complete)
    }

    /// Puts rows into a table of the cache, or as near to it as possible.
    fn put(&self, parts: &[Rows]) -> io::Result<Rows> {
        if self.lock.is_some() {
            match self.keep(parts) {
                Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                    tracing::debug!(%error, "the index is not kept in the cache");
                }
                other => return other,
            }
        }
        merge(parts, Some(&self.cache))
    }

    fn keep(&self, parts: &[Rows]) -> io::Result<Rows> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(io::Error::other)?;
        let name = format!("{}.{SUFFIX}", hex::encode(name));
        let parts: Vec<&Rows> = parts.iter().collect();
        Rows::merge_into(&parts, &self.directory.join(name))
    }

    /// Keeps what is loose, if that is wanted, and merges tables that are of about one size.
    fn tidy(
        &self,
        tables: &mut Vec<Rows>,
        mut loose: Vec<Rows>,
        keep_loose: bool,
    ) -> io::Result<()> {
        if self.lock.is_none() && loose.len() > LOOSE_MAX {
            tables.push(self.put(&loose)?);
            return Ok(());
        }
        if self.lock.is_none() || !keep_loose {
            tables.append(&mut loose);
        }
        if self.lock.is_none() {
            return Ok(());
        }
        let loose_rows = loose.iter().map(Rows::len).sum();
        let mut parts = take_alike(tables, loose_rows);
        let kept = parts.len();
        parts.append(&mut loose);
        if parts.is_empty() {
            return Ok(());
        }
        match self.keep(&parts) {
            Ok(merged) => {
                parts.iter().for_each(Rows::remove);
                tables.push(merged);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "the index is not kept in the cache");
                let loose = parts.split_off(kept);
                tables.append(&mut parts);
                if !loose.is_empty() {
                    tables.push(merge(&loose, Some(&self.cache))?);
                }
            }
        }
        Ok(())
    }
}

/// Returns how many tables, from the smallest, are to be merged with so many new rows.
pub(super) fn alike(new_rows: u64, sizes: impl Iterator<Item = u64>) -> usize {
    let (mut smaller, mut alike) = (new_rows, 0);
    for (at, rows) in sizes.enumerate() {
        if rows <= smaller.saturating_mul(LARGER) {
            alike = at + 1;
        }
        smaller += rows;
    }
    alike
}

/// Takes out the tables to be merged with so many new rows: those that are not much larger than all
/// smaller ones together, and those that have holes.
fn take_alike(tables: &mut Vec<Rows>, new_rows: u64) -> Vec<Rows> {
    tables.sort_by_key(Rows::wanted_rows);
    let alike = alike(new_rows, tables.iter().map(Rows::wanted_rows));
    let mut taken: Vec<Rows> = tables.drain(..alike).collect();
    let has_holes = |table: &mut Rows| table.wanted_rows() < table.len() / 4 * 3;
    taken.extend(tables.extract_if(.., has_holes));
    taken
}

#[cfg(test)]
mod tests {
    use super::super::Index;
    use super::*;
    use crate::format::pack::{Frame, Part};
    use crate::format::segment::{IndexedPack, PackKind};
    use holdfast_base::id::{ChunkId, PackId};
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Chunks of each segment.
    const CHUNKS: u32 = 400;

    fn segment(n: u32) -> SegmentId {
        SegmentId(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    fn chunk(segment: u32, n: u32) -> ChunkId {
        ChunkId(
            *blake3::hash(&segment.wrapping_mul(CHUNKS).wrapping_add(n).to_be_bytes()).as_bytes(),
        )
    }

    fn pack(n: u32) -> IndexedPack {
        let parts = (0..CHUNKS).map(|at| Part {
            id: chunk(n, at),
            offset: at,
            length: 1,
        });
        let frame = Frame {
            offset: n,
            length: 6,
            expanded: CHUNKS,
            parts: parts.collect(),
        };
        IndexedPack {
            id: PackId(segment(n).0),
            kind: PackKind::Content,
            epoch: 1,
            sealed_bytes: 9,
            frames: vec![frame],
        }
    }

    /// A repository's segments, and how many were read.
    struct Repository {
        cache: tempfile::TempDir,
        read: Arc<AtomicUsize>,
    }

    impl Repository {
        fn new() -> Self {
            Self {
                cache: tempfile::tempdir().unwrap(),
                read: Arc::default(),
            }
        }

        fn load(&self, segments: std::ops::Range<u32>) -> Index {
            let read = Arc::clone(&self.read);
            let ids: Vec<SegmentId> = segments.clone().map(segment).collect();
            let read = move |id: &SegmentId| {
                read.fetch_add(1, Ordering::Relaxed);
                let n = segments.clone().find(|n| segment(*n) == *id).unwrap();
                Ok(vec![pack(n)])
            };
            Index::load(&ids, Some(self.cache.path()), Arc::new(read)).unwrap()
        }

        fn tables(&self) -> Vec<PathBuf> {
            let mut files = Shelf::open(self.cache.path()).files();
            files.retain(|path| path.extension().is_some_and(|e| e == SUFFIX));
            files
        }
    }

    fn finds(index: &Index, segments: std::ops::Range<u32>) {
        for n in segments.clone() {
            for at in 0..CHUNKS {
                let found = index.find(&chunk(n, at)).unwrap().unwrap();
                assert_eq!((found.frame_offset, found.offset), (n, at));
            }
        }
    }

    fn check(index: &Index, segments: std::ops::Range<u32>) {
        finds(index, segments.clone());
        let before = segments.start.wrapping_sub(1);
        assert_eq!(index.find(&chunk(before, 0)).unwrap(), None);
        assert_eq!(index.find(&chunk(segments.end, 0)).unwrap(), None);
        assert_eq!(index.pack_ids().count(), segments.len());
    }

    #[test]
    fn appending_writes_little_of_what_is_there_again() {
        let repository = Repository::new();
        let (mut written, mut inodes) = (0, HashSet::new());
        for n in 1..=100 {
            finds(&repository.load(0..n), n - 1..n);
            for path in repository.tables() {
                let file = path.metadata().unwrap();
                if inodes.insert((path, file.ino())) {
                    written += file.len();
                }
            }
        }
        check(&repository.load(0..100), 0..100);
        let tables = repository.tables();
        let bytes: u64 = tables
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum();
        assert!(tables.len() <= 5, "{} tables", tables.len());
        assert!(written < bytes * 8, "{written} for {bytes}");
        // Each segment is met a few times at most, and then kept.
        assert!(repository.read.load(Ordering::Relaxed) < 100 * LOOSE_MAX);
    }

    #[test]
    fn segments_that_are_gone_take_only_their_own_rows_with_them() {
        let repository = Repository::new();
        check(&repository.load(0..20), 0..20);
        let read = repository.read.load(Ordering::Relaxed);
        check(&repository.load(2..20), 2..20);
        let table = repository.tables();
        // More than a quarter is gone: written again, without reading a segment.
        check(&repository.load(8..20), 8..20);
        check(&repository.load(8..20), 8..20);
        assert_ne!(repository.tables(), table);
        assert_eq!(repository.tables().len(), 1);
        assert_eq!(repository.read.load(Ordering::Relaxed), read);
    }

    #[test]
    fn whoever_does_not_get_the_lock_finds_everything_too() {
        let repository = Repository::new();
        check(&repository.load(0..10), 0..10);
        let holder = Shelf::open(repository.cache.path());
        assert!(holder.lock.is_some());
        check(&repository.load(0..30), 0..30);
        drop(holder);
        assert_eq!(repository.tables().len(), 1);
        let left = std::fs::read_dir(repository.cache.path()).unwrap().count();
        assert_eq!(left, 1);
    }

    #[test]
    fn damage_anywhere_in_a_table_changes_no_answer() {
        let repository = Repository::new();
        drop(repository.load(0..3));
        let table = repository.tables().remove(0);
        let bytes = std::fs::read(&table).unwrap();
        for at in (0..bytes.len()).step_by(509) {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            let _ = std::fs::remove_dir_all(directory(repository.cache.path()));
            std::fs::create_dir(directory(repository.cache.path())).unwrap();
            std::fs::write(&table, &changed).unwrap();
            check(&repository.load(0..3), 0..3);
            assert!(!table.exists(), "byte {at} was not missed");
        }
        for length in [0, 5, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&table, &bytes[..length]).unwrap();
            check(&repository.load(0..3), 0..3);
        }
    }
}
