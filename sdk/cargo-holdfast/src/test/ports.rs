//! Snapshots and streams that fail at the place that a case names.

use holdfast_base::added_tree::{AddedTree, LeftToAdd};
use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, FileContent, RestoreTarget, Started, Warning, printable,
};
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::Instant;
use holdfast_sandbox::capability::streams::BlobBytes;
use holdfast_sandbox::ports::{
    ContentPort, DraftPort, EntryIter, Listener, SecretPort, StatePort, StreamSink, Totals,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

/// The message of a broken stream.
pub(crate) const BROKE: &str = "the suite let it break";

fn break_error() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, BROKE)
}

/// A listener that ignores everything.
pub(crate) struct NullListener;

impl Listener for NullListener {
    fn progress(&self, _: u64, _: Option<u64>, _: &str) {}
}

/// Secrets of the given settings, from the environment.
pub(crate) struct Secrets(pub(crate) Map<String, Value>);

impl SecretPort for Secrets {
    fn resolve(&self, name: &str) -> io::Result<Vec<u8>> {
        let reference = self.0.get(name).and_then(|value| value["secret"].as_str());
        let variable = reference.and_then(|reference| reference.strip_prefix("env:"));
        let value = variable.and_then(std::env::var_os);
        let absent = || {
            let message = format!("secret `{name}` is not in the environment");
            io::Error::new(io::ErrorKind::NotFound, message)
        };
        value
            .map(|value| value.into_encoded_bytes())
            .ok_or_else(absent)
    }
}

/// Values of a job.
#[derive(Default)]
pub(crate) struct Values(Mutex<BTreeMap<String, Vec<u8>>>);

impl StatePort for Values {
    fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock_unpoisoned().get(key).cloned())
    }

    fn set(&self, key: &str, value: Option<Vec<u8>>) -> io::Result<()> {
        match value {
            Some(value) => self.0.lock_unpoisoned().insert(key.to_owned(), value),
            None => self.0.lock_unpoisoned().remove(key),
        };
        Ok(())
    }

    fn keys(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock_unpoisoned().keys().cloned().collect())
    }
}

/// An entry with its content.
#[derive(Clone)]
pub(crate) struct KeptEntry {
    pub(crate) entry: Entry,
    pub(crate) content: Content,
}

/// The content of an entry.
#[derive(Clone)]
pub(crate) enum Content {
    /// These bytes.
    Bytes(Arc<Vec<u8>>),
    /// Bytes that can be read up to this place; reading on fails.
    Broken(Arc<Vec<u8>>, usize),
    /// So many bytes, all the same.
    Repeated(u64),
}

impl Content {
    pub(crate) fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(Arc::new(bytes.into()))
    }

    fn size_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Broken(bytes, _) => bytes.len() as u64,
            Self::Repeated(size) => *size,
        }
    }

    fn open_reader(&self) -> Box<dyn Read + Send> {
        match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes.to_vec())),
            Self::Broken(bytes, at) => Box::new(read_until_break(bytes[..*at].to_vec())),
            Self::Repeated(size) => Box::new(io::repeat(b'-').take(*size)),
        }
    }
}

/// Returns a reader that gives these bytes and then fails.
pub(crate) fn read_until_break(bytes: Vec<u8>) -> impl Read + Send + 'static {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(break_error())
        }
    }
    Cursor::new(bytes).chain(Broken)
}

/// A snapshot in memory.
#[derive(Default)]
pub(crate) struct Snapshot {
    entries: Mutex<BTreeMap<EntryPath, KeptEntry>>,
    facts: Mutex<Vec<(String, String)>>,
    opened: Mutex<Vec<String>>,
    /// Operations that still succeed; all if not given.
    left: Mutex<Option<u64>>,
}

impl Snapshot {
    /// Makes a snapshot that fails once so many operations have succeeded.
    pub(crate) fn failing_after(operations: u64) -> Self {
        let left = Mutex::new(Some(operations));
        Self {
            left,
            ..Self::default()
        }
    }

    /// Makes a snapshot with this many small entries.
    pub(crate) fn with_many_entries(count: usize) -> Self {
        let snapshot = Self::default();
        for number in 0..count {
            snapshot.put_stream(format!("directory/file-{number}"), Content::from_bytes("x"));
        }
        snapshot
    }

    /// Adds an entry of bytes.
    pub(crate) fn put_stream(&self, path: impl Into<Vec<u8>>, content: Content) {
        let Ok(path) = EntryPath::new(path) else {
            return;
        };
        let entry = Entry {
            path: path.clone(),
            kind: EntryKind::Stream,
            modified: Instant(0),
            ownership: None,
            attributes: Vec::new(),
        };
        self.entries
            .lock_unpoisoned()
            .insert(path, KeptEntry { entry, content });
    }

    pub(crate) fn kept_entries(&self) -> Vec<KeptEntry> {
        self.entries.lock_unpoisoned().values().cloned().collect()
    }

    pub(crate) fn recorded_facts(&self) -> Vec<(String, String)> {
        self.facts.lock_unpoisoned().clone()
    }

    /// Returns the entries that were opened.
    pub(crate) fn opened_entries(&self) -> Vec<String> {
        self.opened.lock_unpoisoned().clone()
    }

    /// Returns whether an operation has failed.
    pub(crate) fn has_failed(&self) -> bool {
        *self.left.lock_unpoisoned() == Some(0)
    }

    /// Adds an entry, and refuses a second one of the same name, as a repository does.
    pub(crate) fn keep_entry(&self, kept: KeptEntry) -> io::Result<()> {
        let mut entries = self.entries.lock_unpoisoned();
        if entries.contains_key(&kept.entry.path) {
            let message = format!("entry `{}` was added twice", kept.entry.path);
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        entries.insert(kept.entry.path.clone(), kept);
        Ok(())
    }

    fn count_operation(&self) -> io::Result<()> {
        match &mut *self.left.lock_unpoisoned() {
            Some(0) => Err(io::Error::new(io::ErrorKind::StorageFull, BROKE)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The snapshot as a backup sees it.
pub(crate) struct Draft(pub(crate) Arc<Snapshot>);

impl DraftPort for Draft {
    fn create_stream(
        &self,
        path: EntryPath,
        attributes: Vec<(String, String)>,
    ) -> io::Result<Box<dyn StreamSink>> {
        self.0.count_operation()?;
        let entry = Entry {
            path,
            kind: EntryKind::Stream,
            modified: Instant(0),
            ownership: None,
            attributes,
        };
        Ok(Box::new(Sink {
            snapshot: Arc::clone(&self.0),
            entry,
            bytes: Vec::new(),
        }))
    }

    fn add(&self, entry: Entry, content: Option<Box<dyn FileContent>>) -> io::Result<()> {
        self.0.count_operation()?;
        let mut bytes = Vec::new();
        if let Some(content) = content {
            content.open()?.read_to_end(&mut bytes)?;
        }
        let content = Content::from_bytes(bytes);
        self.0.keep_entry(KeptEntry { entry, content })
    }

    fn take_tree(&self, _: AddedTree) -> io::Result<LeftToAdd> {
        Ok(LeftToAdd::Everything)
    }

    fn settle(&self) -> io::Result<Totals> {
        let entries = self.0.entries.lock_unpoisoned();
        Ok(Totals {
            entries: entries.len() as u64,
            bytes: entries.values().map(|kept| kept.content.size_bytes()).sum(),
            warnings: 0,
        })
    }

    fn record_fact(&self, key: String, value: String) -> io::Result<()> {
        self.0.count_operation()?;
        self.0.facts.lock_unpoisoned().push((key, value));
        Ok(())
    }

    fn warn(&self, _: Warning) {}

    fn leave_out(&self, _: Warning, _: io::Error) -> io::Result<()> {
        Ok(())
    }

    fn count_left_out(&self, _: u64, _: u64) {}
}

struct Sink {
    snapshot: Arc<Snapshot>,
    entry: Entry,
    bytes: Vec<u8>,
}

impl StreamSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.snapshot.count_operation()?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<u64> {
        self.snapshot.count_operation()?;
        let length = self.bytes.len() as u64;
        let kept = KeptEntry {
            entry: self.entry,
            content: Content::from_bytes(self.bytes),
        };
        self.snapshot.keep_entry(kept)?;
        Ok(length)
    }
}

impl ContentPort for Snapshot {
    fn list(&self, prefix: Option<&EntryPath>) -> io::Result<EntryIter> {
        let found: Vec<_> = self
            .kept_entries()
            .into_iter()
            .filter(|kept| prefix.is_none_or(|prefix| kept.entry.path.is_within(prefix)))
            .map(|kept| Ok((kept.entry, kept.content.size_bytes())))
            .collect();
        Ok(Box::new(found.into_iter()))
    }

    fn open(&self, path: &EntryPath) -> io::Result<Box<dyn Read + Send>> {
        let kept = self.entries.lock_unpoisoned().get(path).cloned();
        let absent = || io::Error::new(io::ErrorKind::NotFound, "there is no such entry");
        self.opened
            .lock_unpoisoned()
            .push(printable(path.as_bytes()));
        Ok(kept.ok_or_else(absent)?.content.open_reader())
    }

    fn extract(
        &self,
        prefix: Option<&EntryPath>,
        target: &dyn RestoreTarget,
    ) -> io::Result<Totals> {
        let mut totals = Totals::default();
        for KeptEntry { mut entry, content } in self.kept_entries() {
            if let Some(prefix) = prefix {
                let below = entry.path.as_bytes().strip_prefix(prefix.as_bytes());
                let below = below.and_then(|rest| rest.strip_prefix(b"/"));
                let Some(path) = below.and_then(|rest| EntryPath::new(rest).ok()) else {
                    continue;
                };
                entry.path = path;
            }
            totals.entries += 1;
            if !entry.has_content() {
                target.make(&entry)?;
                continue;
            }
            let mut bytes = Vec::new();
            content.open_reader().read_to_end(&mut bytes)?;
            let file = match target.start(&entry, content.size_bytes())? {
                Started::New(file) => file,
                Started::Trusted => continue,
                Started::Alike(mut there) => {
                    let mut held = Vec::new();
                    there.read_to_end(&mut held)?;
                    if held == bytes {
                        continue;
                    }
                    target.start_over(&entry, content.size_bytes())?
                }
            };
            self.opened.lock_unpoisoned().push(entry.path.to_string());
            file.write_at(0, &bytes)?;
            file.finish(&entry)?;
            totals.bytes += bytes.len() as u64;
        }
        target.finish()?;
        Ok(totals)
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.recorded_facts()
    }
}

/// Collects bytes as long as there is room.
#[derive(Clone)]
pub(crate) struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Collected {
    pub(crate) fn with_room(room: usize) -> Self {
        let bytes = Arc::default();
        Self { bytes, room }
    }

    pub(crate) fn take_bytes(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.lock_unpoisoned())
    }
}

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.bytes.lock_unpoisoned();
        if held.len() + bytes.len() > self.room {
            return Err(io::Error::new(io::ErrorKind::StorageFull, BROKE));
        }
        held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes at rest.
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl BlobBytes for Blob {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let from = self.0.len().min(offset as usize);
        let to = self.0.len().min(from.saturating_add(length));
        Ok(self.0[from..to].to_vec())
    }
}
