//! Restores hard links without the entry that they refer to.
//!
//! A hard link has no content of its own. If only the link is wanted, the first wanted link gets the content, and
//! the others refer to that one.

use holdfast_base::entry::{Entry, EntryKind, EntryPath, RestoreTarget, TargetFile};
use std::collections::BTreeMap;
use std::io;

/// Wanted hard links, by the unwanted entry that they refer to.
pub(crate) type StandIns = BTreeMap<EntryPath, Vec<EntryPath>>;

/// A target that gets entries under the names of the links that stand in for them.
pub(crate) struct RenamingTarget<'a> {
    pub(crate) target: &'a dyn RestoreTarget,
    pub(crate) stand_ins: &'a StandIns,
}

impl RenamingTarget<'_> {
    fn find_stand_in(&self, path: &EntryPath) -> Option<&EntryPath> {
        self.stand_ins.get(path)?.first()
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

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Option<Box<dyn TargetFile>>> {
        let Some(entry) = self.rename_entry(entry) else {
            return self.target.start(entry, size);
        };
        let file = self.target.start(&entry, size)?;
        Ok(file.map(|file| Box::new(RenamedFile { file, entry }) as _))
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
