//! Joins the sandbox and the repository: the only file that knows both.
//!
//! A session of the repository becomes the draft that a source fills; a snapshot becomes the content
//! that is restored and verified; an encryptor plugin becomes the sealer of the repository.

use crate::tally::{CountedReader, CountedTarget, Tally};
use holdfast_base::added_tree::{AddedTree, LeftToAdd};
use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, FileContent, RestoreTarget, Started, TargetFile, Warning,
};
use holdfast_base::sync::Unpoisoned;
use holdfast_repository::format::root::Root;
use holdfast_repository::read::{ContentReader, Reader};
use holdfast_repository::restore::restore;
use holdfast_repository::seal::{
    Identity, KeyPair, Recipient, SealError, SealedBytes, Sealer, Secret,
};
use holdfast_repository::write::StreamWriter;
use holdfast_repository::{ReadError, RepositoryError, SnapshotWriter};
use holdfast_sandbox::CallError;
use holdfast_sandbox::capability::streams::BlobBytes;
use holdfast_sandbox::plugin::FailureKind;
use holdfast_sandbox::plugin::encryptor::{self, Encryptor};
use holdfast_sandbox::ports::{ContentPort, DraftPort, EntryIter, Listener, StreamSink, Totals};
use std::io::{self, Read, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

fn into_io_error(error: impl Into<RepositoryError>) -> io::Error {
    io::Error::other(error.into())
}

/// The snapshot that is being made.
pub(crate) struct SessionDraft(pub(crate) Arc<SnapshotWriter>);

struct SessionStream(StreamWriter);

impl StreamSink for SessionStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes).map_err(into_io_error)
    }

    fn finish(self: Box<Self>) -> io::Result<u64> {
        self.0.finish().map_err(into_io_error)
    }
}

impl DraftPort for SessionDraft {
    fn create_stream(
        &self,
        path: EntryPath,
        attributes: Vec<(String, String)>,
    ) -> io::Result<Box<dyn StreamSink>> {
        Ok(Box::new(SessionStream(
            self.0.stream(path, attributes).map_err(into_io_error)?,
        )))
    }

    fn add(&self, entry: Entry, content: Option<Box<dyn FileContent>>) -> io::Result<()> {
        self.0.add_entry(entry, content).map_err(into_io_error)
    }

    fn take_tree(&self, tree: AddedTree) -> io::Result<LeftToAdd> {
        self.0.take_tree(tree).map_err(into_io_error)
    }

    fn settle(&self) -> io::Result<Totals> {
        let (entries, bytes, warnings) = self.0.settle().map_err(into_io_error)?;
        Ok(Totals {
            entries,
            bytes,
            warnings,
        })
    }

    fn record_fact(&self, key: String, value: String) -> io::Result<()> {
        self.0.record_fact(key, value).map_err(into_io_error)
    }

    fn warn(&self, warning: Warning) {
        self.0.add_warning(warning);
    }

    fn leave_out(&self, warning: Warning, answer: io::Error) -> io::Result<()> {
        self.0.leave_out(warning, answer).map_err(into_io_error)
    }

    fn count_left_out(&self, excluded: u64, noted: u64) {
        self.0.count_left_out(excluded, noted);
    }
}

/// What a restore through a plugin could not write, or could not read.
#[derive(Debug, Default)]
pub struct Troubles {
    /// Entries that the target refused.
    pub refused: Vec<Warning>,
    /// Entries whose content is damaged.
    pub damaged: Vec<Warning>,
}

/// A committed snapshot, narrowed to some paths.
pub(crate) struct SnapshotContent {
    /// Reads it.
    pub(crate) reader: Arc<Reader>,
    /// Its root.
    pub(crate) root: Root,
    /// Only what is at or below these; everything if there are none.
    pub(crate) only: Vec<EntryPath>,
    /// Ends a restore.
    pub(crate) cancel: Cancel,
    /// Counts what was read.
    pub(crate) tally: Arc<Tally>,
    /// What went wrong on the way.
    pub(crate) troubles: Mutex<Troubles>,
}

impl SnapshotContent {
    fn is_shown(&self, path: &EntryPath) -> bool {
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|only| path.is_within(only) || only.is_within(path))
    }
}

fn entry_size(entry: &Entry, content_bytes: u64) -> u64 {
    match entry.kind {
        EntryKind::File { size, .. } => size,
        _ => content_bytes,
    }
}

impl ContentPort for SnapshotContent {
    fn list(&self, prefix: Option<&EntryPath>) -> io::Result<EntryIter> {
        // The listing outlives the call, so that it reads by itself.
        let mut entries = Vec::new();
        for item in self.reader.read_items(&self.root).map_err(into_io_error)? {
            let (item, _) = item.map_err(into_io_error)?;
            let is_wanted = prefix.is_none_or(|prefix| item.entry.path.is_within(prefix));
            if is_wanted && self.is_shown(&item.entry.path) {
                let size = entry_size(&item.entry, item.content_bytes);
                entries.push(Ok((item.entry, size)));
            }
        }
        Ok(Box::new(entries.into_iter()))
    }

    fn open(&self, path: &EntryPath) -> io::Result<Box<dyn Read + Send>> {
        if !self.is_shown(path) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("`{path}` was not asked for"),
            ));
        }
        let (item, chunks) =
            self.reader
                .find_entry(&self.root, path)
                .map_err(|error| match error {
                    ReadError::NoEntry { .. } => io::Error::new(io::ErrorKind::NotFound, error),
                    other => into_io_error(other),
                })?;
        if !item.entry.has_content() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{path}` has no content"),
            ));
        }
        self.tally.entries.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(CountedReader {
            reader: ContentReader::new(Arc::clone(&self.reader), chunks),
            tally: Arc::clone(&self.tally),
        }))
    }

    fn extract(
        &self,
        prefix: Option<&EntryPath>,
        target: &dyn RestoreTarget,
    ) -> io::Result<Totals> {
        let selection = |path: &EntryPath| {
            prefix.is_none_or(|prefix| path.is_within(prefix)) && self.is_shown(path)
        };
        let below = Below {
            target,
            prefix: prefix.map_or(0, |prefix| prefix.as_bytes().len() + 1),
        };
        let counted = CountedTarget {
            target: &below,
            tally: &self.tally,
        };
        let restored = restore(&self.reader, &self.root, &selection, &counted, &self.cancel);
        let restored = restored.map_err(into_io_error)?;
        let warnings = (restored.refused.len() + restored.damaged.len()) as u64;
        let mut troubles = self.troubles.lock_unpoisoned();
        troubles.refused.extend(restored.refused);
        troubles.damaged.extend(restored.damaged);
        Ok(Totals {
            entries: restored.entries,
            bytes: restored.bytes,
            warnings,
        })
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.root.facts.clone()
    }
}

/// A target whose root stands for a path of the snapshot.
struct Below<'a> {
    target: &'a dyn RestoreTarget,
    prefix: usize,
}

impl Below<'_> {
    fn strip_prefix(&self, entry: &Entry) -> io::Result<Entry> {
        let cut = |path: &EntryPath| {
            EntryPath::new(path.as_bytes().get(self.prefix..).unwrap_or_default())
                .map_err(io::Error::other)
        };
        let mut moved = entry.clone();
        moved.path = cut(&entry.path)?;
        if let EntryKind::HardLink { target } = &entry.kind {
            moved.kind = EntryKind::HardLink {
                target: cut(target)?,
            };
        }
        Ok(moved)
    }
}

impl RestoreTarget for Below<'_> {
    fn make(&self, entry: &Entry) -> io::Result<()> {
        if entry.path.as_bytes().len() < self.prefix {
            return self.target.set_root(entry);
        }
        self.target.make(&self.strip_prefix(entry)?)
    }

    /// What lies above the prefix is not in the target.
    fn make_parent(&self, entry: &Entry) -> io::Result<()> {
        if entry.path.as_bytes().len() < self.prefix {
            return Ok(());
        }
        self.target.make_parent(&self.strip_prefix(entry)?)
    }

    fn set_root(&self, entry: &Entry) -> io::Result<()> {
        self.target.set_root(entry)
    }

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Started> {
        self.target.start(&self.strip_prefix(entry)?, size)
    }

    fn start_over(&self, entry: &Entry, size: u64) -> io::Result<Box<dyn TargetFile>> {
        self.target.start_over(&self.strip_prefix(entry)?, size)
    }

    fn finish(&self) -> io::Result<()> {
        self.target.finish()
    }
}

/// An encryptor plugin as the sealer of a repository.
pub(crate) struct PluginSealer(pub(crate) Encryptor);

struct Sealed(Arc<dyn SealedBytes>);

impl BlobBytes for Sealed {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.0.read_at(offset, length)
    }
}

fn into_seal_error(error: CallError) -> SealError {
    match &error {
        CallError::Failed { failure, .. } => match failure.kind {
            FailureKind::Denied => SealError::WrongKey,
            FailureKind::Invalid => SealError::Unusable {
                detail: failure.message.clone(),
            },
            FailureKind::Damaged => SealError::Damaged {
                detail: failure.message.clone(),
            },
            _ => SealError::Encryptor {
                detail: error.to_string(),
            },
        },
        _ => SealError::Encryptor {
            detail: error.to_string(),
        },
    }
}

fn convert_recipients(from: &[Recipient]) -> Vec<encryptor::Recipient> {
    from.iter()
        .map(|recipient| match recipient {
            Recipient::PublicKey(text) => encryptor::Recipient::PublicKey(text.clone()),
            Recipient::Passphrase(secret) => {
                encryptor::Recipient::Passphrase(secret.expose().to_owned())
            }
        })
        .collect()
}

fn convert_identities(from: &[Identity]) -> Vec<encryptor::Identity> {
    from.iter()
        .map(|identity| match identity {
            Identity::Key(secret) => encryptor::Identity::Key(secret.expose().to_owned()),
            Identity::Passphrase(secret) => {
                encryptor::Identity::Passphrase(secret.expose().to_owned())
            }
        })
        .collect()
}

impl Sealer for PluginSealer {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn generate(&self) -> Result<KeyPair, SealError> {
        let pair = self.0.generate().map_err(into_seal_error)?;
        Ok(KeyPair {
            identity: Secret::new(pair.identity),
            public_key: pair.public_key,
        })
    }

    fn seal(
        &self,
        to: &[Recipient],
        plain: Box<dyn Read + Send>,
        sealed: Box<dyn Write + Send>,
    ) -> Result<(), SealError> {
        self.0
            .seal(&convert_recipients(to), plain, sealed)
            .map_err(into_seal_error)
    }

    fn open(
        &self,
        with: &[Identity],
        sealed: Box<dyn Read + Send>,
        plain: Box<dyn Write + Send>,
    ) -> Result<(), SealError> {
        self.0
            .open(&convert_identities(with), sealed, plain)
            .map_err(into_seal_error)
    }

    fn open_range(
        &self,
        with: &[Identity],
        sealed: Arc<dyn SealedBytes>,
        offset: u64,
        length: u64,
        plain: Box<dyn Write + Send>,
    ) -> Result<(), SealError> {
        let sealed = Arc::new(Sealed(sealed));
        self.0
            .open_range(&convert_identities(with), sealed, (offset, length), plain)
            .map_err(into_seal_error)
    }
}

/// A listener that drops what a plugin says.
pub(crate) struct NullListener;

impl Listener for NullListener {
    fn progress(&self, _: u64, _: Option<u64>, _: &str) {}
}
