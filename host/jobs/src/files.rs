//! Files of this machine: read if they are there, written whole or not at all, and errors that name them.

use holdfast_base::error::{Describe, Kind, kind_of_io};
use std::io;
use std::path::Path;

/// A file or directory of this machine that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{path}`")]
pub struct FileError {
    /// What was tried, in words that the path follows.
    pub action: &'static str,
    /// The file or directory.
    pub path: String,
    /// What the system answered.
    pub source: io::Error,
}

impl FileError {
    /// Makes an error about a path of what the system answered.
    pub(crate) fn about(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self {
            action,
            path,
            source,
        }
    }
}

impl Describe for FileError {
    fn kind(&self) -> Kind {
        kind_of_io(&self.source)
    }
}

/// Reads a file; returns nothing if there is none.
pub(crate) fn read_if_present(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let write = || {
        std::fs::write(&aside, bytes)?;
        std::fs::File::open(&aside)?.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().inspect_err(|_: &io::Error| drop(std::fs::remove_file(&aside)))
}
