//! Announcements: what an operator tells every host, so that no key file has to be carried around.
//!
//! - They are numbered, and the newest that the root signed counts.
//! - One says which epoch new packs are sealed to, who can open it, and which keys are revoked.

use crate::format::FormatError;
use crate::format::certificate::Revocation;
use crate::format::signed::{Author, Sign, SignedObject, VerifySignature, encode_signed};
use holdfast_base::id::RepositoryId;
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};

const WHAT: &str = "announcement";

/// What an operator tells every host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Announcement {
    /// Its number; also the name of the object, so that two cannot be swapped.
    pub announcement: u32,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// When it was made.
    pub made: Instant,
    /// The epoch that new packs are sealed to.
    pub epoch: u32,
    /// The public half of that epoch.
    pub epoch_recipient: String,
    /// The object that holds its private half, sealed to the operators.
    pub epoch_object: String,
    /// The hash of that object, so that any key can tell whether it is what it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch_hash: Option<String>,
    /// Who can open it.
    pub operators: Vec<Operator>,
    /// Keys of hosts that no longer count.
    pub revoked: Vec<Revocation>,
}

/// One that can open the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Operator {
    /// The public key, in the encryptor's own notation.
    pub recipient: String,
    /// The object that holds its private half, sealed to a passphrase, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passphrase: Option<String>,
    /// The hash of that object.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passphrase_hash: Option<String>,
    /// Since when.
    pub added: Instant,
}

impl Announcement {
    /// Writes and signs the object.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn encode(&self, root: &dyn Sign) -> Result<Vec<u8>, FormatError> {
        encode_signed(WHAT, self, root)
    }

    /// Returns the number that the object bears, without looking at its signature.
    ///
    /// # Errors
    /// The bytes are no such object.
    pub fn number(bytes: &[u8]) -> Result<u32, FormatError> {
        let read: Self = SignedObject::parse(WHAT, bytes)?.decode_unverified()?;
        Ok(read.announcement)
    }

    /// Reads the object, and checks that the root signed it for this repository under this number.
    ///
    /// # Errors
    /// The bytes are no such object, or not this one.
    pub fn decode(
        bytes: &[u8],
        trust: &dyn VerifySignature,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Self, FormatError> {
        let wrong = |detail| Err(FormatError::invalid(WHAT, detail));
        let (read, author): (Self, Author) = SignedObject::parse(WHAT, bytes)?.decode(trust)?;
        if author != Author::Root {
            return wrong("a host signed it, and only the root may");
        }
        if read.repository != repository {
            return wrong("it belongs to another repository");
        }
        if read.announcement != number {
            return wrong("it bears the number of another");
        }
        Ok(read)
    }
}
