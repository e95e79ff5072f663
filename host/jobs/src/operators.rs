//! Who can open a repository: operators, host keys that are exported or made again, and new epochs.

use crate::context::Context;
use crate::error::JobError;
use crate::error::access::AccessError;
use crate::keys::{signing_host, write_key};
use crate::open::{Access, find_key_file, require_reading};
use holdfast_repository::collect::{self, CollectProgress};
use holdfast_repository::format::announcement::Announcement;
use holdfast_repository::keys::{KeyError, KeyFile, Role};
use holdfast_repository::operators::{Change, Rotation};
use holdfast_repository::seal::{Recipient, SealError, Secret};
use holdfast_repository::{
    ObjectError, OperatorsError, Repository, RepositoryError, StoredError, UpkeepError,
};
use std::path::{Path, PathBuf};

/// A key that was written to a file.
#[derive(Debug)]
pub struct WrittenKey {
    /// Its role.
    pub role: Role,
    /// The file.
    pub path: PathBuf,
    /// The host that it signs for, if it is a host's.
    pub host: Option<String>,
}

/// Who can open a repository.
#[derive(Debug)]
pub struct OperatorList {
    /// What the newest epoch announces.
    pub announced: Announcement,
    /// Objects of older epochs: whoever could open them still can.
    pub older: Vec<String>,
}

/// How a new epoch begins.
#[derive(Debug, Default)]
pub struct NewEpoch<'a> {
    /// Who can open it; whoever could open the last one if nobody is named.
    pub recipients: &'a [String],
    /// Hosts with keys that are refused from now on.
    pub revoke: &'a [String],
    /// A store with keys that the new epoch shall have.
    pub same_keys_as: Option<&'a str>,
}

/// Writes a key of some role to a new file.
///
/// # Errors
/// The key at hand does not go so far, no host can have that name, or the file is there already.
pub fn export_key(
    context: &Context,
    access: &Access,
    role: Role,
    host: Option<&str>,
    file: &Path,
) -> Result<WrittenKey, JobError> {
    let repository = access.open(context)?;
    let key = if role == Role::Write {
        make_host_key(&repository, host, &context.places.host)?
    } else if host.is_some() {
        return Err(AccessError::HostlessRole { role }.into());
    } else {
        repository.key().narrowed(role)?
    };
    save_key(file.to_owned(), &key)
}

/// Makes a store's write key again, at its usual place.
///
/// # Errors
/// As for [`export_key`].
pub fn recover_key(
    context: &Context,
    access: &Access,
    host: Option<&str>,
) -> Result<WrittenKey, JobError> {
    let repository = access.open(context)?;
    let path = find_key_file(context, &access.store)?;
    save_key(
        path,
        &make_host_key(&repository, host, &context.places.host)?,
    )
}

fn save_key(path: PathBuf, key: &KeyFile) -> Result<WrittenKey, JobError> {
    write_key(&path, key)?;
    Ok(WrittenKey {
        role: key.role,
        path,
        host: signing_host(key),
    })
}

/// Makes the write key of a host.
///
/// Made of a read key it is a new one, for the host that is named, or else for `here`. Made of a write key it is
/// the same again, and can be for no other host.
pub(crate) fn make_host_key(
    repository: &Repository,
    host: Option<&str>,
    here: &str,
) -> Result<KeyFile, JobError> {
    let held = repository.key().role;
    if held == Role::Read {
        let made = repository.host_key(host.unwrap_or(here));
        return made.map_err(|error| match error {
            ObjectError::Key(KeyError::Certificate(why)) => {
                let reason = why.to_string();
                AccessError::InvalidHost { reason }.into()
            }
            other => other.into(),
        });
    }
    let same = repository.certified_host();
    if host.is_some_and(|host| same.as_deref() != Some(host)) {
        let needed = Role::Read;
        return Err(KeyError::Role { held, needed }.into());
    }
    Ok(repository.key().narrowed(Role::Write)?)
}

/// Names the recipient that cannot be used if that is what failed.
pub(crate) fn name_bad_recipient(error: impl Into<RepositoryError>) -> JobError {
    match error.into() {
        RepositoryError::Stored(StoredError::Object(ObjectError::Seal(SealError::Unusable {
            detail,
        }))) => AccessError::InvalidRecipient { reason: detail }.into(),
        other => other.into(),
    }
}

/// Lists who can open a repository.
///
/// # Errors
/// Nobody has recorded it, or the store failed.
pub fn list_operators(context: &Context, access: &Access) -> Result<OperatorList, JobError> {
    let repository = access.open(context)?;
    let announced = repository.announcement();
    let unrecorded = || UpkeepError::from(OperatorsError::Unrecorded);
    let announced = announced.cloned().ok_or_else(unrecorded)?;
    let older = repository.older_epochs()?;
    Ok(OperatorList { announced, older })
}

/// Lets more operators open a repository. The passphrase is asked for once the repository is open.
///
/// # Errors
/// One cannot be used or is there already, the key is no read key, or the store failed.
pub fn add_operators<E: From<JobError>>(
    context: &Context,
    access: &Access,
    recipients: &[String],
    passphrase: impl FnOnce() -> Result<Option<Secret>, E>,
) -> Result<Change, E> {
    let repository = access.open(context)?;
    let public = recipients.iter().cloned().map(Recipient::PublicKey);
    let all: Vec<_> = public
        .chain(passphrase()?.map(Recipient::Passphrase))
        .collect();
    if all.is_empty() {
        return Err(JobError::from(AccessError::NoNewOperator).into());
    }
    let identities = access.credentials.read_operators();
    let added = repository.add_operators(&all, &identities.map_err(JobError::from)?);
    Ok(added.map_err(name_bad_recipient)?)
}

/// Lets an operator no longer open a repository.
///
/// # Errors
/// There is no such operator, it is the last, the key is no read key, or the store failed.
pub fn remove_operator(
    context: &Context,
    access: &Access,
    which: &str,
) -> Result<Change, JobError> {
    let repository = access.open(context)?;
    let identities = access.credentials.read_operators()?;
    Ok(repository.remove_operator(which, &identities)?)
}

/// Begins a new epoch.
///
/// # Errors
/// The key is no read key, nobody knows who can open the repository, or the store failed.
pub fn rotate_keys(
    context: &Context,
    access: &Access,
    wanted: &NewEpoch<'_>,
) -> Result<Change, JobError> {
    let repository = access.open(context)?;
    let follow = match wanted.same_keys_as {
        Some(store) => {
            let other = Access {
                store: store.to_owned(),
                credentials: access.credentials.clone(),
            };
            Some(other.open(context)?.key().clone())
        }
        None => None,
    };
    let recipients = wanted.recipients.iter().cloned();
    let rotation = Rotation {
        operators: recipients.map(Recipient::PublicKey).collect(),
        revoke: wanted.revoke.to_vec(),
        follow,
    };
    let rotated = repository.rotate(&rotation, &access.credentials.read_operators()?);
    rotated.map_err(name_bad_recipient)
}

/// Seals anew what is sealed to older epochs: a collection that copies it. What was done stays done if it is
/// interrupted, and the next one goes on.
///
/// # Errors
/// The key is no read key, or as for a collection.
pub fn reseal_store(
    context: &Context,
    access: &Access,
    progress: &CollectProgress,
) -> Result<collect::Report, JobError> {
    let repository = access.open(context)?;
    require_reading(&repository)?;
    let key = repository.key();
    let epoch = key.writing()?.epoch;
    // What is sealed anew is opened again before anything relies on it.
    key.epoch(epoch)?;
    let options = collect::Options {
        reseal_before: Some(epoch),
        host: repository.host_or(&context.places.host),
        ..collect::Options::default()
    };
    let cancel = &context.cancel;
    Ok(collect::collect(&repository, &options, cancel, progress)?)
}
