//! Key files: read as they are, written once, never made by reading. And who can open a repository.

use crate::error::JobError;
use crate::open::Credentials;
use holdfast_base::cancel::Cancel;
use holdfast_repository::collect;
use holdfast_repository::format::trust::Author;
pub use holdfast_repository::keys::KeyFile;
use holdfast_repository::keys::{KeyError, Role};
use holdfast_repository::operators::{Change, Rotation};
use holdfast_repository::seal::{Identity, Recipient, SealError, Secret};
use holdfast_repository::{Repository, RepositoryError};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

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

/// Returns a key of some role, made of the one that a repository was opened with.
///
/// A write key is a host's own. Made of a read key it is a new one, for the host that is named, or else
/// for `here`. Made of a write key it is the same again, and can be for no other host.
///
/// # Errors
/// The key does not go so far, or no host can have that name.
pub fn of_role(
    repository: &Repository,
    role: Role,
    host: Option<&str>,
    here: &str,
) -> Result<KeyFile, JobError> {
    let held = repository.key();
    if role != Role::Write {
        return match host {
            None => Ok(held.narrowed(role).map_err(RepositoryError::from)?),
            Some(_) => Err(JobError::usage(
                format!("a key of role {role} is no host's: it signs nothing for one"),
                Some("Leave `--host` out, or export a write key"),
            )),
        };
    }
    if held.role == Role::Read {
        let host = host.unwrap_or(here);
        return repository.host_key(host).map_err(|error| match error {
            RepositoryError::Key(KeyError::Certificate(why)) => {
                JobError::usage(why.to_string(), Some("Name the host: --host NAME"))
            }
            other => other.into(),
        });
    }
    let same = repository.certified_host();
    if host.is_some_and(|host| same.as_deref() != Some(host)) {
        let needed = Role::Read;
        let held = held.role;
        return Err(RepositoryError::from(KeyError::Role { held, needed }).into());
    }
    Ok(held.narrowed(role).map_err(RepositoryError::from)?)
}

/// Says which recipient cannot be used, where that is what failed.
pub(crate) fn unusable_recipient(error: RepositoryError) -> JobError {
    match error {
        RepositoryError::Seal(SealError::Unusable { detail }) => JobError::usage(
            format!("a recipient cannot be used: {detail}"),
            Some("Look at --recipient, and at `recipients` in the store's table"),
        ),
        other => other.into(),
    }
}

/// Lets more operators open a repository.
///
/// # Errors
/// One cannot be used or is there already, the key is no read key, or the store failed.
pub fn add(
    repository: &Repository,
    credentials: &Credentials,
    recipients: &[String],
    passphrase: Option<Secret>,
) -> Result<Change, JobError> {
    let public = recipients.iter().cloned().map(Recipient::PublicKey);
    let all: Vec<_> = public
        .chain(passphrase.map(Recipient::Passphrase))
        .collect();
    if all.is_empty() {
        return Err(JobError::usage(
            "nobody is named who shall be able to open the repository",
            Some("Name a recipient (age1…), or let a passphrase open it with --new-passphrase"),
        ));
    }
    let identities = credentials.operators()?;
    let added = repository.add_operators(&all, &identities);
    added.map_err(unusable_recipient)
}

/// Lets an operator no longer open a repository.
///
/// # Errors
/// There is no such operator, it is the last, the key is no read key, or the store failed.
pub fn remove(
    repository: &Repository,
    credentials: &Credentials,
    which: &str,
) -> Result<Change, JobError> {
    Ok(repository.remove_operator(which, &credentials.operators()?)?)
}

/// Begins a new epoch.
///
/// # Errors
/// The key is no read key, nobody knows who can open the repository, or the store failed.
pub fn rotate(
    repository: &Repository,
    credentials: &Credentials,
    recipients: &[String],
    revoke: &[String],
    follow: Option<&KeyFile>,
) -> Result<Change, JobError> {
    let rotation = Rotation {
        operators: recipients
            .iter()
            .cloned()
            .map(Recipient::PublicKey)
            .collect(),
        revoke: revoke.to_vec(),
        follow: follow.cloned(),
    };
    let rotated = repository.rotate(&rotation, &credentials.operators()?);
    rotated.map_err(unusable_recipient)
}

/// Seals anew what is sealed to older epochs: a collection that copies it. What was done stays done when it is
/// interrupted, and the next one goes on.
///
/// # Errors
/// The key is no read key, or as for a collection.
pub fn reseal(
    repository: &Arc<Repository>,
    host: &str,
    cancel: &Cancel,
    progress: &collect::CollectProgress,
) -> Result<collect::Report, JobError> {
    let key = repository.key();
    key.require(Role::Read).map_err(RepositoryError::from)?;
    let epoch = key.writing().map_err(RepositoryError::from)?.epoch;
    // What is sealed anew is opened again before anything relies on it.
    key.epoch(epoch).map_err(RepositoryError::from)?;
    let options = collect::Options {
        reseal_before: Some(epoch),
        host: repository.host_or(host),
        ..collect::Options::default()
    };
    Ok(collect::collect(repository, &options, cancel, progress)?)
}

/// Writes a key to a new file.
///
/// # Errors
/// Something is in the way, or the place cannot be written to.
pub fn write_key(path: &Path, key: &KeyFile) -> Result<(), JobError> {
    let bytes = key.encode().map_err(|source| JobError::Key {
        path: path.display().to_string(),
        source,
    })?;
    write_new(path, &zeroize::Zeroizing::new(bytes))
}

/// Returns the host that a key signs for, if it is a host's.
#[must_use]
pub fn host_of(key: &KeyFile) -> Option<String> {
    match key.signer().ok()?.author() {
        Author::Host { name, .. } => Some(name.clone()),
        Author::Root | Author::Nobody => None,
    }
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
