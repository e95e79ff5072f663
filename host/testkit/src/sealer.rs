//! A sealer that is the `age` crate itself, so that tests of the repository need no sandbox.

use age::secrecy::ExposeSecret;
use holdfast_repository::seal::{
    Identity, KeyPair, Recipient, SealError, SealedBytes, Sealer, Secret,
};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::str::FromStr;
use std::sync::Arc;

/// Seals with the `age` crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeAge;

fn encryptor(error: impl std::fmt::Display) -> SealError {
    SealError::Encryptor {
        detail: error.to_string(),
    }
}

fn recipients(to: &[Recipient]) -> Result<Vec<age::x25519::Recipient>, SealError> {
    to.iter()
        .map(|recipient| match recipient {
            Recipient::PublicKey(text) => age::x25519::Recipient::from_str(text).map_err(encryptor),
            Recipient::Passphrase(_) => Err(encryptor("no passphrases in tests")),
        })
        .collect()
}

fn identities(with: &[Identity]) -> Result<Vec<age::x25519::Identity>, SealError> {
    with.iter()
        .map(|identity| match identity {
            Identity::Key(text) => {
                age::x25519::Identity::from_str(text.expose().trim()).map_err(encryptor)
            }
            Identity::Passphrase(_) => Err(encryptor("no passphrases in tests")),
        })
        .collect()
}

fn decrypt_failed(error: age::DecryptError) -> SealError {
    match error {
        age::DecryptError::NoMatchingKeys => SealError::WrongKey,
        // A header that is cut short ends too early.
        age::DecryptError::Io(error) => copy_failed(error),
        other => SealError::Damaged {
            detail: other.to_string(),
        },
    }
}

fn copy_failed(error: io::Error) -> SealError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => SealError::Damaged {
            detail: error.to_string(),
        },
        _ => SealError::Io(error),
    }
}

impl Sealer for NativeAge {
    fn name(&self) -> &str {
        "age"
    }

    fn generate(&self) -> Result<KeyPair, SealError> {
        let identity = age::x25519::Identity::generate();
        Ok(KeyPair {
            identity: Secret::new(identity.to_string().expose_secret().to_owned()),
            public_key: identity.to_public().to_string(),
        })
    }

    fn seal(
        &self,
        to: &[Recipient],
        mut plain: Box<dyn Read + Send>,
        sealed: Box<dyn Write + Send>,
    ) -> Result<(), SealError> {
        let recipients = recipients(to)?;
        let recipients = recipients.iter().map(|r| r as &dyn age::Recipient);
        let encryptor_ = age::Encryptor::with_recipients(recipients).map_err(encryptor)?;
        // In pieces as large as an encryptor plugin's, and not header line by header line.
        let sealed = io::BufWriter::with_capacity(256 << 10, sealed);
        let mut writer = encryptor_.wrap_output(sealed).map_err(SealError::Io)?;
        io::copy(&mut plain, &mut writer).map_err(SealError::Io)?;
        let mut sealed = writer.finish().map_err(SealError::Io)?;
        sealed.flush().map_err(SealError::Io)
    }

    fn open(
        &self,
        with: &[Identity],
        sealed: Box<dyn Read + Send>,
        mut plain: Box<dyn Write + Send>,
    ) -> Result<(), SealError> {
        let identities = identities(with)?;
        let decryptor = age::Decryptor::new(sealed).map_err(decrypt_failed)?;
        let mut reader = decryptor
            .decrypt(identities.iter().map(|i| i as &dyn age::Identity))
            .map_err(decrypt_failed)?;
        io::copy(&mut reader, &mut plain).map_err(copy_failed)?;
        Ok(())
    }

    fn open_range(
        &self,
        with: &[Identity],
        sealed: Arc<dyn SealedBytes>,
        offset: u64,
        length: u64,
        mut plain: Box<dyn Write + Send>,
    ) -> Result<(), SealError> {
        let identities = identities(with)?;
        // Looking for a place past the end, the crate counts below zero.
        if offset + length > plain_length(sealed.as_ref())? {
            return Err(SealError::Damaged {
                detail: "the range reaches past the end".into(),
            });
        }
        let sealed = io::BufReader::with_capacity(64 << 10, Cursor { sealed, at: 0 });
        let decryptor = age::Decryptor::new(sealed).map_err(decrypt_failed)?;
        let mut reader = decryptor
            .decrypt(identities.iter().map(|i| i as &dyn age::Identity))
            .map_err(decrypt_failed)?;
        reader.seek(SeekFrom::Start(offset)).map_err(copy_failed)?;
        let copied = io::copy(&mut reader.take(length), &mut plain).map_err(copy_failed)?;
        if copied == length {
            Ok(())
        } else {
            Err(SealError::Damaged {
                detail: "the range comes back short".into(),
            })
        }
    }
}

/// Returns the length of what was sealed; no less than it if the header cannot be made out.
fn plain_length(sealed: &dyn SealedBytes) -> Result<u64, SealError> {
    const HEADER_MAX: usize = 4 << 10;
    const BLOCK: u64 = (64 << 10) + 16;
    let head = sealed.read_at(0, HEADER_MAX).map_err(SealError::Io)?;
    let last = head.windows(5).position(|window| window == b"\n--- ");
    let end = last.and_then(|at| {
        let rest = head[at + 1..].iter().position(|byte| *byte == b'\n')?;
        Some(at + 1 + rest + 1)
    });
    let body = sealed.size().saturating_sub(end.unwrap_or(0) as u64 + 16);
    Ok(body.saturating_sub(body.div_ceil(BLOCK) * 16))
}

struct Cursor {
    sealed: Arc<dyn SealedBytes>,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.sealed.read_at(self.at, buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.sealed.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::other("before the beginning"))?;
        Ok(self.at)
    }
}
