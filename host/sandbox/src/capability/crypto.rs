//! Fast ciphers and hashes. Format, keys and policy stay the plugin's.

use super::streams::{Reader, Writer};
use super::{Answer, Guest, failure, held, of_io};
use crate::bindings::v1::shared::crypto::{Aead, Digest, Host, HostHasher, HostKey, Segments};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::Digest as _;
use std::io::{self, Read, Write};
use wasmtime::component::Resource;

/// Segments that are read, worked on and written at once.
const BATCH: usize = 16;
/// Largest segment.
const SEGMENT_BYTES_MAX: u32 = 1 << 20;
const TAG_BYTES: usize = 16;

/// A key that stays on the host.
pub struct Key(LessSafeKey);

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

/// Numbers the segments of a stream and makes their nonces.
struct Counter {
    prefix: Vec<u8>,
    next: u64,
}

impl Counter {
    fn nonce(&mut self, is_last: bool) -> io::Result<Nonce> {
        let mut bytes = [0; 12];
        bytes[..self.prefix.len()].copy_from_slice(&self.prefix);
        let number = self.next.to_be_bytes();
        let room = 11 - self.prefix.len();
        if room < 8 {
            let (lost, kept) = number.split_at(8 - room);
            if lost.iter().any(|byte| *byte != 0) {
                return Err(held(failure(
                    FailureKind::Limit,
                    "the stream has too many segments",
                )));
            }
            bytes[self.prefix.len()..11].copy_from_slice(kept);
        } else {
            bytes[3..11].copy_from_slice(&number);
        }
        bytes[11] = u8::from(is_last);
        self.next += 1;
        Ok(Nonce::assume_unique_for_key(bytes))
    }
}

fn check(segments: &Segments) -> Result<(), Failure> {
    let is_sound = (1..=SEGMENT_BYTES_MAX).contains(&segments.segment_bytes)
        && segments.nonce_prefix.len() <= 7;
    if is_sound {
        Ok(())
    } else {
        Err(failure(FailureKind::Invalid, "segments that cannot be"))
    }
}

/// Reads whole batches, and always knows whether more is to come.
struct Batches<'a> {
    from: &'a mut dyn Read,
    buffer: Vec<u8>,
    filled: usize,
    step: usize,
    is_end: bool,
}

impl<'a> Batches<'a> {
    fn new(from: &'a mut dyn Read, segment: usize) -> Self {
        let step = segment * BATCH;
        Self {
            from,
            buffer: vec![0; step + segment],
            filled: 0,
            step,
            is_end: false,
        }
    }

    /// Calls `work` with some whole segments and whether they are the last.
    fn run(&mut self, mut work: impl FnMut(&mut [u8], bool) -> io::Result<()>) -> io::Result<()> {
        while !self.is_end {
            self.fill()?;
            if self.is_end {
                return work(&mut self.buffer[..self.filled], true);
            }
            work(&mut self.buffer[..self.step], false)?;
            self.buffer.copy_within(self.step..self.filled, 0);
            self.filled -= self.step;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.filled < self.buffer.len() {
            match self.from.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.is_end = true;
                    return Ok(());
                }
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn seal_stream(
    key: &Key,
    segments: Segments,
    from: &mut dyn Read,
    to: &mut Writer,
) -> io::Result<u64> {
    let segment = segments.segment_bytes as usize;
    let mut counter = Counter {
        prefix: segments.nonce_prefix,
        next: 0,
    };
    let mut sealed = Vec::with_capacity((segment + TAG_BYTES) * (BATCH + 1));
    let mut total = 0;
    Batches::new(from, segment).run(|plain, is_end| {
        sealed.clear();
        total += plain.len() as u64;
        let count = plain.len().div_ceil(segment).max(usize::from(is_end));
        for at in 0..count {
            let end = plain.len().min((at + 1) * segment);
            let piece = &mut plain[at * segment..end];
            let nonce = counter.nonce(is_end && at + 1 == count)?;
            let tag = key.0.seal_in_place_separate_tag(nonce, Aad::empty(), piece);
            let tag = tag.map_err(|_| io::Error::other("sealing failed"))?;
            sealed.extend_from_slice(piece);
            sealed.extend_from_slice(tag.as_ref());
        }
        to.to.write_all(&sealed)?;
        to.taken += sealed.len() as u64;
        Ok(())
    })?;
    Ok(total)
}

fn open_stream(
    key: &Key,
    segments: Segments,
    from: &mut dyn Read,
    to: &mut Writer,
) -> io::Result<u64> {
    let segment = segments.segment_bytes as usize + TAG_BYTES;
    let mut counter = Counter {
        prefix: segments.nonce_prefix,
        next: segments.first,
    };
    let mut skip = segments.skip;
    let mut take = segments.take.unwrap_or(u64::MAX);
    let mut total = 0;
    Batches::new(from, segment).run(|sealed, is_end| {
        let count = sealed.len().div_ceil(segment);
        if is_end && count == 0 && segments.to_end {
            return Err(held(failure(FailureKind::Damaged, "it was cut short")));
        }
        let mut filled = 0;
        for at in 0..count {
            let end = sealed.len().min((at + 1) * segment);
            let is_last = segments.to_end && is_end && at + 1 == count;
            let nonce = counter.nonce(is_last)?;
            let piece = &mut sealed[at * segment..end];
            let opened = key
                .0
                .open_in_place(nonce, Aad::empty(), piece)
                .map_err(|_| held(damaged()))?;
            let length = opened.len();
            if length == 0 && counter.next > 1 {
                return Err(held(damaged()));
            }
            sealed.copy_within(at * segment..at * segment + length, filled);
            filled += length;
        }
        let from = (filled as u64).min(skip);
        skip -= from;
        let wanted = (filled as u64 - from).min(take);
        take -= wanted;
        let plain = &sealed[from as usize..(from + wanted) as usize];
        to.to.write_all(plain)?;
        to.taken += wanted;
        total += wanted;
        Ok(())
    })?;
    Ok(total)
}

type Work = fn(&Key, Segments, &mut dyn Read, &mut Writer) -> io::Result<u64>;

impl Guest {
    fn stream(
        &mut self,
        key: &Resource<Key>,
        segments: Segments,
        source: &Resource<Reader>,
        target: &Resource<Writer>,
        work: Work,
    ) -> Answer<u64> {
        if let Err(failure) = check(&segments) {
            return Ok(Err(failure));
        }
        // Taken out for the time of the work, since the table lends one thing at a time.
        let empty = Box::new(io::empty());
        let mut from = std::mem::replace(&mut self.table.get_mut(source)?.from, empty);
        let mut to = std::mem::replace(self.table.get_mut(target)?, Writer::new(Box::new(Nowhere)));
        let result = work(self.table.get(key)?, segments, from.as_mut(), &mut to);
        self.table.get_mut(source)?.from = from;
        *self.table.get_mut(target)? = to;
        Ok(result.map_err(|e| of_io(&e)))
    }
}

/// Stands in for a writer that is at work.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("the writer is at work elsewhere"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl super::streams::Target for Nowhere {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Err(io::Error::other("the writer is at work elsewhere"))
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
            Ok(key) => Ok(Ok(self.table.push(Key(LessSafeKey::new(key)))?)),
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
        self.stream(&this, segments, &plain, &sealed, seal_stream)
    }

    fn open_stream(
        &mut self,
        this: Resource<Key>,
        segments: Segments,
        sealed: Resource<Reader>,
        plain: Resource<Writer>,
    ) -> Answer<u64> {
        self.stream(&this, segments, &sealed, &plain, open_stream)
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
        let reader = self.table.get_mut(&source)?;
        let mut hash = RunningHash::new(algorithm);
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.from.read(&mut buffer) {
                Ok(0) => return Ok(Ok(hash.digest())),
                Ok(count) => hash.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(of_io(&error))),
            }
        }
    }
}
