//! Signed JSON: one line of body, one line of signature.
//!
//! The signature covers the exact bytes of the first line, so that no canonical form of JSON is
//! needed to check it: not here, and not in a reader that somebody writes in ten years.

use super::FormatError;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
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
    let (body, _) = split(what, bytes)?;
    serde_json::from_slice(body).map_err(|e| FormatError::invalid(what, e.to_string()))
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
    let (body, signature) = split(what, bytes)?;
    key.verify(&message(what, body), &signature)
        .map_err(|_| FormatError::Signature { what })?;
    serde_json::from_slice(body).map_err(|e| FormatError::invalid(what, e.to_string()))
}

fn message(what: &str, body: &[u8]) -> Vec<u8> {
    [b"holdfast ", what.as_bytes(), b"\n", body].concat()
}

fn split<'a>(what: &'static str, bytes: &'a [u8]) -> Result<(&'a [u8], Signature), FormatError> {
    let short = FormatError::Short { what };
    let line = bytes.iter().position(|b| *b == b'\n').ok_or(short)?;
    let hexed = bytes[line + 1..]
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(b"\n"))
        .ok_or(FormatError::Short { what })?;
    let mut signature = [0; 64];
    hex::decode_to_slice(hexed, &mut signature)
        .map_err(|_| FormatError::invalid(what, "the signature is not hexadecimal"))?;
    Ok((&bytes[..line], Signature::from_bytes(&signature)))
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
