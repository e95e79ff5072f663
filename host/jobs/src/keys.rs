//! Key files and identities: read as they are, written once, never made by reading; and what opens a repository.

use crate::files::FileError;
use holdfast_base::advice::{AccessAdvice, Advice};
use holdfast_base::error::{Describe, Kind};
use holdfast_repository::format::signed::{Author, Sign};
use holdfast_repository::keys::{KeyError, KeyFile};
use holdfast_repository::seal::{Identity, Secret};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key or an identity that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A key file cannot be read.
    #[error("cannot read key file `{path}`")]
    ReadKey {
        /// The file.
        path: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A key file holds no key that can be used.
    #[error("cannot use key file `{path}`")]
    InvalidKey {
        /// The file.
        path: String,
        /// Why.
        source: KeyError,
    },
    /// An operator's identity cannot be read.
    #[error("cannot read identity `{path}`")]
    ReadIdentity {
        /// The file.
        path: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A file that is to be made is there already.
    #[error("`{path}` is there already, and keys are never overwritten")]
    AlreadyExists {
        /// The file.
        path: String,
    },
    /// A file cannot be made.
    #[error(transparent)]
    Create(#[from] FileError),
}

impl Describe for CredentialError {
    fn kind(&self) -> Kind {
        match self {
            Self::AlreadyExists { .. } => Kind::Usage,
            Self::Create(error) => error.kind(),
            Self::ReadKey { .. } | Self::InvalidKey { .. } | Self::ReadIdentity { .. } => Kind::Key,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::ReadKey { path, source } if source.kind() == io::ErrorKind::NotFound => {
                vec![AccessAdvice::RecoverKeyFile { path: path.clone() }.into()]
            }
            Self::InvalidKey { source, .. } => source.advice(),
            Self::AlreadyExists { path } => vec![Advice::Words(format!(
                "Move `{path}` away if it belongs to another repository; or name another file"
            ))],
            Self::ReadKey { .. } | Self::ReadIdentity { .. } | Self::Create(_) => Vec::new(),
        }
    }
}

/// What a repository is opened with.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A key file, instead of the store's own.
    pub key: Option<PathBuf>,
    /// Operators' identities: with one, no key file is needed.
    pub identities: Vec<PathBuf>,
    /// The operators' passphrase: with it, no key file is needed either.
    pub passphrase: Option<Secret>,
}

impl Credentials {
    /// Returns whether an operator opens the repository, and no key file.
    pub(crate) fn are_operators(&self) -> bool {
        !self.identities.is_empty() || self.passphrase.is_some()
    }

    /// Reads what operators open a repository with.
    pub(crate) fn read_operators(&self) -> Result<Vec<Identity>, CredentialError> {
        let files = self.identities.iter().map(|path| read_identity(path));
        let passphrase = self.passphrase.iter().cloned().map(Identity::Passphrase);
        files.chain(passphrase.map(Ok)).collect()
    }
}

/// Reads a key file. Makes none if it is absent.
pub(crate) fn read_key(path: &Path) -> Result<KeyFile, CredentialError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| CredentialError::ReadKey {
        path: shown.clone(),
        source,
    })?;
    let bytes = Zeroizing::new(bytes);
    KeyFile::decode(&bytes).map_err(|source| CredentialError::InvalidKey {
        path: shown,
        source,
    })
}

/// Writes a key to a new file.
pub(crate) fn write_key(path: &Path, key: &KeyFile) -> Result<(), CredentialError> {
    let bytes = key.encode().map_err(|source| CredentialError::InvalidKey {
        path: path.display().to_string(),
        source,
    })?;
    write_private_file(path, &Zeroizing::new(bytes))
}

/// Returns the host that a key signs for, if it is a host's.
pub(crate) fn signing_host(key: &KeyFile) -> Option<String> {
    match key.signer().ok()?.author() {
        Author::Host { name, .. } => Some(name.clone()),
        Author::Root | Author::Nobody => None,
    }
}

/// Writes a file that only its owner can read, and never over one that exists.
pub(crate) fn write_private_file(path: &Path, bytes: &[u8]) -> Result<(), CredentialError> {
    let write = || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a key would be in the way of a whole one.
            let _ = std::fs::remove_file(path);
        }
        written
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CredentialError::AlreadyExists {
            path: path.display().to_string(),
        },
        _ => FileError::about("create", path)(error).into(),
    })
}

/// Reads an operator's identity.
fn read_identity(path: &Path) -> Result<Identity, CredentialError> {
    let text = std::fs::read_to_string(path).map_err(|source| CredentialError::ReadIdentity {
        path: path.display().to_string(),
        source,
    })?;
    Ok(Identity::Key(Secret::new(text)))
}
