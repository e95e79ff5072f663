//! What the root says of the keys of hosts: certificates, and that one no longer counts.

use crate::format::FormatError;
use crate::format::signed::{Sign, encode_signed};
use holdfast_base::hex;
use holdfast_base::id::{RepositoryId, SnapshotId};
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};

/// What a certificate is called, which is part of what is signed.
pub const CERTIFICATE: &str = "host certificate";
/// Longest name of a host, in bytes: what DNS allows.
const HOST_BYTES_MAX: usize = 255;

/// What the root says of a host's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Certificate {
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// The host.
    pub host: String,
    /// The public half of the host's key, in hexadecimal.
    pub key: String,
    /// The epoch in which it was made.
    pub epoch: u32,
    /// When it was made.
    pub issued: Instant,
}

/// Says that keys of a host no longer count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Revocation {
    /// The host.
    pub host: String,
    /// Its certificates up to this moment, by the clock of the operator who made both, are revoked.
    pub when: Instant,
    /// The snapshots that they had signed then: these stay valid.
    pub snapshots: Vec<SnapshotId>,
}

impl Certificate {
    /// Writes and signs it: two lines, as they stand below what the host signs.
    ///
    /// # Errors
    /// No host can have that name, or the key is not hexadecimal.
    pub fn encode(&self, root: &dyn Sign) -> Result<String, FormatError> {
        self.key_bytes()?;
        let bytes = encode_signed(CERTIFICATE, self, root)?;
        String::from_utf8(bytes).map_err(|e| FormatError::invalid(CERTIFICATE, e.to_string()))
    }

    /// Returns the public half of the host's key, if a host can have the name.
    ///
    /// # Errors
    /// No host can have that name, or the key is not hexadecimal.
    pub fn key_bytes(&self) -> Result<[u8; 32], FormatError> {
        let name = &self.host;
        if name.is_empty() || name.len() > HOST_BYTES_MAX || name.contains(char::is_control) {
            let detail = format!("no host can be called `{}`", name.escape_default());
            return Err(FormatError::invalid(CERTIFICATE, detail));
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.key, &mut bytes)
            .map_err(|_| FormatError::invalid(CERTIFICATE, "its key is not hexadecimal"))?;
        Ok(bytes)
    }
}

impl Revocation {
    /// Returns whether a certificate is among those that it revokes.
    #[must_use]
    pub fn covers(&self, certificate: &Certificate) -> bool {
        self.host == certificate.host && certificate.issued <= self.when
    }
}
