//! Ciphers and hashes: real ones, so that a stock tool opens what a test sealed.

use super::streams::{Reader, Writer};
use crate::types::{Failure, FailureKind};
use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInPlace, KeyInit, Nonce};
use sha2::Digest as _;
use std::cell::RefCell;

const TAG_BYTES: usize = 16;
const SEGMENT_BYTES_MAX: u32 = 1 << 20;
const PREFIX_BYTES_MAX: usize = 7;

/// Authenticated encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aead {
    /// ChaCha20-Poly1305 of RFC 8439.
    Chacha20Poly1305,
    /// AES-256 in Galois/Counter mode.
    Aes256Gcm,
}

/// Hash functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Digest {
    /// BLAKE3 with 32 bytes of output.
    Blake3,
    /// SHA-256.
    Sha256,
}

/// How a stream is cut into sealed segments: the STREAM construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    /// Bytes of plaintext in a segment.
    pub segment_bytes: u32,
    /// What every nonce begins with: at most 7 bytes.
    pub nonce_prefix: Vec<u8>,
    /// The number of the first segment that is read.
    pub first: u64,
    /// Whether the stream is read to its true end, whose mark is then demanded.
    pub to_end: bool,
    /// Bytes of plaintext to drop at the beginning of the output.
    pub skip: u64,
    /// Bytes of plaintext to write after that; everything if not given.
    pub take: Option<u64>,
}

enum Cipher {
    Chacha(Box<ChaCha20Poly1305>),
    Aes(Box<Aes256Gcm>),
}

/// A key that stays on the host.
pub struct Key(Cipher);

fn parse_nonce(bytes: &[u8]) -> Result<&Nonce<ChaCha20Poly1305>, Failure> {
    if bytes.len() == 12 {
        Ok(Nonce::<ChaCha20Poly1305>::from_slice(bytes))
    } else {
        Err(Failure::invalid("a nonce has 12 bytes"))
    }
}

impl Key {
    /// Hands 32 bytes to the host.
    ///
    /// # Errors
    /// There are more or fewer bytes.
    pub fn load(algorithm: Aead, bytes: &[u8]) -> Result<Self, Failure> {
        let unfit = |_| Failure::invalid("a key has 32 bytes");
        Ok(Self(match algorithm {
            Aead::Chacha20Poly1305 => {
                let cipher = ChaCha20Poly1305::new_from_slice(bytes).map_err(unfit)?;
                Cipher::Chacha(Box::new(cipher))
            }
            Aead::Aes256Gcm => {
                let cipher = Aes256Gcm::new_from_slice(bytes).map_err(unfit)?;
                Cipher::Aes(Box::new(cipher))
            }
        }))
    }

    /// Seals a short message under a nonce of 12 bytes.
    ///
    /// # Errors
    /// The nonce has another length.
    pub fn seal(
        &self,
        nonce_bytes: &[u8],
        associated: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let (nonce, mut bytes) = (parse_nonce(nonce_bytes)?, plain.to_vec());
        let sealed = match &self.0 {
            Cipher::Chacha(cipher) => cipher.encrypt_in_place(nonce, associated, &mut bytes),
            Cipher::Aes(cipher) => cipher.encrypt_in_place(nonce, associated, &mut bytes),
        };
        sealed.map_err(|_| Failure::failed("sealing failed"))?;
        Ok(bytes)
    }

    /// Opens a short message.
    ///
    /// # Errors
    /// It was changed, or the key does not fit.
    pub fn open(
        &self,
        nonce_bytes: &[u8],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let (nonce, mut bytes) = (parse_nonce(nonce_bytes)?, sealed.to_vec());
        let opened = match &self.0 {
            Cipher::Chacha(cipher) => cipher.decrypt_in_place(nonce, associated, &mut bytes),
            Cipher::Aes(cipher) => cipher.decrypt_in_place(nonce, associated, &mut bytes),
        };
        opened.map_err(|_| damaged())?;
        Ok(bytes)
    }

    /// Seals a whole stream in segments, and returns how many bytes were written.
    ///
    /// # Errors
    /// Reading or writing failed, or the segments make no sense.
    pub fn seal_stream(
        &self,
        segments: &Segments,
        plain: &Reader,
        sealed: &Writer,
    ) -> Result<u64, Failure> {
        discard_on_failure(sealed, || {
            let mut pieces = Pieces::cut_from(plain, segments, 0)?;
            let mut total = 0;
            for number in 0_u64.. {
                let is_last = pieces.is_last()?;
                let piece = pieces.next_piece()?;
                let bytes = self.seal(&segments.segment_nonce(number, is_last)?, &[], &piece)?;
                sealed.write(&bytes)?;
                total += bytes.len() as u64;
                if is_last {
                    break;
                }
            }
            Ok(total)
        })
    }

    /// Opens sealed segments, and returns the bytes written.
    ///
    /// # Errors
    /// They were changed or cut short, or the range that was asked for is not there.
    pub fn open_stream(
        &self,
        segments: &Segments,
        sealed: &Reader,
        plain: &Writer,
    ) -> Result<u64, Failure> {
        discard_on_failure(plain, || {
            let mut pieces = Pieces::cut_from(sealed, segments, TAG_BYTES)?;
            let (mut skip, mut given) = (segments.skip as usize, 0);
            for number in segments.first.. {
                let is_end = pieces.is_last()?;
                let piece = pieces.next_piece()?;
                if piece.is_empty() && !segments.to_end {
                    break;
                }
                let nonce = segments.segment_nonce(number, is_end && segments.to_end)?;
                let bytes = self.open(&nonce, &[], &piece)?;
                if bytes.is_empty() && number > 0 {
                    return Err(damaged());
                }
                let from = bytes.len().min(skip);
                skip -= from;
                let left = segments
                    .take
                    .map_or(usize::MAX, |take| (take - given) as usize);
                let to = bytes.len().min(from.saturating_add(left));
                plain.write(&bytes[from..to])?;
                given += (to - from) as u64;
                if is_end || (segments.take == Some(given) && !segments.to_end) {
                    break;
                }
            }
            if skip > 0 || segments.take.is_some_and(|take| given < take) {
                let message = "the stream ended before the range that was asked for";
                return Err(Failure::damaged(message));
            }
            Ok(given)
        })
    }
}

fn damaged() -> Failure {
    Failure::damaged("it was changed, or the key does not fit")
}

/// Does some work; if it fails, discards what was written.
fn discard_on_failure(
    to: &Writer,
    work: impl FnOnce() -> Result<u64, Failure>,
) -> Result<u64, Failure> {
    work().inspect_err(|failure| to.fail_with(failure))
}

impl Segments {
    fn segment_nonce(&self, number: u64, is_last: bool) -> Result<[u8; 12], Failure> {
        let mut bytes = [0; 12];
        bytes[3..11].copy_from_slice(&number.to_be_bytes());
        let prefix = self.nonce_prefix.len();
        if bytes[..prefix].iter().any(|byte| *byte != 0) {
            return Err(Failure::new(
                FailureKind::Limit,
                "the stream has too many segments",
            ));
        }
        bytes[..prefix].copy_from_slice(&self.nonce_prefix);
        bytes[11] = u8::from(is_last);
        Ok(bytes)
    }
}

/// A stream cut into pieces. Which piece is the last is known before it is taken.
struct Pieces<'a> {
    from: &'a Reader,
    length: usize,
    held: Vec<u8>,
}

impl<'a> Pieces<'a> {
    fn cut_from(from: &'a Reader, segments: &Segments, more: usize) -> Result<Self, Failure> {
        if !(1..=SEGMENT_BYTES_MAX).contains(&segments.segment_bytes)
            || segments.nonce_prefix.len() > PREFIX_BYTES_MAX
        {
            return Err(Failure::invalid(
                "a segment has 1 to 1048576 bytes, a prefix at most 7",
            ));
        }
        Ok(Self {
            from,
            length: segments.segment_bytes as usize + more,
            held: Vec::new(),
        })
    }

    /// Returns whether nothing follows the next piece.
    fn is_last(&mut self) -> Result<bool, Failure> {
        while self.held.len() <= self.length {
            match self.from.read(256 << 10)? {
                Some(bytes) => self.held.extend(bytes),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    fn next_piece(&mut self) -> Result<Vec<u8>, Failure> {
        self.is_last()?;
        let rest = self.held.split_off(self.held.len().min(self.length));
        Ok(std::mem::replace(&mut self.held, rest))
    }
}

enum Running {
    Blake3(Box<blake3::Hasher>),
    Sha256(sha2::Sha256),
}

/// A hash in the making.
pub struct Hasher(RefCell<Running>);

impl Hasher {
    /// Starts a hash.
    #[must_use]
    pub fn new(algorithm: Digest) -> Self {
        Self(RefCell::new(match algorithm {
            Digest::Blake3 => Running::Blake3(Box::default()),
            Digest::Sha256 => Running::Sha256(sha2::Sha256::new()),
        }))
    }

    /// Takes bytes in.
    pub fn update(&self, data: &[u8]) {
        match &mut *self.0.borrow_mut() {
            Running::Blake3(hasher) => drop(hasher.update(data)),
            Running::Sha256(hasher) => hasher.update(data),
        }
    }

    /// Returns the hash of all bytes taken in so far.
    #[must_use]
    pub fn digest(&self) -> Vec<u8> {
        match &*self.0.borrow() {
            Running::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
            Running::Sha256(hasher) => hasher.clone().finalize().to_vec(),
        }
    }
}

/// Hashes the rest of a stream.
///
/// # Errors
/// Reading failed.
pub fn hash_stream(algorithm: Digest, source: &Reader) -> Result<Vec<u8>, Failure> {
    let hasher = Hasher::new(algorithm);
    while let Some(bytes) = source.read(256 << 10)? {
        hasher.update(&bytes);
    }
    Ok(hasher.digest())
}
