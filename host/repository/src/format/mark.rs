//! Marks on a snapshot: the tombstone that says that it is forgotten, and the hold that keeps it.
//!
//! Both are signed, since they decide what is lost: whoever only lists can write neither.

use crate::format::FormatError;
use crate::format::signed::{Author, Sign, SignedObject, VerifySignature, encode_signed};
use holdfast_base::id::{RepositoryId, SnapshotId};
use holdfast_base::time::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Says that a snapshot is forgotten. The snapshot itself stays until collection removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tombstone {
    /// The snapshot; also the name of the object, so that two cannot be swapped.
    pub snapshot: SnapshotId,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// Why: the rule that let it go, or that somebody said so.
    pub why: String,
    /// The machine that wrote this.
    pub host: String,
    /// When, by that machine's clock.
    pub written: Instant,
    /// The version of holdfast that wrote it.
    pub program: String,
}

/// Keeps a snapshot, whatever any rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hold {
    /// The snapshot; also the name of the object.
    pub snapshot: SnapshotId,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// Why, in the words of whoever did it.
    pub reason: String,
    /// When it ends by itself; none if it never does.
    pub until: Option<Instant>,
    /// The machine that wrote this.
    pub host: String,
    /// When, by that machine's clock.
    pub written: Instant,
    /// The version of holdfast that wrote it.
    pub program: String,
}

/// What all marks have in common.
pub trait Mark: Serialize + DeserializeOwned {
    /// What it is called, which is part of what is signed.
    const WHAT: &'static str;

    /// Returns the snapshot that it marks, and the repository.
    fn subject(&self) -> (SnapshotId, RepositoryId);

    /// Returns the machine that it says wrote it.
    fn host(&self) -> &str;

    /// Writes and signs the object.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    fn encode(&self, signer: &dyn Sign) -> Result<Vec<u8>, FormatError> {
        signer.author().ensure_may_claim(Self::WHAT, self.host())?;
        encode_signed(Self::WHAT, self, signer)
    }

    /// Reads the object, and checks its signature, its repository, its name and its host; returns who signed it.
    ///
    /// # Errors
    /// The bytes are no such object, or not this one.
    fn decode(
        bytes: &[u8],
        trust: &dyn VerifySignature,
        repository: RepositoryId,
        name: SnapshotId,
    ) -> Result<(Self, Author), FormatError> {
        let (mark, author): (Self, _) = SignedObject::parse(Self::WHAT, bytes)?.decode(trust)?;
        author.ensure_may_claim(Self::WHAT, mark.host())?;
        let wrong = |detail| Err(FormatError::invalid(Self::WHAT, detail));
        match mark.subject() {
            (_, other) if other != repository => wrong("it belongs to another repository"),
            (other, _) if other != name => wrong("it bears the name of another snapshot"),
            _ => Ok((mark, author)),
        }
    }
}

impl Mark for Tombstone {
    const WHAT: &'static str = "tombstone";

    fn subject(&self) -> (SnapshotId, RepositoryId) {
        (self.snapshot, self.repository)
    }

    fn host(&self) -> &str {
        &self.host
    }
}

impl Mark for Hold {
    const WHAT: &'static str = "hold";

    fn subject(&self) -> (SnapshotId, RepositoryId) {
        (self.snapshot, self.repository)
    }

    fn host(&self) -> &str {
        &self.host
    }
}
