//! Ciphers and hashes.

use super::shared::crypto::{Aead, Digest, Host, HostHasher, HostKey, Segments as WitSegments};
use crate::capability::Guest;
use crate::capability::crypto::{Key, RunningHash, Segments, open_segments, seal_segments};
use crate::capability::failure::Answer;
use crate::capability::streams::{Reader, Writer};
use ring::aead::{AES_256_GCM, CHACHA20_POLY1305};
use wasmtime::component::Resource;

fn new_hash(algorithm: Digest) -> RunningHash {
    match algorithm {
        Digest::Blake3 => RunningHash::Blake3(Box::default()),
        Digest::Sha256 => RunningHash::Sha256(Default::default()),
    }
}

fn from_wit(segments: WitSegments) -> Segments {
    Segments {
        segment_bytes: segments.segment_bytes,
        nonce_prefix: segments.nonce_prefix,
        first: segments.first,
        to_end: segments.to_end,
        skip: segments.skip,
        take: segments.take,
    }
}

impl HostKey for Guest {
    fn load(&mut self, algorithm: Aead, bytes: Vec<u8>) -> Answer<Resource<Key>> {
        let bytes = zeroize::Zeroizing::new(bytes);
        let algorithm = match algorithm {
            Aead::Chacha20Poly1305 => &CHACHA20_POLY1305,
            Aead::Aes256Gcm => &AES_256_GCM,
        };
        self.keep_result(Key::from_bytes(algorithm, &bytes))
    }

    fn seal(
        &mut self,
        this: Resource<Key>,
        nonce: Vec<u8>,
        associated: Vec<u8>,
        plain: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let key = self.table.get(&this)?;
        Ok(key.seal_text(&nonce, &associated, plain))
    }

    fn open(
        &mut self,
        this: Resource<Key>,
        nonce: Vec<u8>,
        associated: Vec<u8>,
        sealed: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let key = self.table.get(&this)?;
        Ok(key.open_text(&nonce, &associated, sealed))
    }

    fn seal_stream(
        &mut self,
        this: Resource<Key>,
        segments: WitSegments,
        plain: Resource<Reader>,
        sealed: Resource<Writer>,
    ) -> Answer<u64> {
        self.crypt_stream(&this, from_wit(segments), &plain, &sealed, seal_segments)
    }

    fn open_stream(
        &mut self,
        this: Resource<Key>,
        segments: WitSegments,
        sealed: Resource<Reader>,
        plain: Resource<Writer>,
    ) -> Answer<u64> {
        self.crypt_stream(&this, from_wit(segments), &sealed, &plain, open_segments)
    }

    fn drop(&mut self, this: Resource<Key>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostHasher for Guest {
    fn new(&mut self, algorithm: Digest) -> wasmtime::Result<Resource<RunningHash>> {
        Ok(self.table.push(new_hash(algorithm))?)
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
        self.hash_reader(new_hash(algorithm), &source)
    }
}
