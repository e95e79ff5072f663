//! Signs objects: a private key, and the certificate of the host that it belongs to.

use crate::format::FormatError;
use crate::format::certificate::{CERTIFICATE, Certificate};
use crate::format::signed::{Author, SIGNATURE_BYTES, Sign, SignedObject, encode_signed};
use ed25519_dalek::SigningKey;
use holdfast_base::hex;
use serde::Serialize;

/// What signs objects: a private key, and the certificate of the host that it belongs to.
#[derive(Debug, Clone)]
pub struct Signer {
    key: SigningKey,
    certificate: Option<String>,
    author: Author,
}

impl Signer {
    /// Signs as the repository itself.
    #[must_use]
    pub fn root(key: SigningKey) -> Self {
        Self {
            key,
            certificate: None,
            author: Author::Root,
        }
    }

    /// Signs as a host.
    ///
    /// # Errors
    /// The certificate is none, or one of another key.
    pub fn host(key: SigningKey, certificate: String) -> Result<Self, FormatError> {
        let read: Certificate =
            SignedObject::parse(CERTIFICATE, certificate.as_bytes())?.decode_unverified()?;
        if read.key != hex::encode(key.verifying_key().to_bytes()) {
            return Err(FormatError::invalid(
                CERTIFICATE,
                "it belongs to another key",
            ));
        }
        let (name, public) = (read.host, read.key);
        Ok(Self {
            key,
            certificate: Some(certificate),
            author: Author::Host { name, key: public },
        })
    }

    /// Writes a value, its signature, and the certificate that goes with it.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn sign<T: Serialize>(
        &self,
        what: &'static str,
        value: &T,
    ) -> Result<Vec<u8>, FormatError> {
        encode_signed(what, value, self)
    }
}

impl Sign for Signer {
    fn author(&self) -> &Author {
        &self.author
    }

    fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    fn sign_message(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        ed25519_dalek::Signer::sign(&self.key, message).to_bytes()
    }
}
