//! The content of a key file.
//!
//! Version 2 gives every host a signing key of its own: only a read key has the private half of the root
//! that certifies them. In version 1 a write key had it too.

use crate::format::FormatError;
use crate::format::certificate::Certificate;
use crate::ground::seal::{KeyPair, Secret};
use crate::keys::signer::Signer;
use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_base::advice::{Advice, KeyAdvice};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::hex;
use holdfast_base::id::RepositoryId;
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The newest version of the key file that this program knows.
pub const VERSION: u32 = 2;

/// What a key file lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Lists and checks structure.
    Audit,
    /// Backs up, and cannot read content.
    Write,
    /// Reads everything.
    Read,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audit => "audit",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// The content of a key file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyFile {
    /// Version of the key file.
    pub holdfast_key: u32,
    /// What it lets its holder do.
    pub role: Role,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// The root of trust: it signs, or certifies who signs, every object of the repository.
    pub verifying_key: String,
    /// The private half of the root. In version 1 it stood in `write`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root_key: Option<Secret>,
    /// Opens and seals the catalog.
    pub catalog: KeyPair,
    /// What writing needs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub write: Option<WriteKeys>,
    /// What reading needs: the epochs, oldest first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read: Option<Vec<ReadEpoch>>,
}

/// What writing needs.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WriteKeys {
    /// Names chunks.
    pub id_key: Secret,
    /// Decides where content is cut.
    pub split_key: Secret,
    /// Signs what this host makes. In version 1 it is the root's private half.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signing_key: Option<Secret>,
    /// What the root says of that key: two lines, as they stand below what the host signs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<String>,
    /// The epoch that new packs are sealed to.
    pub epoch: u32,
    /// Its public half.
    pub epoch_recipient: String,
}

/// The private half of an epoch.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadEpoch {
    /// Its number.
    pub epoch: u32,
    /// Its private half.
    pub identity: Secret,
}

/// Says why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no key file.
    #[error("this is not a key file of holdfast: {detail}")]
    Malformed {
        /// Why.
        detail: String,
    },
    /// The key file was written by a newer version.
    #[error("the key file has version {found}, and this holdfast reads up to {VERSION}")]
    Newer {
        /// Its version.
        found: u32,
    },
    /// The key belongs to another repository.
    #[error("the key belongs to repository {key}, and this is repository {repository}")]
    Foreign {
        /// What the key names.
        key: RepositoryId,
        /// What was opened.
        repository: RepositoryId,
    },
    /// The key was put there by somebody who does not hold the root.
    #[error("who does not hold the root of the repository has put this key there")]
    Planted,
    /// The key cannot sign.
    #[error("the key has nothing to sign with")]
    Unsigning,
    /// The certificate in the key is none, or no host can have the name.
    #[error(transparent)]
    Certificate(#[from] FormatError),
    /// The role does not go so far.
    #[error("a key of role `{held}` cannot do this; it needs role `{needed}`")]
    Role {
        /// The role of the key.
        held: Role,
        /// The role that is needed.
        needed: Role,
    },
    /// Something was sealed to an epoch that the key does not hold.
    #[error("the key does not hold epoch {epoch}")]
    Epoch {
        /// The epoch.
        epoch: u32,
    },
}

impl Describe for KeyError {
    fn kind(&self) -> Kind {
        Kind::Key
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Role {
                needed: Role::Read, ..
            }
            | Self::Epoch { .. } => vec![KeyAdvice::GiveReadingKey.into()],
            Self::Planted => vec![KeyAdvice::GiveExportedReadKey.into()],
            Self::Unsigning | Self::Certificate(FormatError::Revoked { .. }) => {
                vec![KeyAdvice::ExportHostKey.into()]
            }
            Self::Role { needed, .. } => vec![
                KeyAdvice::GiveKeyOfRole {
                    role: needed.to_string(),
                }
                .into(),
            ],
            _ => Vec::new(),
        }
    }
}

impl KeyFile {
    /// Reads a key file.
    ///
    /// # Errors
    /// The bytes are no key file, or one that is cut short, or a newer one.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct VersionOnly {
            holdfast_key: u32,
        }
        let malformed = |e: serde_json::Error| KeyError::Malformed {
            detail: e.to_string(),
        };
        if bytes.is_empty() {
            return Err(KeyError::Malformed {
                detail: "it is empty".into(),
            });
        }
        let version: VersionOnly = serde_json::from_slice(bytes).map_err(malformed)?;
        if !(1..=VERSION).contains(&version.holdfast_key) {
            return Err(KeyError::Newer {
                found: version.holdfast_key,
            });
        }
        let file: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        file.verifying_key()?;
        Ok(file)
    }

    /// Writes a key file.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| KeyError::Malformed {
            detail: e.to_string(),
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Returns the key of a lower role.
    ///
    /// A write key that is made of a read key has nothing to sign with: see [`Self::for_host`].
    ///
    /// # Errors
    /// This key has not got what the role needs.
    pub fn narrowed(&self, role: Role) -> Result<Self, KeyError> {
        if role > self.role {
            return Err(KeyError::Role {
                held: self.role,
                needed: role,
            });
        }
        Ok(Self {
            role,
            root_key: self.root_key.clone().filter(|_| role >= Role::Read),
            write: self.write.clone().filter(|_| role >= Role::Write),
            read: self.read.clone().filter(|_| role >= Role::Read),
            ..self.clone()
        })
    }

    /// Makes the write key of a host: a key of its own, certified by the root. `seed` is random.
    ///
    /// # Errors
    /// This key is no read key, or no host can have that name.
    pub fn for_host(&self, host: &str, issued: Instant, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let root = self.root()?;
        let keys = self.writing()?;
        let key = SigningKey::from_bytes(seed);
        let certificate = Certificate {
            repository: self.repository,
            host: host.to_owned(),
            key: hex::encode(key.verifying_key().to_bytes()),
            epoch: keys.epoch,
            issued,
        };
        Ok(Self {
            holdfast_key: VERSION,
            write: Some(WriteKeys {
                signing_key: Some(Secret::new(hex::encode(key.to_bytes()))),
                certificate: Some(certificate.encode(&Signer::root(root))?),
                ..keys.clone()
            }),
            ..self.narrowed(Role::Write)?
        })
    }

    /// Returns the private half of the root, which only a read key has.
    ///
    /// # Errors
    /// The role does not go so far.
    pub fn root(&self) -> Result<SigningKey, KeyError> {
        self.require(Role::Read)?;
        let old = || {
            self.write
                .as_ref()
                .and_then(|keys| keys.signing_key.as_ref())
        };
        let secret = self.root_key.as_ref().or_else(old);
        let secret = secret.ok_or(KeyError::Unsigning)?;
        Ok(SigningKey::from_bytes(&secret_bytes(secret, "root-key")?))
    }

    /// Returns what signs for the holder of this key: its host's key, or the root.
    ///
    /// # Errors
    /// The role does not go so far, or the key cannot be used.
    pub fn signer(&self) -> Result<Signer, KeyError> {
        let keys = self.writing()?;
        let signing =
            |secret| secret_bytes(secret, "signing-key").map(|s| SigningKey::from_bytes(&s));
        match (&keys.signing_key, &keys.certificate) {
            (Some(secret), Some(certificate)) => {
                Ok(Signer::host(signing(secret)?, certificate.clone())?)
            }
            (Some(secret), None) => Ok(Signer::root(signing(secret)?)),
            (None, _) if self.root_key.is_some() => Ok(Signer::root(self.root()?)),
            (None, _) => Err(KeyError::Unsigning),
        }
    }

    /// Returns the root of trust.
    ///
    /// # Errors
    /// The text is no such key.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        let malformed = || KeyError::Malformed {
            detail: "verifying-key is no key".into(),
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.verifying_key, &mut bytes).map_err(|_| malformed())?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| malformed())
    }

    /// Makes sure of a role, before anything is done that would need it.
    ///
    /// # Errors
    /// The role does not go so far.
    pub fn require(&self, needed: Role) -> Result<(), KeyError> {
        if self.role >= needed {
            return Ok(());
        }
        let held = self.role;
        Err(KeyError::Role { held, needed })
    }

    /// Returns what writing needs.
    ///
    /// # Errors
    /// The role does not go so far.
    pub fn writing(&self) -> Result<&WriteKeys, KeyError> {
        self.write.as_ref().ok_or(KeyError::Role {
            held: self.role,
            needed: Role::Write,
        })
    }

    /// Returns the private half of an epoch.
    ///
    /// # Errors
    /// The role does not go so far, or the key is older than the epoch.
    pub fn epoch(&self, epoch: u32) -> Result<&Secret, KeyError> {
        let epochs = self.read.as_ref().ok_or(KeyError::Role {
            held: self.role,
            needed: Role::Read,
        })?;
        let held = epochs.iter().find(|held| held.epoch == epoch);
        held.map(|held| &held.identity)
            .ok_or(KeyError::Epoch { epoch })
    }
}

impl WriteKeys {
    /// Returns the secret that names chunks.
    ///
    /// # Errors
    /// The text is no such secret.
    pub fn id_secret(&self) -> Result<[u8; 32], KeyError> {
        secret_bytes(&self.id_key, "id-key")
    }

    /// Returns the secret that decides where content is cut.
    ///
    /// # Errors
    /// The text is no such secret.
    pub fn split_secret(&self) -> Result<[u8; 32], KeyError> {
        secret_bytes(&self.split_key, "split-key")
    }
}

fn secret_bytes(secret: &Secret, what: &str) -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(secret.expose(), &mut bytes).map_err(|_| KeyError::Malformed {
        detail: format!("{what} is not 64 hexadecimal digits"),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::signed::{Author, Sign as _};

    fn key() -> KeyFile {
        let signing = SigningKey::from_bytes(&[4; 32]);
        let secret = || Secret::new("07".repeat(32));
        KeyFile {
            holdfast_key: VERSION,
            role: Role::Read,
            repository: RepositoryId([9; 16]),
            verifying_key: hex::encode(signing.verifying_key().to_bytes()),
            root_key: Some(Secret::new(hex::encode(signing.to_bytes()))),
            catalog: KeyPair {
                identity: Secret::new("CATALOG".into()),
                public_key: "c".into(),
            },
            write: Some(WriteKeys {
                id_key: secret(),
                split_key: secret(),
                signing_key: None,
                certificate: None,
                epoch: 1,
                epoch_recipient: "e".into(),
            }),
            read: Some(vec![ReadEpoch {
                epoch: 1,
                identity: Secret::new("EPOCH".into()),
            }]),
        }
    }

    #[test]
    fn a_narrower_key_has_nothing_that_its_role_does_not_need() {
        let write = key().narrowed(Role::Write).unwrap();
        let text = String::from_utf8(write.encode().unwrap()).unwrap();
        assert!(!text.contains("EPOCH"));
        let audit = write.narrowed(Role::Audit).unwrap();
        let text = String::from_utf8(audit.encode().unwrap()).unwrap();
        assert!(!text.contains("id-key") && text.contains("CATALOG"));
        assert!(audit.narrowed(Role::Read).is_err());
    }

    #[test]
    fn a_hosts_key_signs_for_that_host_and_certifies_nobody() {
        let host = key().for_host("web1", Instant(5), &[8; 32]).unwrap();
        let text = String::from_utf8(host.encode().unwrap()).unwrap();
        assert!(!text.contains("root-key") && !text.contains(&"04".repeat(32)));
        let read = KeyFile::decode(text.as_bytes()).unwrap();
        let author = read.signer().unwrap().author().clone();
        assert!(matches!(author, Author::Host { name, .. } if name == "web1"));
        assert!(read.for_host("db1", Instant(5), &[9; 32]).is_err());
        assert!(matches!(
            key().narrowed(Role::Write).unwrap().signer(),
            Err(KeyError::Unsigning)
        ));
        assert!(key().for_host("a\nb", Instant(5), &[8; 32]).is_err());
    }

    #[test]
    fn a_key_of_version_1_signs_as_the_root() {
        let mut old = key();
        old.holdfast_key = 1;
        let root = old.root_key.take();
        old.write.as_mut().unwrap().signing_key = root;
        let old = KeyFile::decode(&old.encode().unwrap()).unwrap();
        assert_eq!(*old.signer().unwrap().author(), Author::Root);
        let write = old.narrowed(Role::Write).unwrap();
        assert_eq!(*write.signer().unwrap().author(), Author::Root);
        assert!(write.root().is_err());
        assert!(old.for_host("web1", Instant(5), &[8; 32]).is_ok());
    }

    #[test]
    fn a_key_file_cut_anywhere_is_refused() {
        let bytes = key().encode().unwrap();
        for length in 0..bytes.len() - 1 {
            assert!(KeyFile::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(KeyFile::decode(&bytes).is_ok());
    }

    #[test]
    fn secrets_do_not_print() {
        assert!(!format!("{:?}", key().catalog).contains("CATALOG"));
    }
}
