//! Keys: three roles, each a file that can be exported alone.
//!
//! - *audit* holds the catalog key: it lists and checks structure.
//! - *write* adds the id key, the splitter's secret, the signing key and the epoch's public half: it
//!   backs up and deduplicates, and cannot read content.
//! - *read* adds the private halves of the epochs.
//!
//! A key is made once, by `init`. Loading never makes one, whatever is missing or unreadable.

/// The content of a key file.
pub mod file;
/// Signs objects.
pub mod signer;
/// Decides whose signatures count.
pub mod trust;

pub use file::{KeyError, KeyFile, Role};
pub use signer::Signer;
pub use trust::{Trust, decode_header};

use crate::ground::domain::Domain;
use blake3::derive_key;
use holdfast_base::id::ChunkId;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Names chunks: keyed, so that nobody without the key can tell whether a known file is stored.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct IdKey {
    content: [u8; 32],
    items: [u8; 32],
    references: [u8; 32],
    trunk: [u8; 32],
    paths: [u8; 32],
}

impl IdKey {
    /// Derives the key of each domain.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self {
            content: derive_key("holdfast v1 chunk id: content", secret),
            items: derive_key("holdfast v1 chunk id: items", secret),
            references: derive_key("holdfast v1 chunk id: references", secret),
            trunk: derive_key("holdfast v1 chunk id: trunk", secret),
            paths: derive_key("holdfast v1 item stream cut", secret),
        }
    }

    /// Returns the id of a chunk.
    #[must_use]
    pub fn id(&self, domain: Domain, bytes: &[u8]) -> ChunkId {
        let key = match domain {
            Domain::Content => &self.content,
            Domain::Items => &self.items,
            Domain::References => &self.references,
            Domain::Trunk => &self.trunk,
        };
        ChunkId(*blake3::keyed_hash(key, bytes).as_bytes())
    }

    /// Returns a number that depends on a path and the key: it decides where the item stream is cut.
    #[must_use]
    pub fn cut_value(&self, path: &[u8]) -> u32 {
        let hash = blake3::keyed_hash(&self.paths, path);
        let bytes = hash.as_bytes();
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_in_two_domains_or_under_two_keys_have_different_ids() {
        let key = IdKey::new(&[1; 32]);
        let id = key.id(Domain::Content, b"x");
        assert_eq!(id, key.id(Domain::Content, b"x"));
        assert_ne!(id, key.id(Domain::Items, b"x"));
        assert_ne!(id, IdKey::new(&[2; 32]).id(Domain::Content, b"x"));
    }
}
