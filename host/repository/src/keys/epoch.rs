//! Epochs: the operators' way to everything.
//!
//! `epochs/N` is the whole read key as it was when epoch N began, sealed to the operators'
//! recipients. So an operator's identity and the store are all that a restore needs: not the
//! machine that made the backup, and no key file from it.

use super::file::{KeyError, KeyFile};
use crate::error::RepositoryError;
use crate::pipeline::seal::{Identity, Recipient, Sealer, open_bytes, seal_bytes};
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
    match store.create(&name, &sealed)? {
        Created::New => Ok(()),
        Created::Existed => Err(RepositoryError::Exists {
            place: store.place(),
        }),
    }
}

/// Opens the newest epoch that one of the identities fits.
///
/// # Errors
/// No epoch can be read, or none of the identities fits any.
pub fn open(
    store: &dyn Store,
    sealer: &dyn Sealer,
    identities: &[Identity],
) -> Result<KeyFile, RepositoryError> {
    let mut names: Vec<_> = store.list("epochs")?.into_iter().map(|l| l.name).collect();
    names.sort();
    let mut failure = None;
    for name in names.iter().rev() {
        match open_bytes(sealer, identities, store.get(name)?) {
            Ok(bytes) => return Ok(KeyFile::decode(&bytes)?),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) => Err(error.into()),
        None => Err(KeyError::Malformed {
            detail: "the repository has no epoch".into(),
        }
        .into()),
    }
}
