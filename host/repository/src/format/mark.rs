//! Marks on a snapshot: the tombstone that says that it is forgotten, and the hold that keeps it.
//!
//! Both are signed, since they decide what is lost: whoever only lists can write neither.

use crate::format::FormatError;
use crate::format::trust::{Author, Signer, Trust};
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
    /// When it ends by itself; never, where there is none.
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

    /// Returns the snapshot and the repository that it speaks of.
    fn of(&self) -> (SnapshotId, RepositoryId);

    /// Returns the machine that it says wrote it.
    fn host(&self) -> &str;

    /// Writes and signs the object.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    fn encode(&self, signer: &Signer) -> Result<Vec<u8>, FormatError> {
        signer.author().made(Self::WHAT, self.host())?;
        signer.sign(Self::WHAT, self)
    }

    /// Reads the object, and checks its signature, its repository, its name and its host; returns who signed it.
    ///
    /// # Errors
    /// The bytes are no such object, or not this one.
    fn decode(
        bytes: &[u8],
        trust: &Trust,
        repository: RepositoryId,
        name: SnapshotId,
    ) -> Result<(Self, Author), FormatError> {
        let (mark, author): (Self, _) = trust.verify(Self::WHAT, bytes)?;
        author.made(Self::WHAT, mark.host())?;
        let wrong = |detail| Err(FormatError::invalid(Self::WHAT, detail));
        match mark.of() {
            (_, other) if other != repository => wrong("it belongs to another repository"),
            (other, _) if other != name => wrong("it bears the name of another snapshot"),
            _ => Ok((mark, author)),
        }
    }
}

impl Mark for Tombstone {
    const WHAT: &'static str = "tombstone";

    fn of(&self) -> (SnapshotId, RepositoryId) {
        (self.snapshot, self.repository)
    }

    fn host(&self) -> &str {
        &self.host
    }
}

impl Mark for Hold {
    const WHAT: &'static str = "hold";

    fn of(&self) -> (SnapshotId, RepositoryId) {
        (self.snapshot, self.repository)
    }

    fn host(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn tombstone() -> Tombstone {
        Tombstone {
            snapshot: SnapshotId([1; 16]),
            repository: RepositoryId([2; 16]),
            why: "no rule keeps it".into(),
            host: "here".into(),
            written: Instant(3),
            program: "0".into(),
        }
    }

    #[test]
    fn a_mark_is_taken_only_under_its_own_name_kind_repository_and_signature() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let mark = tombstone();
        let (name, repository) = mark.of();
        let public = Trust::new(key.verifying_key(), repository);
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        let other = Trust::new(other, repository);
        let bytes = mark.encode(&Signer::root(key)).unwrap();
        let read = |key, repository, name| Tombstone::decode(&bytes, key, repository, name);
        assert_eq!(read(&public, repository, name), Ok((mark, Author::Root)));
        assert!(read(&other, repository, name).is_err());
        assert!(read(&public, RepositoryId([9; 16]), name).is_err());
        assert!(read(&public, repository, SnapshotId([9; 16])).is_err());
        assert!(Hold::decode(&bytes, &public, repository, name).is_err());
    }
}
