//! Fast ciphers and hashes. Format, keys and policy stay the plugin's.

/// Streams in sealed segments.
mod segments;

pub(crate) use segments::{Segments, open_segments, seal_segments};

use super::failure::{Answer, failure};
use super::guest::Guest;
use super::streams::{Reader, SPLICE_BYTES, Writer};
use crate::contract::{Failure, FailureKind};
use holdfast_base::cancel::Cancel;
use ring::aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use segments::damaged;
use sha2::Digest as _;
use std::sync::Arc;
use wasmtime::component::Resource;

/// A key that stays on the host.
pub struct Key(Arc<LessSafeKey>);

impl Key {
    /// Makes a key of its bytes.
    pub(crate) fn from_bytes(algorithm: &'static Algorithm, bytes: &[u8]) -> Result<Self, Failure> {
        let wrong = |_| failure(FailureKind::Invalid, "a key has 32 bytes");
        let key = UnboundKey::new(algorithm, bytes).map_err(wrong)?;
        Ok(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// Seals a text in place and appends its tag.
    pub(crate) fn seal_text(
        &self,
        nonce: &[u8],
        associated: &[u8],
        mut plain: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let nonce = make_nonce(nonce)?;
        let sealed = self
            .0
            .seal_in_place_append_tag(nonce, Aad::from(associated), &mut plain);
        sealed.map_err(|_| failure(FailureKind::Failed, "sealing failed"))?;
        Ok(plain)
    }

    /// Opens a sealed text in place.
    pub(crate) fn open_text(
        &self,
        nonce: &[u8],
        associated: &[u8],
        mut sealed: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let nonce = make_nonce(nonce)?;
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(associated), &mut sealed);
        let length = opened.map_err(|_| damaged())?.len();
        sealed.truncate(length);
        Ok(sealed)
    }
}

/// A hash in the making.
pub enum RunningHash {
    /// BLAKE3.
    Blake3(Box<blake3::Hasher>),
    /// SHA-256.
    Sha256(sha2::Sha256),
}

impl RunningHash {
    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => drop(hasher.update(bytes)),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the hash of all bytes so far.
    pub(crate) fn digest(&self) -> Vec<u8> {
        match self {
            Self::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
            Self::Sha256(hasher) => hasher.clone().finalize().to_vec(),
        }
    }
}

fn make_nonce(bytes: &[u8]) -> Result<Nonce, Failure> {
    Nonce::try_assume_unique_for_key(bytes)
        .map_err(|_| failure(FailureKind::Invalid, "a nonce has 12 bytes"))
}

/// Seals or opens a stream.
pub(crate) type StreamWork =
    fn(&LessSafeKey, Segments, &Cancel, &mut Reader, &mut Writer) -> Result<u64, Failure>;

impl Guest {
    /// Seals or opens from a reader into a writer.
    pub(crate) fn crypt_stream(
        &mut self,
        key: &Resource<Key>,
        segments: Segments,
        source: &Resource<Reader>,
        target: &Resource<Writer>,
        work: StreamWork,
    ) -> Answer<u64> {
        let key = Arc::clone(&self.table.get(key)?.0);
        let cancel = self.call.clone();
        self.with_streams(source, target, |from, to| {
            work(&key, segments, &cancel, from, to)
        })
    }

    /// Hashes what is left of a stream.
    pub(crate) fn hash_reader(
        &mut self,
        mut hash: RunningHash,
        source: &Resource<Reader>,
    ) -> Answer<Vec<u8>> {
        let mut piece = self.pieces.lend_piece(SPLICE_BYTES);
        loop {
            if let Err(failure) = self.check_cancelled() {
                return Ok(Err(failure));
            }
            match self.table.get_mut(source)?.read_some(&mut piece.bytes) {
                Ok(0) => return Ok(Ok(hash.digest())),
                Ok(count) => hash.update(&piece.bytes[..count]),
                Err(failure) => return Ok(Err(failure)),
            }
        }
    }
}
