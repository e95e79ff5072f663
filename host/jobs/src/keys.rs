//! Key files: read as they are, written once, never made by reading.

use crate::error::JobError;
use holdfast_repository::keys::KeyFile;
use holdfast_repository::pipeline::seal::{Identity, Secret};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a key file.
///
/// # Errors
/// It is absent, unreadable, or no key file. Nothing is made in its place.
pub fn read(path: &Path) -> Result<KeyFile, JobError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| JobError::KeyFile {
        path: shown.clone(),
        source,
    })?;
    let bytes = zeroize::Zeroizing::new(bytes);
    KeyFile::decode(&bytes).map_err(|source| JobError::Key {
        path: shown,
        source,
    })
}

/// Writes a file that only its owner can read, and never over one that exists.
///
/// # Errors
/// Something is there already, or the place cannot be written to.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), JobError> {
    let action = format!("create `{}`", path.display());
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
        std::io::ErrorKind::AlreadyExists => JobError::InTheWay {
            path: path.display().to_string(),
        },
        _ => JobError::io(action)(error),
    })
}

/// Reads an operator's identity.
///
/// # Errors
/// The file cannot be read.
pub fn identity(path: &Path) -> Result<Identity, JobError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| JobError::Identity {
        path: shown,
        source,
    })?;
    Ok(Identity::Key(Secret::new(text)))
}
