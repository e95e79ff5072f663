//! Snapshots made of maps: a test can look at what a source put in, restore it and verify it.

use super::rules::{checked_path, is_below};
use super::streams::{Reader, Sink, Writer, broken_after, reader, sized_reader};
use super::trees::{Item, OpenTree, WalkOptions};
use crate::types::{Attributes, Failure, FailureKind};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// Bytes that a source wrote.
    ByteStream,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// One more name of an earlier file.
    HardLink,
    /// A fifo or a device.
    Special,
}

/// An entry of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the snapshot.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Length of its content in bytes.
    pub size: u64,
    /// When it last changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// What the source recorded with it.
    pub attributes: Attributes,
}

/// The result of adding or restoring a whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreeReport {
    /// Entries that were added or restored.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Entries that were left out or changed under the reader.
    pub warnings: u64,
}

#[derive(Debug, Clone)]
struct Stored {
    kind: EntryKind,
    bytes: Vec<u8>,
    attributes: Attributes,
    breaks_at: Option<usize>,
}

#[derive(Debug, Default)]
struct Held {
    entries: BTreeMap<Vec<u8>, Stored>,
    facts: Attributes,
    warnings: Vec<(String, String)>,
    room: Option<u64>,
}

/// A snapshot, in the making or committed: gives a plugin its handles, and shows what it did with them.
#[derive(Debug, Clone, Default)]
pub struct Snapshot(Rc<RefCell<Held>>);

impl Snapshot {
    /// Makes an empty snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry of bytes, as an earlier backup left it.
    #[must_use]
    pub fn with_entry(self, path: impl Into<Vec<u8>>, bytes: impl Into<Vec<u8>>) -> Self {
        self.insert_entry(path.into(), EntryKind::ByteStream, bytes.into(), Vec::new());
        self
    }

    /// Makes reading an entry fail after so many bytes.
    #[must_use]
    pub fn broken(self, path: &str, after: usize) -> Self {
        if let Some(stored) = self.0.borrow_mut().entries.get_mut(path.as_bytes()) {
            stored.breaks_at = Some(after);
        }
        self
    }

    /// Makes writing fail once entries have taken so many bytes.
    #[must_use]
    pub fn with_room(self, bytes: u64) -> Self {
        self.0.borrow_mut().room = Some(bytes);
        self
    }

    /// Adds a fact, as an earlier backup left it.
    #[must_use]
    pub fn with_fact(self, key: &str, value: &str) -> Self {
        let fact = (key.to_owned(), value.to_owned());
        self.0.borrow_mut().facts.push(fact);
        self
    }

    fn insert_entry(&self, path: Vec<u8>, kind: EntryKind, bytes: Vec<u8>, attributes: Attributes) {
        let stored = Stored {
            kind,
            bytes,
            attributes,
            breaks_at: None,
        };
        self.0.borrow_mut().entries.insert(path, stored);
    }

    /// Returns the handle that a backup gets.
    #[must_use]
    pub fn draft(&self) -> Draft {
        Draft(self.clone())
    }

    /// Returns the handle that a restore or a verification gets.
    #[must_use]
    pub fn content(&self) -> Content {
        Content(self.clone())
    }

    /// Returns the content of an entry that was finished.
    #[must_use]
    pub fn entry_bytes(&self, path: &str) -> Option<Vec<u8>> {
        let held = self.0.borrow();
        held.entries
            .get(path.as_bytes())
            .map(|stored| stored.bytes.clone())
    }

    /// Returns the names of the entries, sorted.
    #[must_use]
    pub fn entry_names(&self) -> Vec<String> {
        let shown = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        self.0.borrow().entries.keys().map(shown).collect()
    }

    /// Returns the value of a fact that was recorded.
    #[must_use]
    pub fn recorded_fact(&self, key: &str) -> Option<String> {
        let held = self.0.borrow();
        let found = held.facts.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    }

    /// Returns the warnings: subject and message.
    #[must_use]
    pub fn warnings(&self) -> Vec<(String, String)> {
        self.0.borrow().warnings.clone()
    }
}

/// The snapshot that is being made.
#[derive(Debug)]
pub struct Draft(Snapshot);

impl Draft {
    /// Starts an entry of bytes; it counts only when its writer is finished.
    ///
    /// # Errors
    /// The path is not valid, or is taken.
    pub fn create(&self, path: &[u8], attributes: &[(String, String)]) -> Result<Writer, Failure> {
        let path = checked_path(path)?;
        if self.0.0.borrow().entries.contains_key(&path) {
            let shown = String::from_utf8_lossy(&path);
            return Err(Failure::invalid(format!(
                "entry `{shown}` is there already"
            )));
        }
        Ok(Writer::with_sink(NewEntry {
            snapshot: self.0.clone(),
            path,
            attributes: attributes.to_vec(),
            bytes: Vec::new(),
        }))
    }

    /// Adds a whole granted tree below `prefix` (empty for none).
    ///
    /// # Errors
    /// The prefix is not a valid path.
    pub fn add_tree(
        &self,
        source: &OpenTree,
        prefix: &[u8],
        options: &WalkOptions,
    ) -> Result<TreeReport, Failure> {
        let mut report = TreeReport::default();
        if !prefix.is_empty() {
            let prefix = checked_path(prefix)?;
            self.0
                .insert_entry(prefix, EntryKind::Directory, Vec::new(), Vec::new());
            report.entries += 1;
        }
        for (path, item) in source.walk_items(options) {
            let path = match prefix {
                [] => path,
                _ => [prefix, b"/", path.as_slice()].concat(),
            };
            let (kind, bytes) = match item {
                Item::File(bytes) => (EntryKind::File, bytes),
                Item::Directory => (EntryKind::Directory, Vec::new()),
                Item::Symlink(target) => (EntryKind::Symlink, target),
            };
            report.entries += 1;
            report.bytes += bytes.len() as u64;
            self.0.insert_entry(path, kind, bytes, Vec::new());
        }
        Ok(report)
    }

    /// Records a key and a value in the snapshot.
    ///
    /// # Errors
    /// None here; a host limits how much it takes.
    pub fn record_fact(&self, key: &str, value: &str) -> Result<(), Failure> {
        let fact = (key.to_owned(), value.to_owned());
        self.0.0.borrow_mut().facts.push(fact);
        Ok(())
    }

    /// Warns of something that was left out.
    pub fn warn(&self, subject: &str, message: &str) {
        let warning = (subject.to_owned(), message.to_owned());
        self.0.0.borrow_mut().warnings.push(warning);
    }
}

struct NewEntry {
    snapshot: Snapshot,
    path: Vec<u8>,
    attributes: Attributes,
    bytes: Vec<u8>,
}

impl Sink for NewEntry {
    fn accept(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let room = &mut self.snapshot.0.borrow_mut().room;
        if let Some(left) = room {
            match left.checked_sub(bytes.len() as u64) {
                Some(left) => *room = Some(left),
                None => return Err(Failure::new(FailureKind::Unavailable, "the store is full")),
            }
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        let Self {
            snapshot,
            path,
            attributes,
            bytes,
        } = *self;
        snapshot.insert_entry(path, EntryKind::ByteStream, bytes, attributes);
        Ok(())
    }
}

/// Entries in the order of the snapshot.
#[derive(Debug)]
pub struct Listing(RefCell<Vec<Entry>>);

impl Listing {
    /// Returns the next entries, at most `max`; an empty list at the end.
    ///
    /// # Errors
    /// None here; a host may not be able to read the snapshot.
    pub fn next(&self, max: u32) -> Result<Vec<Entry>, Failure> {
        let mut entries = self.0.borrow_mut();
        let count = entries.len().min((max as usize).clamp(1, 1000));
        Ok(entries.drain(..count).collect())
    }
}

/// What a committed snapshot holds.
#[derive(Debug)]
pub struct Content(Snapshot);

impl Content {
    /// Lists the entries at and below `prefix` (empty for all).
    ///
    /// # Errors
    /// None here; a host may not be able to read the snapshot.
    pub fn list_entries(&self, prefix: &[u8]) -> Result<Listing, Failure> {
        let held = self.0.0.borrow();
        let below = held
            .entries
            .iter()
            .filter(|(path, _)| is_below(path, prefix));
        let entry = |(path, stored): (&Vec<u8>, &Stored)| Entry {
            path: path.clone(),
            kind: stored.kind,
            size: stored.bytes.len() as u64,
            modified_ns: 0,
            attributes: stored.attributes.clone(),
        };
        Ok(Listing(RefCell::new(below.map(entry).collect())))
    }

    /// Reads the content of an entry.
    ///
    /// # Errors
    /// The entry does not exist, or has no content.
    pub fn open(&self, path: &[u8]) -> Result<Reader, Failure> {
        let shown = String::from_utf8_lossy(path);
        let held = self.0.0.borrow();
        let Some(stored) = held.entries.get(path) else {
            let message = format!("there is no entry `{shown}`");
            return Err(Failure::new(FailureKind::NotFound, message));
        };
        if !matches!(stored.kind, EntryKind::ByteStream | EntryKind::File) {
            return Err(Failure::invalid(format!("entry `{shown}` has no content")));
        }
        match stored.breaks_at {
            None => Ok(sized_reader(stored.bytes.clone())),
            Some(at) => {
                let failure = Failure::damaged(format!("entry `{shown}` is damaged"));
                let intact = &stored.bytes[..at.min(stored.bytes.len())];
                Ok(reader(broken_after(intact, failure)))
            }
        }
    }

    /// Writes the entries below `prefix` into a granted tree, whose root stands for `prefix` itself.
    ///
    /// # Errors
    /// The tree was opened for reading.
    pub fn extract(&self, prefix: &[u8], target: &OpenTree) -> Result<TreeReport, Failure> {
        let mut report = TreeReport::default();
        for (path, stored) in &self.0.0.borrow().entries {
            if !is_below(path, prefix) || path == prefix {
                continue;
            }
            let below = match prefix {
                [] => path.clone(),
                _ => path[prefix.len() + 1..].to_vec(),
            };
            let bytes = stored.bytes.clone();
            report.entries += 1;
            report.bytes += bytes.len() as u64;
            let item = match stored.kind {
                EntryKind::Directory => Item::Directory,
                EntryKind::Symlink => Item::Symlink(bytes),
                _ => Item::File(bytes),
            };
            target.write_item(below, item)?;
        }
        Ok(report)
    }

    /// Returns the facts that the source recorded.
    #[must_use]
    pub fn facts(&self) -> Attributes {
        self.0.0.borrow().facts.clone()
    }
}
