//! Files that were backed up before and need not be read again.
//!
//! The list of the last run lies in the cache, in the order in which a walk meets the files, and is
//! read beside the next walk: it never has to fit into memory. A file is known only if inode,
//! device, size and change time are the same; one that changed shortly before or during the run
//! that listed it is not listed, since it could change again within the same tick of the clock.

use crate::format::wire::{Wire, put_bytes, put_i64, put_u64};
use holdfast_base::entry::{Extent, Identity};
use holdfast_base::id::ChunkId;
use holdfast_base::time::Instant;
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// A change time must be older than the run by this much: file systems tick as slowly as that.
const RACY_NS: i64 = 100_000_000;
/// File systems that keep whole seconds tick more slowly, and are told by times that are whole.
const RACY_WHOLE_SECONDS_NS: i64 = 2_000_000_000;
const MAGIC: &[u8; 8] = b"hf-knw-3";
/// Records are hashed together until they are so many bytes: hashing each costs more than reading it.
const GROUP_BYTES: usize = 64 << 10;
/// Longest record: a file of many chunks.
const RECORD_MAX: usize = 512 << 20;

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Its path in the snapshot.
    pub path: Vec<u8>,
    /// What tells that it is the same.
    pub identity: Identity,
    /// Length of its content in bytes, holes left out.
    pub content_bytes: u64,
    /// The extents of its data, if it has holes.
    pub extents: Option<Vec<Extent>>,
    /// Its extended attributes: changing them would have changed its change time.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its chunks.
    pub chunks: Vec<ChunkId>,
}

impl Known {
    fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(self.path.len() + 48 + self.chunks.len() * 32);
        put_bytes(&mut to, &self.path);
        put_u64(&mut to, self.identity.inode);
        put_u64(&mut to, self.identity.device);
        put_u64(&mut to, self.identity.size);
        put_i64(&mut to, self.identity.changed.0);
        put_u64(&mut to, self.content_bytes);
        put_u64(
            &mut to,
            self.extents
                .as_ref()
                .map_or(0, |extents| extents.len() as u64 + 1),
        );
        for extent in self.extents.iter().flatten() {
            put_u64(&mut to, extent.offset);
            put_u64(&mut to, extent.length);
        }
        put_u64(&mut to, self.xattrs.len() as u64);
        for (name, value) in &self.xattrs {
            put_bytes(&mut to, name);
            put_bytes(&mut to, value);
        }
        for chunk in &self.chunks {
            to.extend_from_slice(chunk.as_bytes());
        }
        to
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(bytes, "list of known files");
        let path = wire.read_bytes().ok()?.to_vec();
        let identity = Identity {
            inode: wire.read_u64().ok()?,
            device: wire.read_u64().ok()?,
            size: wire.read_u64().ok()?,
            changed: Instant(wire.read_i64().ok()?),
        };
        let content_bytes = wire.read_u64().ok()?;
        let extents = match wire.read_count(0).ok()? {
            0 => None,
            count => {
                let mut extents = Vec::new();
                for _ in 1..count {
                    extents.push(Extent {
                        offset: wire.read_u64().ok()?,
                        length: wire.read_u64().ok()?,
                    });
                }
                Some(extents)
            }
        };
        let mut xattrs = Vec::new();
        for _ in 0..wire.read_count(2).ok()? {
            xattrs.push((
                wire.read_bytes().ok()?.to_vec(),
                wire.read_bytes().ok()?.to_vec(),
            ));
        }
        let chunks =
            crate::format::refs::decode_ids(wire.take_bytes(wire.bytes_left()).ok()?).ok()?;
        Some(Self {
            path,
            identity,
            content_bytes,
            extents,
            xattrs,
            chunks,
        })
    }
}

/// Reads the list of the last run beside the walk of this one.
pub(super) struct KnownReader {
    from: Option<BufReader<File>>,
    /// Records that were read and are whole, and how far they are used.
    group: Vec<u8>,
    at: usize,
    next: Option<Known>,
}

impl KnownReader {
    /// Opens a list; one that is absent or unusable knows nothing.
    #[must_use]
    pub(super) fn open_list(path: Option<&Path>) -> Self {
        let mut from = path
            .and_then(|path| File::open(path).ok())
            .map(|f| BufReader::with_capacity(1 << 18, f));
        let mut magic = [0; 8];
        let is_ours = from
            .as_mut()
            .is_some_and(|f| f.read_exact(&mut magic).is_ok() && &magic == MAGIC);
        let mut reader = Self {
            from: from.filter(|_| is_ours),
            group: Vec::new(),
            at: 0,
            next: None,
        };
        reader.advance();
        reader
    }

    /// Returns what is known of a file, if it is still the same. Paths must come in order.
    pub(super) fn find_unchanged(&mut self, path: &[u8], identity: &Identity) -> Option<Known> {
        loop {
            let next = self.next.as_ref()?;
            match compare_paths(&next.path, path) {
                Ordering::Less => self.advance(),
                Ordering::Greater => return None,
                Ordering::Equal => {
                    let known = self.next.take();
                    self.advance();
                    return known.filter(|known| known.identity == *identity);
                }
            }
        }
    }

    fn advance(&mut self) {
        self.next = self.read_record();
        if self.next.is_none() {
            // The end, or damage: what follows is read from the files themselves.
            self.from = None;
        }
    }

    fn read_record(&mut self) -> Option<Known> {
        if self.at == self.group.len() {
            self.group = read_group(self.from.as_mut()?)?;
            self.at = 0;
        }
        let rest = &self.group[self.at..];
        let length = u32::from_le_bytes(*rest.first_chunk::<4>()?) as usize;
        let body = rest.get(4..4 + length)?;
        self.at += 4 + length;
        Known::decode(body)
    }
}

fn compare_paths(a: &[u8], b: &[u8]) -> Ordering {
    a.split(|b| *b == b'/').cmp(b.split(|b| *b == b'/'))
}

/// Reads records that were hashed together.
fn read_group(from: &mut BufReader<File>) -> Option<Vec<u8>> {
    let mut head = [0; 12];
    from.read_exact(&mut head).ok()?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if length > GROUP_BYTES + RECORD_MAX {
        return None;
    }
    let mut group = vec![0; length];
    from.read_exact(&mut group).ok()?;
    (short_hash(&group) == head[4..]).then_some(group)
}

fn short_hash(bytes: &[u8]) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    short
}

/// Writes the list for the next run. It replaces the last one only when the run has committed.
pub(super) struct KnownWriter {
    to: BufWriter<File>,
    group: Vec<u8>,
    temporary: PathBuf,
    path: PathBuf,
    started: Instant,
}

impl KnownWriter {
    /// Starts a list beside the last one.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub(super) fn start_list(path: &Path, started: Instant) -> io::Result<Self> {
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let mut to = BufWriter::with_capacity(1 << 18, File::create(&temporary)?);
        to.write_all(MAGIC)?;
        Ok(Self {
            to,
            group: Vec::new(),
            temporary,
            path: path.to_owned(),
            started,
        })
    }

    /// Adds a file, unless it changed too shortly before the run.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub(super) fn push_file(&mut self, known: &Known) -> io::Result<()> {
        let is_whole = known.identity.changed.nanoseconds() == 0;
        let margin = if is_whole {
            RACY_WHOLE_SECONDS_NS
        } else {
            RACY_NS
        };
        if known.identity.changed.0 > self.started.0 - margin {
            return Ok(());
        }
        let body = known.encode();
        if body.len() > RECORD_MAX {
            return Ok(());
        }
        self.group
            .extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.group.extend_from_slice(&body);
        if self.group.len() >= GROUP_BYTES {
            self.close_group()?;
        }
        Ok(())
    }

    fn close_group(&mut self) -> io::Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        self.to
            .write_all(&(self.group.len() as u32).to_le_bytes())?;
        self.to.write_all(&short_hash(&self.group))?;
        self.to.write_all(&self.group)?;
        self.group.clear();
        Ok(())
    }

    /// Puts the list in the place of the last one.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub(super) fn commit(mut self) -> io::Result<()> {
        self.close_group()?;
        self.to.flush()?;
        std::fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for KnownWriter {
    fn drop(&mut self) {
        // After a commit there is nothing of that name.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(path: &str, changed: i64) -> Known {
        Known {
            path: path.into(),
            identity: Identity {
                inode: 1,
                device: 2,
                size: 3,
                changed: Instant(changed),
            },
            content_bytes: 3,
            extents: Some(vec![Extent {
                offset: 0,
                length: 3,
            }]),
            xattrs: vec![(b"user.a".to_vec(), vec![0, 1])],
            chunks: vec![ChunkId([7; 32])],
        }
    }

    #[test]
    fn a_file_is_known_only_while_nothing_of_it_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known");
        let mut writer = KnownWriter::start_list(&path, Instant(RACY_NS * 2)).unwrap();
        for name in ["a", "a/b", "a.b", "c"] {
            writer.push_file(&known(name, 5)).unwrap();
        }
        writer.commit().unwrap();
        let mut reader = KnownReader::open_list(Some(&path));
        assert_eq!(
            reader.find_unchanged(b"a", &known("a", 5).identity),
            Some(known("a", 5))
        );
        assert_eq!(
            reader.find_unchanged(b"a.b", &known("a.b", 6).identity),
            None
        );
        assert_eq!(reader.find_unchanged(b"b", &known("b", 5).identity), None);
        assert_eq!(
            reader.find_unchanged(b"c", &known("c", 5).identity),
            Some(known("c", 5))
        );
    }

    #[test]
    fn a_list_of_many_files_is_used_as_far_as_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known");
        let name = |n: u32| format!("{n:05}");
        let mut writer = KnownWriter::start_list(&path, Instant(RACY_NS * 2)).unwrap();
        for n in 0..5_000 {
            writer.push_file(&known(&name(n), 5)).unwrap();
        }
        writer.commit().unwrap();
        let found = |path: &Path| {
            let mut reader = KnownReader::open_list(Some(path));
            let mut find = |n: &u32| {
                reader
                    .find_unchanged(name(*n).as_bytes(), &known("", 5).identity)
                    .is_some()
            };
            (0..5_000).filter(|n| find(n)).collect::<Vec<u32>>()
        };
        assert_eq!(found(&path).len(), 5_000);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let whole = found(&path);
        assert!(
            whole.len() > 1_000 && whole.len() < 2_500,
            "{}",
            whole.len()
        );
        assert!(whole.iter().zip(0..).all(|(n, at)| *n == at));
    }

    #[test]
    fn a_file_that_changed_during_the_run_is_not_listed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known");
        let started = Instant(10 * RACY_NS);
        let mut writer = KnownWriter::start_list(&path, started).unwrap();
        writer.push_file(&known("a", started.0 - 1)).unwrap();
        writer.commit().unwrap();
        let identity = known("a", started.0 - 1).identity;
        assert_eq!(
            KnownReader::open_list(Some(&path)).find_unchanged(b"a", &identity),
            None
        );
    }

    #[test]
    fn a_list_that_is_dropped_leaves_the_last_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known");
        drop(KnownWriter::start_list(&path, Instant(0)).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
