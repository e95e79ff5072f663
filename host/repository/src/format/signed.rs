//! Signed JSON: one line of body, one line of signature, and, where a host signed, its certificate.
//!
//! The signature covers the exact bytes of the first line, so that no canonical form of JSON is
//! needed to check it: not here, and not in a reader that somebody writes in ten years.

use crate::format::FormatError;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use holdfast_base::hex;
use serde::Serialize;
use serde::de::DeserializeOwned;

const PREFIX: &[u8] = b"ed25519 ";

/// Writes a value and its signature. `what` is part of what is signed, so that an object of one
/// kind can never stand in for one of another.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn sign<T: Serialize>(
    what: &'static str,
    value: &T,
    key: &SigningKey,
) -> Result<Vec<u8>, FormatError> {
    let mut bytes =
        serde_json::to_vec(value).map_err(|e| FormatError::invalid(what, e.to_string()))?;
    let signature = key.sign(&message(what, &bytes));
    bytes.push(b'\n');
    bytes.extend_from_slice(PREFIX);
    bytes.extend_from_slice(hex::encode(signature.to_bytes()).as_bytes());
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a value without looking at its signature.
///
/// # Errors
/// The bytes are not such an object.
pub fn peek<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, FormatError> {
    serde_json::from_slice(parts(what, bytes)?.body)
        .map_err(|e| FormatError::invalid(what, e.to_string()))
}

/// Reads a value whose signature fits.
///
/// # Errors
/// The bytes are not such an object, or were signed by somebody else.
pub fn verify<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    key: &VerifyingKey,
) -> Result<T, FormatError> {
    let parts = parts(what, bytes)?;
    if !parts.below.is_empty() {
        return Err(FormatError::invalid(what, "something stands below it"));
    }
    parts.verified(what, key)
}

/// The parts of a signed object.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    body: &'a [u8],
    signature: Signature,
    /// What stands below: nothing, or the certificate of who signed.
    pub(super) below: &'a [u8],
}

impl Parts<'_> {
    /// Reads the value, if the signature is of this key.
    ///
    /// # Errors
    /// It is of another, or the body is no such value.
    pub(super) fn verified<T: DeserializeOwned>(
        &self,
        what: &'static str,
        key: &VerifyingKey,
    ) -> Result<T, FormatError> {
        key.verify(&message(what, self.body), &self.signature)
            .map_err(|_| FormatError::Signature { what })?;
        serde_json::from_slice(self.body).map_err(|e| FormatError::invalid(what, e.to_string()))
    }
}

fn message(what: &str, body: &[u8]) -> Vec<u8> {
    [b"holdfast ", what.as_bytes(), b"\n", body].concat()
}

/// Takes a signed object apart.
pub(super) fn parts<'a>(what: &'static str, bytes: &'a [u8]) -> Result<Parts<'a>, FormatError> {
    let short = || FormatError::Short { what };
    let line = |bytes: &[u8]| bytes.iter().position(|b| *b == b'\n').ok_or_else(short);
    let end = line(bytes)?;
    let signed = bytes[end + 1..].strip_prefix(PREFIX).ok_or_else(short)?;
    let (hexed, below) = signed.split_at(line(signed)?);
    let mut signature = [0; 64];
    hex::decode_to_slice(hexed, &mut signature)
        .map_err(|_| FormatError::invalid(what, "the signature is not hexadecimal"))?;
    Ok(Parts {
        body: &bytes[..end],
        signature: Signature::from_bytes(&signature),
        below: &below[1..],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_or_another_kind_of_object_is_noticed() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let bytes = sign("snapshot", &vec![1, 2], &key).unwrap();
        let public = key.verifying_key();
        assert_eq!(
            verify::<Vec<u8>>("snapshot", &bytes, &public),
            Ok(vec![1, 2])
        );
        assert!(verify::<Vec<u8>>("record", &bytes, &public).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(
                verify::<Vec<u8>>("snapshot", &changed, &public).is_err(),
                "byte {at}"
            );
        }
    }
}
