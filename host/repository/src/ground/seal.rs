//! Sealing: the repository says to whom, an encryptor that somebody else provides does it.

use holdfast_base::hex;
use holdfast_base::sync::Unpoisoned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// A text that does not print and is wiped when it goes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text in.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Writes a key as key files have it: in hexadecimal.
    pub(crate) fn from_key_bytes(bytes: [u8; 32]) -> Self {
        Self::new(hex::encode(bytes))
    }

    /// Gives the text out, to whom needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A pair of keys in the encryptor's own notation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyPair {
    /// The private half.
    pub identity: Secret,
    /// The public half.
    pub public_key: String,
}

/// To whom something is sealed.
#[derive(Debug, Clone)]
pub enum Recipient {
    /// A public key in the encryptor's own notation.
    PublicKey(String),
    /// A passphrase.
    Passphrase(Secret),
}

/// What opens something sealed.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The content of a key file in the encryptor's own notation.
    Key(Secret),
    /// A passphrase.
    Passphrase(Secret),
}

/// Says why sealing or opening failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// None of the identities fits.
    #[error("none of the keys opens it")]
    WrongKey,
    /// What was given is no key, or no recipient.
    #[error("this cannot be used: {detail}")]
    Unusable {
        /// What the encryptor said.
        detail: String,
    },
    /// What was sealed is damaged or cut short.
    #[error("what was sealed is damaged: {detail}")]
    Damaged {
        /// What the encryptor said.
        detail: String,
    },
    /// The encryptor failed.
    #[error("the encryptor failed: {detail}")]
    Encryptor {
        /// What it said.
        detail: String,
    },
    /// Reading or writing failed underneath.
    #[error("reading or writing failed while the encryptor worked")]
    Io(#[source] io::Error),
}

/// Sealed bytes that can be read at any place.
pub trait SealedBytes: Send + Sync {
    /// Returns the length in bytes.
    fn size(&self) -> u64;

    /// Returns bytes from a place; fewer only at the end.
    ///
    /// # Errors
    /// The store failed.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

/// Seals and opens streams. Called from several threads at once.
pub trait Sealer: Send + Sync {
    /// Returns the name of the encryptor, as the repository's header names it.
    fn name(&self) -> &str;

    /// Makes a new pair of keys.
    ///
    /// # Errors
    /// The encryptor failed.
    fn generate(&self) -> Result<KeyPair, SealError>;

    /// Seals everything that `plain` gives.
    ///
    /// # Errors
    /// The encryptor failed; what was written is worth nothing.
    fn seal(
        &self,
        recipients: &[Recipient],
        plain: Box<dyn Read + Send>,
        sealed: Box<dyn Write + Send>,
    ) -> Result<(), SealError>;

    /// Opens everything that `sealed` gives.
    ///
    /// # Errors
    /// No identity fits, or what was sealed is damaged; what was written is worth nothing.
    fn open(
        &self,
        identities: &[Identity],
        sealed: Box<dyn Read + Send>,
        plain: Box<dyn Write + Send>,
    ) -> Result<(), SealError>;

    /// Opens a range of the plaintext.
    ///
    /// # Errors
    /// As for [`Sealer::open`]; a range that reaches past the end is damage.
    fn open_range(
        &self,
        identities: &[Identity],
        sealed: Arc<dyn SealedBytes>,
        offset: u64,
        length: u64,
        plain: Box<dyn Write + Send>,
    ) -> Result<(), SealError>;
}

/// A buffer that somebody fills through a box and we keep.
#[derive(Debug, Clone, Default)]
pub struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl SharedBuffer {
    /// Makes a buffer with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Vec::with_capacity(bytes))))
    }

    /// Takes out what was written so far.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock_unpoisoned())
    }
}

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock_unpoisoned().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Seals a small object.
///
/// # Errors
/// The encryptor failed.
pub fn seal_bytes(
    sealer: &dyn Sealer,
    recipients: &[Recipient],
    plain: Vec<u8>,
) -> Result<Vec<u8>, SealError> {
    let sealed = SharedBuffer::with_capacity(plain.len() + 512);
    sealer.seal(
        recipients,
        Box::new(Cursor::new(plain)),
        Box::new(sealed.clone()),
    )?;
    Ok(sealed.take())
}

/// Opens a small object.
///
/// # Errors
/// No identity fits, or the object is damaged.
pub fn open_bytes(
    sealer: &dyn Sealer,
    identities: &[Identity],
    sealed: Vec<u8>,
) -> Result<Vec<u8>, SealError> {
    let plain = SharedBuffer::with_capacity(sealed.len());
    sealer.open(
        identities,
        Box::new(Cursor::new(sealed)),
        Box::new(plain.clone()),
    )?;
    Ok(plain.take())
}

/// Opens a range of a large object.
///
/// # Errors
/// No identity fits, or the object is damaged.
pub fn open_range(
    sealer: &dyn Sealer,
    identities: &[Identity],
    sealed: Arc<dyn SealedBytes>,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, SealError> {
    let plain = SharedBuffer::with_capacity(length);
    sealer.open_range(
        identities,
        sealed,
        offset,
        length as u64,
        Box::new(plain.clone()),
    )?;
    let bytes = plain.take();
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(SealError::Damaged {
            detail: "the range came back with another length".into(),
        })
    }
}
