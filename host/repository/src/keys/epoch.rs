//! Epochs: the operators' way to everything.
//!
//! `epochs/N` is the whole read key as it was when epoch N began, sealed to the operators'
//! recipients. So an operator's identity and the store are all that a restore needs: not the
//! machine that made the backup, and no key file from it.

use super::file::{KeyError, KeyFile};
use crate::error::RepositoryError;
use crate::pipeline::put::create_surely;
use crate::pipeline::seal::{Identity, Recipient, SealError, Sealer, open_bytes, seal_bytes};
use holdfast_base::id::RepositoryId;
use holdfast_store::{Created, Name, Store};

/// Returns the name of an epoch's object.
///
/// # Errors
/// Never for a number; the type of names wants to be asked.
pub fn name(epoch: u32) -> Result<Name, RepositoryError> {
    Ok(Name::new(format!("epochs/{epoch:08}"))?)
}

/// Seals the read key to the operators and stores it.
///
/// # Errors
/// The epoch exists already, or sealing or storing failed.
pub fn create(
    store: &dyn Store,
    sealer: &dyn Sealer,
    epoch: u32,
    key: &KeyFile,
    operators: &[Recipient],
) -> Result<(), RepositoryError> {
    let name = name(epoch)?;
    let sealed = seal_bytes(sealer, operators, key.encode()?)?;
    match create_surely(store, &name, &sealed)? {
        Created::New => Ok(()),
        Created::Existed => Err(RepositoryError::Exists {
            place: store.place(),
        }),
    }
}

/// Opens the newest epoch of this repository that one of the identities fits.
///
/// An epoch of another repository is what an interrupted `init` left, and is passed over.
///
/// # Errors
/// No epoch can be read, or none of the identities fits any. An epoch that is damaged is told before
/// one that another operator's identity would open.
pub fn open(
    store: &dyn Store,
    sealer: &dyn Sealer,
    identities: &[Identity],
    repository: RepositoryId,
) -> Result<KeyFile, RepositoryError> {
    let mut names: Vec<_> = store.list("epochs")?.into_iter().map(|l| l.name).collect();
    names.sort();
    let mut failure = None;
    for name in names.iter().rev() {
        match read(store, sealer, identities, name) {
            Ok(key) if key.repository == repository => return Ok(key),
            Ok(key) => {
                let key = key.repository;
                let foreign = KeyError::Foreign { key, repository };
                failure.get_or_insert(foreign.into());
            }
            Err(error) => {
                let is_weak = matches!(
                    failure,
                    None | Some(RepositoryError::Seal(SealError::WrongKey))
                        | Some(RepositoryError::Key(KeyError::Foreign { .. }))
                );
                if is_weak {
                    failure = Some(error);
                }
            }
        }
    }
    Err(failure.unwrap_or(RepositoryError::NoEpoch {
        place: store.place(),
    }))
}

fn read(
    store: &dyn Store,
    sealer: &dyn Sealer,
    identities: &[Identity],
    name: &Name,
) -> Result<KeyFile, RepositoryError> {
    let read = || -> Result<KeyFile, RepositoryError> {
        let bytes = open_bytes(sealer, identities, store.get(name)?)?;
        Ok(KeyFile::decode(&bytes)?)
    };
    read().map_err(|error| error.in_object(name.as_str()))
}
