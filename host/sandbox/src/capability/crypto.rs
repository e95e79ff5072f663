//! Fast ciphers and hashes. Format, keys and policy stay the plugin's.

mod segments;

use super::streams::{Reader, SPLICE_BYTES, Writer};
use super::{Answer, Guest, failure};
use crate::bindings::v1::shared::crypto::{Aead, Digest, Host, HostHasher, HostKey, Segments};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use holdfast_base::cancel::Cancel;
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::Digest as _;
use std::sync::Arc;
use wasmtime::component::Resource;

/// A key that stays on the host.
pub struct Key(Arc<LessSafeKey>);

/// A hash in the making.
pub enum RunningHash {
    /// BLAKE3.
    Blake3(Box<blake3::Hasher>),
    /// SHA-256.
    Sha256(sha2::Sha256),
}

impl RunningHash {
    fn new(algorithm: Digest) -> Self {
        match algorithm {
            Digest::Blake3 => Self::Blake3(Box::default()),
            Digest::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => drop(hasher.update(bytes)),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn digest(&self) -> Vec<u8> {
        match self {
            Self::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
            Self::Sha256(hasher) => hasher.clone().finalize().to_vec(),
        }
    }
}

fn nonce(bytes: &[u8]) -> Result<Nonce, Failure> {
    Nonce::try_assume_unique_for_key(bytes)
        .map_err(|_| failure(FailureKind::Invalid, "a nonce has 12 bytes"))
}

fn damaged() -> Failure {
    failure(
        FailureKind::Damaged,
        "it was changed, or the key does not fit",
    )
}

type Work = fn(&LessSafeKey, Segments, &Cancel, &mut Reader, &mut Writer) -> Result<u64, Failure>;

impl Guest {
    fn stream(
        &mut self,
        key: &Resource<Key>,
        segments: Segments,
        source: &Resource<Reader>,
        target: &Resource<Writer>,
        work: Work,
    ) -> Answer<u64> {
        let key = Arc::clone(&self.table.get(key)?.0);
        let cancel = self.call.clone();
        self.with_streams(source, target, |from, to| {
            work(&key, segments, &cancel, from, to)
        })
    }
}

impl HostKey for Guest {
    fn load(&mut self, algorithm: Aead, bytes: Vec<u8>) -> Answer<Resource<Key>> {
        let bytes = zeroize::Zeroizing::new(bytes);
        let algorithm = match algorithm {
            Aead::Chacha20Poly1305 => &CHACHA20_POLY1305,
            Aead::Aes256Gcm => &AES_256_GCM,
        };
        match UnboundKey::new(algorithm, &bytes) {
            Ok(key) => self.keep(Key(Arc::new(LessSafeKey::new(key)))),
            Err(_) => Ok(Err(failure(FailureKind::Invalid, "a key has 32 bytes"))),
        }
    }

    fn seal(
        &mut self,
        this: Resource<Key>,
        nonce_bytes: Vec<u8>,
        associated: Vec<u8>,
        mut plain: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let key = self.table.get(&this)?;
        let seal = || -> Result<Vec<u8>, Failure> {
            let sealed = key.0.seal_in_place_append_tag(
                nonce(&nonce_bytes)?,
                Aad::from(associated),
                &mut plain,
            );
            sealed.map_err(|_| failure(FailureKind::Failed, "sealing failed"))?;
            Ok(plain)
        };
        Ok(seal())
    }

    fn open(
        &mut self,
        this: Resource<Key>,
        nonce_bytes: Vec<u8>,
        associated: Vec<u8>,
        mut sealed: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let key = self.table.get(&this)?;
        let open = || -> Result<Vec<u8>, Failure> {
            let nonce = nonce(&nonce_bytes)?;
            let opened = key
                .0
                .open_in_place(nonce, Aad::from(associated), &mut sealed);
            let length = opened.map_err(|_| damaged())?.len();
            sealed.truncate(length);
            Ok(sealed)
        };
        Ok(open())
    }

    fn seal_stream(
        &mut self,
        this: Resource<Key>,
        segments: Segments,
        plain: Resource<Reader>,
        sealed: Resource<Writer>,
    ) -> Answer<u64> {
        self.stream(&this, segments, &plain, &sealed, segments::seal)
    }

    fn open_stream(
        &mut self,
        this: Resource<Key>,
        segments: Segments,
        sealed: Resource<Reader>,
        plain: Resource<Writer>,
    ) -> Answer<u64> {
        self.stream(&this, segments, &sealed, &plain, segments::open)
    }

    fn drop(&mut self, this: Resource<Key>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostHasher for Guest {
    fn new(&mut self, algorithm: Digest) -> wasmtime::Result<Resource<RunningHash>> {
        Ok(self.table.push(RunningHash::new(algorithm))?)
    }

    fn update(&mut self, this: Resource<RunningHash>, data: Vec<u8>) -> wasmtime::Result<()> {
        self.table.get_mut(&this)?.update(&data);
        Ok(())
    }

    fn digest(&mut self, this: Resource<RunningHash>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&this)?.digest())
    }

    fn drop(&mut self, this: Resource<RunningHash>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl Host for Guest {
    fn hash_stream(&mut self, algorithm: Digest, source: Resource<Reader>) -> Answer<Vec<u8>> {
        let mut hash = RunningHash::new(algorithm);
        let mut piece = self.pieces.take(SPLICE_BYTES);
        loop {
            if let Err(failure) = self.check_cancelled() {
                return Ok(Err(failure));
            }
            match self.table.get_mut(&source)?.fill(&mut piece.bytes) {
                Ok(0) => return Ok(Ok(hash.digest())),
                Ok(count) => hash.update(&piece.bytes[..count]),
                Err(failure) => return Ok(Err(failure)),
            }
        }
    }
}
