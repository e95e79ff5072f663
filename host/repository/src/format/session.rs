//! Sessions and what ends them: how runs and collection meet without a lock.
//!
//! A session bears the id of the snapshot that it may commit. `snapshots/<id>` is created once: with a
//! root by the run, or with the mark below by collection. Whoever is first has decided.

use crate::format::FormatError;
use holdfast_base::id::{PackId, RepositoryId, SnapshotId};
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A run that may commit a snapshot, or rewrite packs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SessionNote {
    /// The id of the session, and of the snapshot that it may commit.
    pub session: SnapshotId,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// What it is for, in words.
    pub purpose: String,
    /// The machine that runs it.
    pub host: String,
    /// The process that runs it.
    pub process: ProcessMark,
    /// When it began, by that machine's clock.
    pub started: Instant,
    /// The tombstones of packs that it knows of, and does not rely on.
    pub seen: Vec<String>,
}

/// A process, so that another on the same machine can tell whether it still lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProcessMark {
    /// The kernel that runs it, as of its last start.
    pub boot: String,
    /// The space that its number means something in.
    pub namespace: String,
    /// Its number.
    pub number: u32,
    /// When it was started, in the kernel's ticks: numbers come again.
    pub ticks: u64,
}

/// Stands in the place of a snapshot that can no longer be committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expired {
    /// The session that was expired; also the name of the object.
    pub expired: SnapshotId,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// When, by the clock of who did it.
    pub at: Instant,
}

/// Packs that nobody needs. Nothing is deleted yet: it stands in the way of nobody but new runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackTombstone {
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// The collection that wrote it, counted from one.
    pub generation: u32,
    /// When it was written, by the clock of who did it.
    pub written: Instant,
    /// The packs.
    pub packs: Vec<PackId>,
    /// Everything that stood in the place of a snapshot: what the next collection must see too, unless it is gone.
    pub snapshots: Vec<SnapshotId>,
}

/// Writes one of these objects.
///
/// # Errors
/// It cannot be written as JSON.
pub fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, FormatError> {
    serde_json::to_vec(value).map_err(|e| FormatError::invalid(what, e.to_string()))
}

/// Reads one of these objects.
///
/// # Errors
/// The bytes are no such object.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, FormatError> {
    serde_json::from_slice(bytes).map_err(|e| FormatError::invalid(what, e.to_string()))
}

impl Expired {
    /// Reads the mark in the place of a snapshot, if that is what the bytes are.
    #[must_use]
    pub fn in_place_of(bytes: &[u8], name: SnapshotId, repository: RepositoryId) -> bool {
        decode::<Self>("mark", bytes)
            .is_ok_and(|mark| mark.expired == name && mark.repository == repository)
    }
}
