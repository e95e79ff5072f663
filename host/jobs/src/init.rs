//! Creates repositories.

use crate::context::Context;
use crate::error::JobError;
use crate::error::access::AccessError;
use crate::keys;
use crate::open::{Access, find_key_file, prepare_setup};
use crate::operators::{make_host_key, name_bad_recipient};
use holdfast_repository::repository::{NewPlace, read_header};
use holdfast_repository::seal::{KeyPair, Recipient, Secret};
use holdfast_repository::{OpenError, Repository, Setup};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who shall be able to open a new repository, and with which keys.
#[derive(Default)]
pub struct NewRepository<'a> {
    /// Recipients in the encryptor's notation, beside those of the configuration.
    pub recipients: &'a [String],
    /// The file for an identity that is to be made.
    pub new_identity: Option<&'a Path>,
    /// A passphrase.
    pub passphrase: Option<Secret>,
    /// The repository whose trust group the new one joins; a read key of it is needed.
    pub same_keys_as: Option<Access>,
}

/// What was made.
#[derive(Debug)]
pub struct CreatedRepository {
    /// The place of its objects.
    pub place: String,
    /// The write key.
    pub key_file: PathBuf,
    /// How many can open it.
    pub operators: usize,
    /// What the service was found to do, if there is one.
    pub service: Option<BTreeMap<String, String>>,
}

/// Creates a store's repository and writes its write key.
///
/// If an operator's identity is to be made, that is done once the place was found to be good.
///
/// # Errors
/// There is one already, a file is in the way, or nobody is named who could open it.
pub fn create_repository(
    context: &Context,
    store: &str,
    wanted: NewRepository<'_>,
) -> Result<CreatedRepository, JobError> {
    let other = match &wanted.same_keys_as {
        Some(other) => Some(other.open(context)?),
        None => None,
    };
    let setup = prepare_setup(context, store)?;
    let place = setup.store.place();
    if read_header(setup.store.as_ref()).is_ok() {
        return Err(OpenError::Exists { place }.into());
    }
    let key_file = find_key_file(context, store)?;
    refuse_existing(&key_file)?;
    wanted.new_identity.map_or(Ok(()), refuse_existing)?;
    let mut operators = list_recipients(context, store, &wanted)?;
    // Before a key is made that would be for nothing.
    let new_place = NewPlace::probe(&setup)?;
    if let Some(path) = wanted.new_identity {
        operators.push(make_identity(&setup, path)?);
    }
    let made = match &other {
        Some(other) => Repository::init_with_keys_of(&new_place, &setup, &operators, other.key()),
        None => Repository::init_on(&new_place, &setup, &operators),
    };
    let repository = Repository::open(setup, made.map_err(name_bad_recipient)?)?;
    let key = make_host_key(&repository, None, &context.places.host)?;
    keys::write_key(&key_file, &key)?;
    Ok(CreatedRepository {
        place,
        key_file,
        operators: operators.len(),
        service: repository.header().service.clone(),
    })
}

/// Returns who is named to open the repository, in the configuration and now.
fn list_recipients(
    context: &Context,
    store: &str,
    wanted: &NewRepository<'_>,
) -> Result<Vec<Recipient>, JobError> {
    let configured = context.config.store(store)?.recipients.iter();
    let recipients = configured.chain(wanted.recipients).cloned();
    let passphrase = wanted.passphrase.iter().cloned();
    let operators: Vec<_> = recipients
        .map(Recipient::PublicKey)
        .chain(passphrase.map(Recipient::Passphrase))
        .collect();
    if operators.is_empty() && wanted.new_identity.is_none() {
        return Err(AccessError::NoOperator.into());
    }
    Ok(operators)
}

fn refuse_existing(path: &Path) -> Result<(), JobError> {
    if path.symlink_metadata().is_ok() {
        let path = path.display().to_string();
        return Err(keys::CredentialError::AlreadyExists { path }.into());
    }
    Ok(())
}

/// Makes an operator's identity and writes it to a new file.
fn make_identity(setup: &Setup, path: &Path) -> Result<Recipient, JobError> {
    let pair = setup.sealer.generate()?;
    keys::write_private_file(path, identity_text(&pair).as_bytes())?;
    Ok(Recipient::PublicKey(pair.public_key))
}

/// Returns what an operator keeps: the identity, and whose it is if the plugin does not say so itself.
fn identity_text(pair: &KeyPair) -> String {
    let identity = pair.identity.expose();
    if identity.contains(&pair.public_key) {
        return identity.to_owned();
    }
    format!("# public key: {}\n{identity}", pair.public_key)
}
