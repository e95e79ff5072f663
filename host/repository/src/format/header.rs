//! The object `format`: what this repository is.
//!
//! It is the only object that is not sealed, since it says how the others are. It is signed, and a
//! key file names the signer: a foreign repository at the same place is noticed.

use crate::format::FormatError;
use crate::format::signed::{Sign, SignedObject, encode_signed};
use holdfast_base::hex;
use holdfast_base::id::RepositoryId;
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest version of the format that this program knows.
pub const VERSION: u64 = 1;
/// The feature of repositories whose hosts sign with keys of their own.
pub const HOST_KEYS: &str = "host-keys";
/// The features that this version knows.
const KNOWN: [&str; 1] = [HOST_KEYS];
/// What the object is called, which is part of what is signed.
pub const FORMAT_OBJECT: &str = "format object";

/// What this repository is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// Version of the format.
    pub holdfast: u64,
    /// The repository's name for itself.
    pub repository: RepositoryId,
    /// When it was made.
    pub created: Instant,
    /// The encryptor that seals its objects, by plugin name.
    pub encryptor: String,
    /// Who signs its objects.
    pub verifying_key: String,
    /// Features that a program must know, by what it wants to do.
    pub features: Features,
    /// How content is cut into chunks.
    pub splitters: Vec<Splitter>,
    /// What the service that keeps it was found to do, if that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<BTreeMap<String, String>>,
}

/// Features that a program must know before it may do something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    /// Needed to read.
    pub read: Vec<String>,
    /// Needed to add.
    pub write: Vec<String>,
    /// Needed to remove.
    pub delete: Vec<String>,
}

/// One way to cut content into chunks; sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splitter {
    /// What it is for: `content` or `large`.
    pub name: String,
    /// Smallest chunk, but for the last of a stream.
    pub min: u32,
    /// Chunk size aimed at.
    pub target: u32,
    /// Largest chunk.
    pub max: u32,
}

/// What somebody wants to do, which decides the features that must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Read only.
    Read,
    /// Read and add.
    Write,
    /// Read, add and remove.
    Delete,
}

impl Header {
    /// Writes and signs the object.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn encode(&self, root: &dyn Sign) -> Result<Vec<u8>, FormatError> {
        encode_signed(FORMAT_OBJECT, self, root)
    }

    /// Reads the object without looking at its signature: it names the key that must have signed it.
    ///
    /// # Errors
    /// The object is no such one, or comes from a newer version.
    pub fn decode_unverified(object: &SignedObject<'_>) -> Result<Self, FormatError> {
        #[derive(Deserialize)]
        struct VersionOnly {
            holdfast: u64,
        }
        let version: VersionOnly = object.decode_unverified()?;
        if version.holdfast > VERSION {
            return Err(FormatError::Newer {
                what: FORMAT_OBJECT,
                found: version.holdfast,
                known: VERSION,
            });
        }
        object.decode_unverified()
    }

    /// Returns the key that signs the objects of this repository.
    ///
    /// # Errors
    /// The text is no such key.
    pub fn key_bytes(&self) -> Result<[u8; 32], FormatError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.verifying_key, &mut bytes)
            .map_err(|_| FormatError::invalid(FORMAT_OBJECT, "verifying-key is not hexadecimal"))?;
        Ok(bytes)
    }

    /// Refuses what needs a feature that this version does not know.
    ///
    /// # Errors
    /// Names the feature.
    pub fn ensure_features_known(&self, purpose: Purpose) -> Result<(), FormatError> {
        let mut needed = vec![&self.features.read];
        if purpose != Purpose::Read {
            needed.push(&self.features.write);
        }
        if purpose == Purpose::Delete {
            needed.push(&self.features.delete);
        }
        let mut needed = needed.into_iter().flatten();
        match needed.find(|feature| !KNOWN.contains(&feature.as_str())) {
            None => Ok(()),
            Some(feature) => Err(FormatError::invalid(
                FORMAT_OBJECT,
                format!("it needs feature `{feature}`, which this version does not know"),
            )),
        }
    }

    /// Returns the splitter of that name.
    ///
    /// # Errors
    /// There is none, or its sizes cannot be.
    pub fn splitter(&self, name: &str) -> Result<&Splitter, FormatError> {
        let found = self.splitters.iter().find(|s| s.name == name);
        let splitter = found
            .ok_or_else(|| FormatError::invalid(FORMAT_OBJECT, format!("no splitter `{name}`")))?;
        let sound = splitter.min >= 1024
            && splitter.min < splitter.target
            && splitter.target < splitter.max
            && splitter.max <= crate::format::pack::CHUNK_MAX;
        if sound {
            Ok(splitter)
        } else {
            Err(FormatError::invalid(
                FORMAT_OBJECT,
                format!("splitter `{name}` has sizes that cannot be"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            holdfast: VERSION,
            repository: RepositoryId([1; 16]),
            created: Instant(7),
            encryptor: "age".into(),
            verifying_key: String::new(),
            features: Features::default(),
            splitters: vec![],
            service: None,
        }
    }

    #[test]
    fn an_unknown_write_feature_still_lets_us_read() {
        let mut header = header();
        header.features.read.push(HOST_KEYS.into());
        header.features.write.push("parity".into());
        assert!(header.ensure_features_known(Purpose::Read).is_ok());
        assert!(header.ensure_features_known(Purpose::Write).is_err());
    }
}
