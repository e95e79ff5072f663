//! The content of a key file.

use crate::pipeline::seal::{KeyPair, Secret};
use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_base::error::{Describe, Hint, Kind};
use holdfast_base::id::RepositoryId;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// Who signs the objects of the repository.
    pub verifying_key: String,
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
    /// Signs snapshots.
    pub signing_key: Secret,
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
    #[error("the key file has version {found}, and this holdfast reads version 1")]
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

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Role { needed: Role::Read, .. } | Self::Epoch { .. } => vec![Hint(
                "Give a key that can read: `--identity FILE` with an operator's identity, or a read key"
                    .into(),
            )],
            Self::Role { needed, .. } => vec![Hint(format!(
                "Give a key of role `{needed}` with `--key FILE`, or an operator's identity with `--identity FILE`"
            ))],
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
        if version.holdfast_key != 1 {
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
            write: self.write.clone().filter(|_| role >= Role::Write),
            read: self.read.clone().filter(|_| role >= Role::Read),
            ..self.clone()
        })
    }

    /// Returns who signs the objects of the repository.
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
    /// Returns the key that signs snapshots.
    ///
    /// # Errors
    /// The text is no such key.
    pub fn signing_key(&self) -> Result<SigningKey, KeyError> {
        Ok(SigningKey::from_bytes(&secret_bytes(
            &self.signing_key,
            "signing-key",
        )?))
    }

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

    fn key() -> KeyFile {
        let signing = SigningKey::from_bytes(&[4; 32]);
        let secret = || Secret::new("07".repeat(32));
        KeyFile {
            holdfast_key: 1,
            role: Role::Read,
            repository: RepositoryId([9; 16]),
            verifying_key: hex::encode(signing.verifying_key().to_bytes()),
            catalog: KeyPair {
                identity: Secret::new("CATALOG".into()),
                public_key: "c".into(),
            },
            write: Some(WriteKeys {
                id_key: secret(),
                split_key: secret(),
                signing_key: secret(),
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
