//! Snapshot roots: the small signed objects whose existence is a snapshot's existence.

use crate::format::FormatError;
use crate::format::signed::{Author, Sign, SignedObject, VerifySignature, encode_signed};
use holdfast_base::id::{ChunkId, RepositoryId, SnapshotId};
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};

/// Most chunk ids that a root holds itself; longer lists hang below a trunk.
pub const ROOT_IDS_MAX: usize = 64;
const WHAT: &str = "snapshot";

/// What one run of a job committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Root {
    /// Its name; also the name of the object, so that two cannot be swapped.
    pub snapshot: SnapshotId,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// The job.
    pub job: String,
    /// The machine that ran it.
    pub host: String,
    /// When the run began.
    pub started: Instant,
    /// When it was committed.
    pub finished: Instant,
    /// The plugin that made it.
    pub source: SourceNote,
    /// What it came to.
    pub counts: Counts,
    /// What the source recorded.
    pub facts: Vec<(String, String)>,
    /// What was left out, by name; `counts.warnings` may be higher.
    pub warnings: Vec<(String, String)>,
    /// Tags given at the run.
    pub tags: Vec<String>,
    /// The beginning of the reference stream.
    pub references: Trunk,
    /// The version of holdfast that wrote it.
    pub program: String,
    /// Who signed it: no part of what is signed, and always what the signature says.
    #[serde(skip)]
    pub author: Author,
    /// The snapshot that it is a copy of, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The snapshot that another is a copy of, in the repository that made it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// Its repository.
    pub repository: RepositoryId,
    /// Its name there.
    pub snapshot: SnapshotId,
    /// The machine that made this copy, and signed it.
    pub copied_by: String,
}

impl Origin {
    /// Returns the key under which copies of the same snapshot are equal.
    #[must_use]
    pub fn identity_key(&self) -> (RepositoryId, SnapshotId) {
        (self.repository, self.snapshot)
    }
}

/// The plugin that made a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceNote {
    /// Its name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file.
    pub digest: String,
    /// What it was granted, in words.
    pub grants: Vec<String>,
}

/// What a snapshot came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Counts {
    /// Entries of all kinds.
    pub entries: u64,
    /// Files and streams among them.
    pub files: u64,
    /// Bytes of their content, holes left out.
    pub bytes: u64,
    /// Chunks that were new.
    pub new_chunks: u64,
    /// Bytes of those chunks.
    pub new_bytes: u64,
    /// Bytes that were added to the store for them, sealed.
    pub stored_bytes: u64,
    /// Files that were known without being read.
    pub unchanged_files: u64,
    /// What was left out or changed under the reader.
    pub warnings: u64,
}

/// The beginning of a stream of chunks: its ids, or the ids of chunks that hold them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trunk {
    /// How many times a list has to be read to come to the stream itself: 0 if `ids` are its chunks.
    pub levels: u32,
    /// The ids at the top.
    pub ids: Vec<ChunkId>,
}

impl Root {
    /// Returns the machine that made this object: the one that ran the job, unless it is a copy.
    #[must_use]
    pub fn made_by(&self) -> &str {
        self.origin
            .as_ref()
            .map_or(&self.host, |origin| &origin.copied_by)
    }

    /// Writes and signs the object.
    ///
    /// # Errors
    /// It cannot be written as JSON, or a host would sign what another is said to have made.
    pub fn encode(&self, signer: &dyn Sign) -> Result<Vec<u8>, FormatError> {
        signer.author().ensure_may_claim(WHAT, self.made_by())?;
        encode_signed(WHAT, self, signer)
    }

    /// Reads the object, and checks its signature, its repository, its name and its host.
    ///
    /// # Errors
    /// The bytes are no such object, or not this one.
    pub fn decode(
        bytes: &[u8],
        trust: &dyn VerifySignature,
        repository: RepositoryId,
        name: SnapshotId,
    ) -> Result<Self, FormatError> {
        let object = SignedObject::parse(WHAT, bytes)?.with_snapshot(name);
        let (mut root, author): (Self, Author) = object.decode(trust)?;
        author.ensure_may_claim(WHAT, root.made_by())?;
        root.author = author;
        if root.repository != repository {
            return Err(FormatError::invalid(
                WHAT,
                "it belongs to another repository",
            ));
        }
        if root.snapshot != name {
            return Err(FormatError::invalid(
                WHAT,
                "it bears the name of another snapshot",
            ));
        }
        if root.references.levels > 8 || root.references.ids.len() > ROOT_IDS_MAX {
            return Err(FormatError::invalid(WHAT, "a trunk that no writer makes"));
        }
        Ok(root)
    }
}
