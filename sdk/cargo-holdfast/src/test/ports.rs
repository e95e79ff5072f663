//! Snapshots and streams that break where a case wants it.

use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, FileContent, RestoreTarget, Warning, printable,
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
use std::sync::{Arc, Mutex, MutexGuard};

/// What a broken stream says.
pub(crate) const BROKE: &str = "the suite let it break";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock_unpoisoned()
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, BROKE)
}

/// Hears nothing.
pub(crate) struct Deaf;

impl Listener for Deaf {
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
        Ok(lock(&self.0).get(key).cloned())
    }

    fn set(&self, key: &str, value: Option<Vec<u8>>) -> io::Result<()> {
        match value {
            Some(value) => lock(&self.0).insert(key.to_owned(), value),
            None => lock(&self.0).remove(key),
        };
        Ok(())
    }

    fn keys(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.0).keys().cloned().collect())
    }
}

/// An entry that is kept.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) entry: Entry,
    pub(crate) content: Content,
}

/// What an entry holds.
#[derive(Clone)]
pub(crate) enum Content {
    /// These bytes.
    Bytes(Arc<Vec<u8>>),
    /// Bytes that break after so many.
    Broken(Arc<Vec<u8>>, usize),
    /// So many bytes, all alike.
    Alike(u64),
}

impl Content {
    pub(crate) fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(Arc::new(bytes.into()))
    }

    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Broken(bytes, _) => bytes.len() as u64,
            Self::Alike(size) => *size,
        }
    }

    fn open(&self) -> Box<dyn Read + Send> {
        match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes.to_vec())),
            Self::Broken(bytes, at) => Box::new(breaking(bytes[..*at].to_vec())),
            Self::Alike(size) => Box::new(io::repeat(b'-').take(*size)),
        }
    }
}

/// Gives bytes and then breaks.
pub(crate) fn breaking(bytes: Vec<u8>) -> impl Read + Send + 'static {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(broken())
        }
    }
    Cursor::new(bytes).chain(Broken)
}

/// A snapshot.
#[derive(Default)]
pub(crate) struct Snapshot {
    entries: Mutex<BTreeMap<EntryPath, Kept>>,
    facts: Mutex<Vec<(String, String)>>,
    opened: Mutex<Vec<String>>,
    /// Operations that still succeed; all where none is given.
    left: Mutex<Option<u64>>,
}

impl Snapshot {
    /// Makes one that fails once so many operations have succeeded.
    pub(crate) fn failing_after(operations: u64) -> Self {
        let left = Mutex::new(Some(operations));
        Self {
            left,
            ..Self::default()
        }
    }

    /// Adds an entry.
    pub(crate) fn put(&self, path: impl Into<Vec<u8>>, content: Content) {
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
        lock(&self.entries).insert(path, Kept { entry, content });
    }

    pub(crate) fn entries(&self) -> Vec<Kept> {
        lock(&self.entries).values().cloned().collect()
    }

    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        lock(&self.facts).clone()
    }

    /// Returns the entries that were opened.
    pub(crate) fn opened(&self) -> Vec<String> {
        lock(&self.opened).clone()
    }

    /// Returns whether it has failed.
    pub(crate) fn has_failed(&self) -> bool {
        *lock(&self.left) == Some(0)
    }

    /// Adds an entry, and refuses a second one of the same name, as a repository does.
    pub(crate) fn keep(&self, kept: Kept) -> io::Result<()> {
        let mut entries = lock(&self.entries);
        if entries.contains_key(&kept.entry.path) {
            let message = format!("entry `{}` was added twice", kept.entry.path);
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        entries.insert(kept.entry.path.clone(), kept);
        Ok(())
    }

    fn step(&self) -> io::Result<()> {
        match &mut *lock(&self.left) {
            Some(0) => Err(io::Error::new(io::ErrorKind::StorageFull, BROKE)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A snapshot that is being made.
pub(crate) struct Draft(pub(crate) Arc<Snapshot>);

impl DraftPort for Draft {
    fn create_stream(
        &self,
        path: EntryPath,
        attributes: Vec<(String, String)>,
    ) -> io::Result<Box<dyn StreamSink>> {
        self.0.step()?;
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
        self.0.step()?;
        let mut bytes = Vec::new();
        if let Some(content) = content {
            content.open()?.read_to_end(&mut bytes)?;
        }
        let content = Content::of(bytes);
        self.0.keep(Kept { entry, content })
    }

    fn settle(&self) -> io::Result<Totals> {
        let entries = lock(&self.0.entries);
        Ok(Totals {
            entries: entries.len() as u64,
            bytes: entries.values().map(|kept| kept.content.size()).sum(),
            warnings: 0,
        })
    }

    fn record_fact(&self, key: String, value: String) -> io::Result<()> {
        self.0.step()?;
        lock(&self.0.facts).push((key, value));
        Ok(())
    }

    fn warn(&self, _: Warning) {}
}

struct Sink {
    snapshot: Arc<Snapshot>,
    entry: Entry,
    bytes: Vec<u8>,
}

impl StreamSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.snapshot.step()?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<u64> {
        self.snapshot.step()?;
        let length = self.bytes.len() as u64;
        let kept = Kept {
            entry: self.entry,
            content: Content::of(self.bytes),
        };
        self.snapshot.keep(kept)?;
        Ok(length)
    }
}

impl ContentPort for Snapshot {
    fn list(&self, prefix: Option<&EntryPath>) -> io::Result<EntryIter> {
        let found: Vec<_> = self
            .entries()
            .into_iter()
            .filter(|kept| prefix.is_none_or(|prefix| kept.entry.path.is_within(prefix)))
            .map(|kept| Ok((kept.entry, kept.content.size())))
            .collect();
        Ok(Box::new(found.into_iter()))
    }

    fn open(&self, path: &EntryPath) -> io::Result<Box<dyn Read + Send>> {
        let kept = lock(&self.entries).get(path).cloned();
        let absent = || io::Error::new(io::ErrorKind::NotFound, "there is no such entry");
        lock(&self.opened).push(printable(path.as_bytes()));
        Ok(kept.ok_or_else(absent)?.content.open())
    }

    fn extract(
        &self,
        prefix: Option<&EntryPath>,
        target: &dyn RestoreTarget,
    ) -> io::Result<Totals> {
        let mut totals = Totals::default();
        for Kept { mut entry, content } in self.entries() {
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
            if let Some(file) = target.start(&entry, content.size())? {
                lock(&self.opened).push(entry.path.to_string());
                let mut bytes = Vec::new();
                content.open().read_to_end(&mut bytes)?;
                file.write_at(0, &bytes)?;
                file.finish(&entry)?;
                totals.bytes += bytes.len() as u64;
            }
        }
        target.finish()?;
        Ok(totals)
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.facts()
    }
}

/// Collects what is written, as long as there is room.
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

    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.bytes))
    }
}

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = lock(&self.bytes);
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
