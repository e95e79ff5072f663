//! What a killed run had already made durable.
//!
//! Each pack is noted here just before the store gets it, and so before any index segment names it.
//! A run that finds the journal of a dead one takes over those packs that the store has, so that
//! nothing durable is lost. The journal of a run that lives is locked and left alone. It is a convenience: without it the packs
//! are only garbage for collection.

use crate::format::segment::{self, IndexedPack};
use rustix::fs::{FlockOperation, flock};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const PREFIX: &str = "journal-";

/// The journal of this run. Dropping it leaves the file for the next run; [`Journal::remove`] ends it.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Starts a journal.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub(crate) fn start(cache: &Path, name: &str) -> io::Result<Self> {
        let path = cache.join(format!("{PREFIX}{name}"));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { file, path })
    }

    /// Notes a pack that is about to be durable.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub(crate) fn note(&mut self, pack: &IndexedPack) -> io::Result<()> {
        let body = segment::encode(std::slice::from_ref(pack));
        let mut line = Vec::with_capacity(body.len() + 36);
        line.extend_from_slice(&(body.len() as u32).to_le_bytes());
        line.extend_from_slice(blake3::hash(&body).as_bytes());
        line.extend_from_slice(&body);
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    /// Takes back the note of a pack that turned out to be damaged.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub(crate) fn strike(&mut self, pack: IndexedPack) -> io::Result<()> {
        self.note(&IndexedPack {
            sealed_bytes: 0,
            frames: Vec::new(),
            ..pack
        })
    }

    /// Removes the journal: an index segment names everything in it.
    pub(crate) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The packs of a dead run, and the lock that keeps others from taking them over too.
pub(crate) struct Orphan {
    /// What the dead run had made durable, or was about to.
    pub packs: Vec<IndexedPack>,
    path: PathBuf,
    _lock: File,
}

impl Orphan {
    /// Removes the journal: an index segment names everything in it.
    pub(crate) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Returns the journals of runs that are dead.
#[must_use]
pub(crate) fn orphans(cache: &Path) -> Vec<Orphan> {
    let Ok(files) = std::fs::read_dir(cache) else {
        return Vec::new();
    };
    files
        .filter_map(Result::ok)
        .filter(|file| file.file_name().to_string_lossy().starts_with(PREFIX))
        .filter_map(|file| take_over(&file.path()))
        .collect()
}

fn take_over(path: &Path) -> Option<Orphan> {
    let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(Orphan {
        packs: standing(decode(&bytes)),
        path: path.to_owned(),
        _lock: file,
    })
}

/// Reads notes up to the first that is not whole: a kill may have cut the last.
fn decode(mut bytes: &[u8]) -> Vec<IndexedPack> {
    let mut packs = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(36) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((body, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if blake3::hash(body).as_bytes()[..] != head[4..] {
            break;
        }
        match segment::decode(body) {
            Ok(noted) => packs.extend(noted),
            Err(_) => break,
        }
        bytes = rest;
    }
    packs
}

/// Leaves out what was taken back.
fn standing(mut packs: Vec<IndexedPack>) -> Vec<IndexedPack> {
    let struck: HashSet<_> = packs
        .iter()
        .filter(|pack| pack.sealed_bytes == 0)
        .map(|pack| pack.id)
        .collect();
    packs.retain(|pack| !struck.contains(&pack.id));
    packs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::segment::PackKind;
    use holdfast_base::id::PackId;

    fn pack(n: u8) -> IndexedPack {
        let kind = PackKind::Content;
        IndexedPack {
            id: PackId([n; 32]),
            kind,
            epoch: 1,
            sealed_bytes: 5,
            frames: vec![],
        }
    }

    #[test]
    fn a_dead_journal_is_taken_over_and_a_living_one_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let mut journal = Journal::start(cache.path(), "a").unwrap();
        journal.note(&pack(1)).unwrap();
        journal.note(&pack(2)).unwrap();
        assert!(orphans(cache.path()).is_empty());
        drop(journal);
        let mut found = orphans(cache.path());
        assert_eq!(found[0].packs, [pack(1), pack(2)]);
        found.remove(0).remove();
        assert!(orphans(cache.path()).is_empty());
    }

    #[test]
    fn a_note_that_was_taken_back_is_left_out() {
        let cache = tempfile::tempdir().unwrap();
        let mut journal = Journal::start(cache.path(), "a").unwrap();
        journal.note(&pack(1)).unwrap();
        journal.note(&pack(2)).unwrap();
        journal.strike(pack(1)).unwrap();
        drop(journal);
        assert_eq!(orphans(cache.path())[0].packs, [pack(2)]);
    }

    #[test]
    fn a_note_that_a_kill_cut_is_left_out() {
        let cache = tempfile::tempdir().unwrap();
        let mut journal = Journal::start(cache.path(), "a").unwrap();
        journal.note(&pack(1)).unwrap();
        journal.note(&pack(2)).unwrap();
        let path = journal.path.clone();
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(orphans(cache.path())[0].packs, [pack(1)]);
    }
}
