//! What a run is told, what it tells while it works, and the proof without which it commits nothing.

use crate::format::root::{Root, SourceNote};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Proof that a source ended well. Made only by who saw it end.
#[derive(Debug)]
pub struct SourceEnd(());

impl SourceEnd {
    /// Vouches that the source returned success after its last entry.
    #[must_use]
    pub fn seen() -> Self {
        Self(())
    }
}

/// What a run is, besides its entries.
#[derive(Debug, Clone)]
pub struct RunNote {
    /// The job.
    pub job: String,
    /// The machine.
    pub host: String,
    /// The plugin.
    pub source: SourceNote,
    /// Tags given at the run.
    pub tags: Vec<String>,
    /// The compression level.
    pub level: i32,
    /// Whether what is written is looked at again: frames before they are sealed, the encryptor before
    /// it is believed, and objects that the key opens after they are stored.
    pub prove: bool,
    /// The snapshot that this is a copy of, with its origin.
    pub of: Option<Arc<Root>>,
}

impl RunNote {
    /// Says what a session is for.
    pub(crate) fn purpose(&self) -> String {
        match self.of {
            Some(_) => format!("copy of a snapshot of job `{}`", self.job),
            None => format!("run of job `{}`", self.job),
        }
    }
}

/// What is going on, for a progress bar.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Bytes of content that were read or found known.
    pub bytes: AtomicU64,
    /// Entries that were met.
    pub entries: AtomicU64,
    /// Bytes of new chunks.
    pub new_bytes: AtomicU64,
    /// New chunks.
    pub new_chunks: AtomicU64,
    /// Files that were known without being read.
    pub unchanged: AtomicU64,
    /// Names that the options left out, a directory with all that is in it counted once.
    pub excluded: AtomicU64,
    /// Names that nobody can back up and nobody misses, such as sockets.
    pub noted: AtomicU64,
}
