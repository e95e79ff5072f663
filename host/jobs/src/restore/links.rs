//! Restores hard links without the entry that they refer to.
//!
//! A hard link has no content of its own. If only the link is wanted, the first wanted link gets the content, and
//! the others refer to that one.

use holdfast_base::entry::{Entry, EntryKind, EntryPath, RestoreTarget, Started, TargetFile};
use holdfast_base::sync::Unpoisoned;
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

/// Wanted hard links, by the unwanted entry that they refer to.
pub(crate) type StandIns = BTreeMap<EntryPath, Vec<EntryPath>>;

/// A target that gets entries under the names of the links that stand in for them.
pub(crate) struct RenamingTarget<'a> {
    pub(crate) target: &'a dyn RestoreTarget,
    pub(crate) stand_ins: &'a StandIns,
    /// Directories above what was chosen: made once something is restored in them under its own name.
    pub(crate) above: Mutex<Vec<Entry>>,
}

impl RenamingTarget<'_> {
    fn find_stand_in(&self, path: &EntryPath) -> Option<&EntryPath> {
        self.stand_ins.get(path)?.first()
    }

    /// Makes the directories above an entry that keeps its name.
    fn make_above(&self, path: &EntryPath) -> io::Result<()> {
        let mut above = self.above.lock_unpoisoned();
        let (wanted, others) = std::mem::take(&mut *above)
            .into_iter()
            .partition(|directory| path.is_within(&directory.path));
        *above = others;
        let wanted: Vec<Entry> = wanted;
        wanted
            .iter()
            .try_for_each(|directory| self.target.make_parent(directory))
    }

    /// Returns the entry under its new name; none if it keeps its own.
    fn rename_entry(&self, entry: &Entry) -> Option<Entry> {
        let path = self.find_stand_in(&entry.path)?.clone();
        Some(Entry {
            path,
            ..entry.clone()
        })
    }
}

struct RenamedFile {
    file: Box<dyn TargetFile>,
    entry: Entry,
}

impl RestoreTarget for RenamingTarget<'_> {
    fn make(&self, entry: &Entry) -> io::Result<()> {
        if self.find_stand_in(&entry.path).is_none() {
            self.make_above(&entry.path)?;
        }
        if let EntryKind::HardLink { target } = &entry.kind
            && let Some(first) = self.find_stand_in(target)
        {
            if *first == entry.path {
                return Ok(());
            }
            let kind = EntryKind::HardLink {
                target: first.clone(),
            };
            return self.target.make(&Entry {
                kind,
                ..entry.clone()
            });
        }
        match self.rename_entry(entry) {
            Some(renamed) => self.target.make(&renamed),
            None => self.target.make(entry),
        }
    }

    fn make_parent(&self, entry: &Entry) -> io::Result<()> {
        self.above.lock_unpoisoned().push(entry.clone());
        Ok(())
    }

    fn set_root(&self, entry: &Entry) -> io::Result<()> {
        self.target.set_root(entry)
    }

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Started> {
        let Some(entry) = self.rename_entry(entry) else {
            self.make_above(&entry.path)?;
            return self.target.start(entry, size);
        };
        self.make_above(&entry.path)?;
        Ok(match self.target.start(&entry, size)? {
            Started::New(file) => Started::New(Box::new(RenamedFile { file, entry })),
            there => there,
        })
    }

    fn start_over(&self, entry: &Entry, size: u64) -> io::Result<Box<dyn TargetFile>> {
        let Some(entry) = self.rename_entry(entry) else {
            return self.target.start_over(entry, size);
        };
        let file = self.target.start_over(&entry, size)?;
        Ok(Box::new(RenamedFile { file, entry }))
    }

    fn finish(&self) -> io::Result<()> {
        self.target.finish()
    }
}

impl TargetFile for RenamedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn finish(&self, _: &Entry) -> io::Result<()> {
        self.file.finish(&self.entry)
    }
}
