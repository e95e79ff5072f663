//! Epochs: the operators' way to everything.
//!
//! - An epoch's object is the whole read key, with the private halves of all epochs so far, sealed to the
//!   operators' recipients. So an operator's identity and the store are all that a restore needs: not the
//!   machine that made the backup, and no key file from it.
//! - It is never changed. Where the operators change, a revision with another name takes its place.
//! - A passphrase opens an identity of its own, and that opens epochs like any other: so an epoch is sealed
//!   anew without anybody's passphrase.

use crate::format::header::Header;
use crate::ground::chance::random;
use crate::ground::names::{EPOCHS, IDENTITIES, epoch_name, identity_name};
use crate::ground::seal::{Identity, Recipient, SealError, Sealer, Secret, open_bytes, seal_bytes};
use crate::keys::file::{KeyError, KeyFile};
use crate::keys::trust::header_key;
use crate::objects::create::create_surely;
use crate::objects::error::ObjectError;
use crate::objects::spares;
use holdfast_store::{Created, Name, Store};

/// Which epoch an object holds, and the how-manieth way of sealing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// The epoch.
    pub epoch: u32,
    /// Counted from zero.
    pub revision: u32,
}

impl Revision {
    /// Returns the name of its object.
    #[must_use]
    pub fn name(&self) -> Name {
        epoch_name(self.epoch, self.revision)
    }

    /// Returns what an object holds, by its name.
    #[must_use]
    pub fn of(name: &Name) -> Option<Self> {
        let (epoch, revision) = match name.last().split_once('-') {
            Some((epoch, revision)) => (epoch, revision.parse().ok()?),
            None => (name.last(), 0),
        };
        let epoch = epoch.parse().ok()?;
        Some(Self { epoch, revision })
    }
}

/// Returns the revisions that the store has, newest first.
///
/// # Errors
/// The store cannot be listed.
pub fn listed(store: &dyn Store) -> Result<Vec<Revision>, ObjectError> {
    let listed = spares::listed(store, EPOCHS)?;
    let mut found: Vec<_> = listed.iter().filter_map(Revision::of).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Seals the read key to the operators and stores it; then reads it again, opens it, and returns its hash.
///
/// Where none of the identities opens it, it is sealed to a key more that nobody keeps, and that opens it: so
/// it is known in any case that what the store has is this key, and whole.
///
/// # Errors
/// The object exists already, sealing or storing failed, or it does not come back as it was.
pub fn create(
    store: &dyn Store,
    sealer: &dyn Sealer,
    at: Revision,
    key: &KeyFile,
    operators: &[Recipient],
    identities: &[Identity],
) -> Result<String, ObjectError> {
    let name = at.name();
    let plain = key.encode()?;
    let opens = |with: &[Identity], sealed: &[u8]| {
        let opened = open_bytes(sealer, with, sealed.to_vec());
        opened.is_ok_and(|opened| opened == plain)
    };
    let mut sealed = seal_bytes(sealer, operators, plain.clone())?;
    let mut with = identities.to_vec();
    if !opens(&with, &sealed) {
        let witness = sealer.generate()?;
        let more = Recipient::PublicKey(witness.public_key);
        let all: Vec<_> = operators.iter().cloned().chain([more]).collect();
        sealed = seal_bytes(sealer, &all, plain.clone())?;
        with = vec![Identity::Key(witness.identity)];
    }
    match create_surely(store, &name, &sealed)? {
        Created::New => {}
        Created::Existed => return Err(ObjectError::KeysChanged),
    }
    let stored = store.get(&name)?;
    if stored == sealed && opens(&with, &stored) {
        spares::create(store, &name, &sealed);
        return Ok(hash_of(&sealed));
    }
    let detail = "it does not open as it was sealed".into();
    Err(ObjectError::from(SealError::Damaged { detail }).read_back_failed(&name))
}

/// Returns how announcements name the bytes of an object.
fn hash_of(sealed: &[u8]) -> String {
    blake3::hash(sealed).to_hex().to_string()
}

/// An identity that a passphrase opens.
pub struct PassphraseIdentity {
    /// Its public half.
    pub recipient: String,
    /// Its object.
    pub object: Name,
    /// The hash of that.
    pub hash: String,
}

/// Makes an identity that a passphrase opens.
///
/// # Errors
/// Sealing or storing failed.
pub fn create_identity(
    store: &dyn Store,
    sealer: &dyn Sealer,
    passphrase: &Secret,
) -> Result<PassphraseIdentity, ObjectError> {
    let pair = sealer.generate()?;
    let object = identity_name(random()?);
    let to = [Recipient::Passphrase(passphrase.clone())];
    let plain = pair.identity.expose().trim_end().as_bytes().to_vec();
    let sealed = seal_bytes(sealer, &to, [&plain[..], b"\n"].concat())?;
    create_surely(store, &object, &sealed)?;
    let with = [Identity::Passphrase(passphrase.clone())];
    let opened = open_bytes(sealer, &with, store.get(&object)?);
    let opened = opened.map_err(|error| ObjectError::from(error).read_back_failed(&object))?;
    if opened.trim_ascii_end() != plain {
        return Err(ObjectError::ContentMismatch.read_back_failed(&object));
    }
    spares::create(store, &object, &sealed);
    Ok(PassphraseIdentity {
        recipient: pair.public_key,
        object,
        hash: hash_of(&sealed),
    })
}

/// Opens the newest epoch of this repository that one of the identities fits.
///
/// An epoch of another repository is what an interrupted `init` left, and is passed over; so is what somebody
/// has put there who may create objects and does not hold the root.
///
/// # Errors
/// No epoch can be read, or none of the identities fits any. An epoch that is damaged is told before
/// one that another operator's identity would open.
pub fn open(
    store: &dyn Store,
    sealer: &dyn Sealer,
    identities: &[Identity],
    header: &Header,
) -> Result<KeyFile, ObjectError> {
    let revisions = listed(store)?;
    with_each(store, sealer, identities, &|identities| {
        let mut failure = None;
        for revision in &revisions {
            match read(store, sealer, identities, &revision.name(), header) {
                Ok(key) => return Ok(key),
                Err(error @ ObjectError::Key(KeyError::Foreign { .. } | KeyError::Planted)) => {
                    failure.get_or_insert(error);
                }
                Err(error) => {
                    let is_weak = matches!(
                        failure,
                        None | Some(ObjectError::Seal(SealError::WrongKey))
                            | Some(ObjectError::Key(_))
                    );
                    if is_weak {
                        failure = Some(error);
                    }
                }
            }
        }
        let place = store.place();
        Err(failure.unwrap_or(ObjectError::NoEpoch { place }))
    })
}

/// Opens one epoch object of this repository.
///
/// # Errors
/// It cannot be read, or none of the identities fits.
pub fn open_object(
    store: &dyn Store,
    sealer: &dyn Sealer,
    identities: &[Identity],
    header: &Header,
    object: &Name,
) -> Result<KeyFile, ObjectError> {
    with_each(store, sealer, identities, &|identities| {
        read(store, sealer, identities, object, header)
    })
}

/// Tries keys, then one after the other the identities that passphrases open, and last the passphrases
/// themselves, to which epochs were sealed once.
///
/// Every object that a passphrase is tried on costs what a guess is to cost. So the oldest come first: who adds
/// objects adds no work.
fn with_each(
    store: &dyn Store,
    sealer: &dyn Sealer,
    identities: &[Identity],
    attempt: &dyn Fn(&[Identity]) -> Result<KeyFile, ObjectError>,
) -> Result<KeyFile, ObjectError> {
    let is_passphrase = |identity: &Identity| matches!(identity, Identity::Passphrase(_));
    let (passphrases, keys): (Vec<_>, Vec<_>) = identities.iter().cloned().partition(is_passphrase);
    if passphrases.is_empty() {
        return attempt(&keys);
    }
    if !keys.is_empty()
        && let Ok(key) = attempt(&keys)
    {
        return Ok(key);
    }
    let mut failure = None;
    for object in passphrase_identities(store)? {
        let identity = spares::read(store, &object, &|sealed| {
            identity(&open_bytes(sealer, &passphrases, sealed)?)
        });
        match identity {
            Ok(identity) => match attempt(&[identity]) {
                Ok(key) => return Ok(key),
                Err(error) => failure = Some(error),
            },
            Err(ObjectError::Store(error)) if !error.is_absent() => return Err(error.into()),
            Err(error) => tracing::debug!(%error, %object, "passing over an identity"),
        }
    }
    attempt(&passphrases).map_err(|error| failure.unwrap_or(error))
}

fn identity(plain: &[u8]) -> Result<Identity, ObjectError> {
    let text = std::str::from_utf8(plain).map_err(|_| {
        let detail = "it is no identity".into();
        SealError::Damaged { detail }
    })?;
    Ok(Identity::Key(Secret::new(text.to_owned())))
}

/// Returns the objects that passphrases open, the oldest first.
fn passphrase_identities(store: &dyn Store) -> Result<Vec<Name>, ObjectError> {
    let mut listed = store.list(IDENTITIES)?;
    listed.sort_unstable_by(|a, b| (a.received, &a.name).cmp(&(b.received, &b.name)));
    let mut all: Vec<Name> = listed.into_iter().map(|object| object.name).collect();
    let spares = spares::listed(store, IDENTITIES)?;
    let alone = spares.into_iter().filter(|object| !all.contains(object));
    all.extend(alone.collect::<Vec<_>>());
    Ok(all)
}

fn read(
    store: &dyn Store,
    sealer: &dyn Sealer,
    identities: &[Identity],
    name: &Name,
    header: &Header,
) -> Result<KeyFile, ObjectError> {
    let root = header_key(header)?;
    let repository = header.repository;
    spares::read(store, name, &|sealed| {
        let key = KeyFile::decode(&open_bytes(sealer, identities, sealed)?)?;
        if key.repository != repository {
            let key = key.repository;
            return Err(KeyError::Foreign { key, repository }.into());
        }
        let is_roots = key.root().is_ok_and(|held| held.verifying_key() == root);
        if !is_roots || key.verifying_key != header.verifying_key {
            return Err(KeyError::Planted.into());
        }
        Ok(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_read_from_names_and_the_newest_comes_by_number() {
        let revision = |epoch, revision| Revision { epoch, revision };
        for (at, name) in [
            (revision(1, 0), "epochs/00000001"),
            (revision(1, 10), "epochs/00000001-10"),
        ] {
            assert_eq!(at.name().as_str(), name);
            assert_eq!(Revision::of(&at.name()), Some(at));
        }
        assert_eq!(Revision::of(&Name::new("epochs/x-1").unwrap()), None);
        assert!(revision(1, 10) > revision(1, 9) && revision(2, 0) > revision(1, 10));
    }
}
