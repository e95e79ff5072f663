//! The key of one file, and how keys are derived from secrets.

use hkdf::Hkdf;
use holdfast_sdk::Failure;
use holdfast_sdk::host::crypto::{Aead, Key};
use holdfast_sdk::host::random;
use sha2::Sha256;

/// The key of one file.
pub(crate) struct FileKey([u8; 16]);

impl FileKey {
    pub(crate) fn random() -> Self {
        Self(random_array())
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Seals it with a key that only its recipient can make.
    pub(crate) fn seal(&self, wrap_key: &[u8; 32]) -> Result<Vec<u8>, Failure> {
        Key::load(Aead::Chacha20Poly1305, wrap_key)?.seal(&[0; 12], &[], &self.0)
    }

    /// Opens a sealed file key; none if the wrapping key does not fit.
    pub(crate) fn open(wrap_key: &[u8; 32], body: &[u8]) -> Option<Self> {
        let key = Key::load(Aead::Chacha20Poly1305, wrap_key).ok()?;
        let bytes = key.open(&[0; 12], &[], body).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Derives a key for one purpose.
    pub(crate) fn derive(&self, salt: Option<&[u8]>, purpose: &[u8]) -> [u8; 32] {
        expand(salt, &self.0, purpose)
    }
}

/// Derives a key from a secret.
pub(crate) fn expand(salt: Option<&[u8]>, secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    // Expanding fails only for lengths of more than 255 blocks.
    let _ = Hkdf::<Sha256>::new(salt, secret).expand(info, &mut key);
    key
}

/// Draws random bytes.
pub(crate) fn random_array<const N: usize>() -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&random::bytes(N as u32));
    array
}
