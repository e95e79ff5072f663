//! Signed JSON: one line of body, one line of signature and, if a host signed, its certificate.
//!
//! - The signature covers the exact bytes of the first line, so that no canonical form of JSON is
//!   needed to check it: not here, and not in a reader that somebody writes in ten years.
//! - This file knows the layout and holds no key. [`crate::keys`] implements [`Sign`] and [`VerifySignature`].

use crate::format::FormatError;
use holdfast_base::hex;
use holdfast_base::id::SnapshotId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
const PREFIX: &[u8] = b"ed25519 ";

/// Who signed an object, as far as its signature proves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Author {
    /// Nobody yet.
    #[default]
    Nobody,
    /// The repository's own key: an operator, or any host with a write key of version 1.
    Root,
    /// A host that the root certified.
    Host {
        /// Its name.
        name: String,
        /// The public half of its key, in hexadecimal.
        key: String,
    },
}

impl Author {
    /// Makes sure that a host signs only what it is said to have made itself.
    ///
    /// # Errors
    /// It is another host's, by what the object says.
    pub(super) fn ensure_may_claim(
        &self,
        what: &'static str,
        claimed: &str,
    ) -> Result<(), FormatError> {
        match self {
            Self::Host { name, .. } if name != claimed => Err(FormatError::Impostor {
                what,
                claimed: claimed.to_owned(),
                signed: name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Returns the first digits of the host's key, or what stands for the root.
    #[must_use]
    pub fn short_key(&self) -> &str {
        match self {
            Self::Nobody => "nobody",
            Self::Root => "root",
            Self::Host { key, .. } => key.get(..16).unwrap_or(key),
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Root => f.write_str("the repository's own key, which proves no host"),
            Self::Host { name, .. } => write!(f, "host {name} (key {})", self.short_key()),
        }
    }
}

/// Signs objects with a private key that the format never sees.
pub trait Sign {
    /// Returns as whom it signs.
    fn author(&self) -> &Author;

    /// Returns the certificate that stands below what a host signs; none for the root.
    fn certificate(&self) -> Option<&str>;

    /// Returns the signature of a message.
    fn sign_message(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES];
}

/// Decides whose signatures count.
pub trait VerifySignature {
    /// Returns who signed an object.
    ///
    /// # Errors
    /// The signature does not fit, or whoever signed is not trusted.
    fn verify_signature(&self, object: &SignedObject<'_>) -> Result<Author, FormatError>;
}

/// Writes a value, its signature, and the certificate of the host that signs.
///
/// `what` is part of what is signed, so that an object of one kind can never stand in for one of another.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn encode_signed<T: Serialize>(
    what: &'static str,
    value: &T,
    signer: &dyn Sign,
) -> Result<Vec<u8>, FormatError> {
    let mut bytes =
        serde_json::to_vec(value).map_err(|e| FormatError::invalid(what, e.to_string()))?;
    let signature = signer.sign_message(&signed_message(what, &bytes));
    bytes.push(b'\n');
    bytes.extend_from_slice(PREFIX);
    bytes.extend_from_slice(hex::encode(signature).as_bytes());
    bytes.push(b'\n');
    if let Some(certificate) = signer.certificate() {
        bytes.extend_from_slice(certificate.as_bytes());
    }
    Ok(bytes)
}

/// The parts of a signed object, none of them verified yet.
#[derive(Debug)]
pub struct SignedObject<'a> {
    /// What kind of object it is.
    pub what: &'static str,
    /// The exact bytes that were signed, as JSON.
    pub body: &'a [u8],
    /// The signature.
    pub signature: [u8; SIGNATURE_BYTES],
    /// The certificate of the host that signed; empty if the root did.
    pub certificate: &'a [u8],
    /// The snapshot under whose name it lies, if it is one.
    pub snapshot: Option<SnapshotId>,
}

impl<'a> SignedObject<'a> {
    /// Takes an object apart, and believes nothing of it.
    ///
    /// # Errors
    /// The bytes are no signed object.
    pub fn parse(what: &'static str, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let short = || FormatError::Short { what };
        let find_line_end = |bytes: &[u8]| bytes.iter().position(|b| *b == b'\n').ok_or_else(short);
        let end = find_line_end(bytes)?;
        let signed = bytes[end + 1..].strip_prefix(PREFIX).ok_or_else(short)?;
        let (digits, below) = signed.split_at(find_line_end(signed)?);
        let mut signature = [0; SIGNATURE_BYTES];
        hex::decode_to_slice(digits, &mut signature)
            .map_err(|_| FormatError::invalid(what, "the signature is not hexadecimal"))?;
        Ok(Self {
            what,
            body: &bytes[..end],
            signature,
            certificate: &below[1..],
            snapshot: None,
        })
    }

    /// Names the snapshot that the object is: one stays valid that was there before its key was revoked.
    #[must_use]
    pub fn with_snapshot(self, snapshot: SnapshotId) -> Self {
        Self {
            snapshot: Some(snapshot),
            ..self
        }
    }

    /// Returns the message that the signature covers.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        signed_message(self.what, self.body)
    }

    /// Reads the value without looking at its signature.
    ///
    /// # Errors
    /// The body is no such value.
    pub fn decode_unverified<T: DeserializeOwned>(&self) -> Result<T, FormatError> {
        serde_json::from_slice(self.body)
            .map_err(|e| FormatError::invalid(self.what, e.to_string()))
    }

    /// Reads the value if its signature counts, and says who signed it.
    ///
    /// # Errors
    /// Whoever signed is not trusted, or the body is no such value.
    pub fn decode<T: DeserializeOwned>(
        &self,
        trust: &dyn VerifySignature,
    ) -> Result<(T, Author), FormatError> {
        let author = trust.verify_signature(self)?;
        Ok((self.decode_unverified()?, author))
    }
}

fn signed_message(what: &str, body: &[u8]) -> Vec<u8> {
    [b"holdfast ", what.as_bytes(), b"\n", body].concat()
}
