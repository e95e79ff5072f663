//! What opens a repository, and whether it and its spare are what they were.
//!
//! `format` and announcements are signed. What is sealed to operators only they can open; but announcements say
//! which bytes it has, so that any key can tell, and every backup whether somebody could restore it.

use crate::ground::names::{AREAS_WITH_SPARES, header_name, spare_name};
use crate::keys::decode_header;
use crate::objects::announcements;
use crate::objects::damage::is_harm;
use crate::objects::error::ObjectError;
use crate::objects::spares;
use crate::repository::Repository;
use holdfast_base::entry::Warning;
use holdfast_base::error::join_causes;
use holdfast_store::Name;

/// An object that opens the repository, and its spare.
pub(crate) struct Pair {
    /// The object.
    pub(crate) object: Name,
    /// What is found under its name.
    pub(crate) first: Found,
    /// What is found in the place of its spare.
    pub(crate) spare: Found,
}

/// What is found under a name.
pub(crate) enum Found {
    /// What it was.
    Sound(Vec<u8>),
    /// Something of which no key here can tell whether it is.
    Untold(Vec<u8>),
    /// Something else, and how that is known.
    Harmed(String),
    /// Nothing.
    Missing,
}

/// What is wrong with a pair.
pub(crate) enum Trouble {
    /// The object is not what it was, and the spare is.
    Object(String),
    /// The spare is not what the object is.
    Spare(String),
    /// They are not the same, and which of them is sound is not known.
    Differ,
    /// There is no spare.
    Unspared,
    /// Neither is what it was.
    Lost(String),
}

impl Found {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Sound(bytes) | Self::Untold(bytes) => Some(bytes),
            Self::Harmed(_) | Self::Missing => None,
        }
    }

    fn harm(&self, other: &str) -> String {
        match self {
            Self::Harmed(how) => how.clone(),
            Self::Missing => "it is missing".into(),
            Self::Sound(_) | Self::Untold(_) => format!("it is not what {other} is"),
        }
    }
}

impl Pair {
    /// Returns what is wrong, if anything is.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match (&self.first, &self.spare) {
            (first, spare) if first.bytes().is_some() && first.bytes() == spare.bytes() => None,
            (Found::Missing, Found::Missing) => None,
            (Found::Sound(_), Found::Missing) => Some(Trouble::Unspared),
            // Of what nobody needs there need not be two.
            (Found::Untold(_), Found::Missing) => None,
            (Found::Untold(_), Found::Untold(_)) => Some(Trouble::Differ),
            (Found::Sound(_), spare) | (Found::Untold(_), spare @ Found::Harmed(_)) => {
                Some(Trouble::Spare(spare.harm("its object")))
            }
            (first, Found::Sound(_) | Found::Untold(_)) => {
                Some(Trouble::Object(first.harm("its spare")))
            }
            (first, _) => Some(Trouble::Lost(first.harm("its spare"))),
        }
    }

    /// Returns the bytes that both are to have, if that is known.
    pub(crate) fn sound(self) -> Option<Vec<u8>> {
        match (self.first, self.spare) {
            (Found::Sound(bytes), _) | (_, Found::Sound(bytes)) => Some(bytes),
            (Found::Untold(_), Found::Untold(_)) => None,
            (Found::Untold(bytes), _) | (_, Found::Untold(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

/// Looks at everything that opens a repository.
///
/// # Errors
/// The store failed.
pub(crate) fn pairs(repository: &Repository) -> Result<Vec<Pair>, ObjectError> {
    let store = repository.setup.store.as_ref();
    let mut objects = vec![header_name()];
    for area in AREAS_WITH_SPARES {
        objects.extend(spares::listed(store, area)?);
    }
    objects
        .iter()
        .map(|object| pair(repository, object))
        .collect()
}

/// Looks at one object and its spare.
///
/// # Errors
/// The store failed.
pub(crate) fn pair(repository: &Repository, object: &Name) -> Result<Pair, ObjectError> {
    Ok(Pair {
        object: object.clone(),
        first: found(repository, object, object)?,
        spare: found(repository, object, &spare_name(object)?)?,
    })
}

fn found(repository: &Repository, object: &Name, at: &Name) -> Result<Found, ObjectError> {
    match repository.setup.store.get(at) {
        Ok(bytes) if bytes.is_empty() => Ok(Found::Harmed("it is empty".into())),
        Ok(bytes) => Ok(judged(repository, object, bytes)),
        Err(error) if error.is_absent() => Ok(Found::Missing),
        Err(error) => {
            let error = ObjectError::from(error);
            is_harm(&error)
                .then(|| Found::Harmed(join_causes(&error)))
                .ok_or(error)
        }
    }
}

/// Tells by signature or hash whether bytes are those of an object.
fn judged(repository: &Repository, object: &Name, bytes: Vec<u8>) -> Found {
    let (area, last) = (object.as_str().split('/').next(), object.last());
    match (area, last.parse()) {
        (Some("format"), _) => match decode_header(&bytes) {
            Ok(header) if header == repository.header => Found::Sound(bytes),
            Ok(_) => Found::Harmed("it belongs to another repository".into()),
            Err(error) => Found::Harmed(join_causes(&error)),
        },
        (Some("announcements"), Ok(number)) => announced(repository, number, bytes),
        _ => match repository.announced_hash(object) {
            None => Found::Untold(bytes),
            Some(hash) if blake3::hash(&bytes).to_hex().as_str() == hash => Found::Sound(bytes),
            Some(_) => Found::Harmed("it is not what operators announced".into()),
        },
    }
}

/// An announcement that is older than the one that counts, and cannot be read, is what an interrupted `init` left.
fn announced(repository: &Repository, number: u32, bytes: Vec<u8>) -> Found {
    let (setup, key) = (&repository.setup, &repository.key);
    let newest = repository.announcement();
    match announcements::decode(setup, key, &repository.trust, number, bytes.clone()) {
        Ok(_) => Found::Sound(bytes),
        Err(_) if newest.is_some_and(|newest| newest.announcement > number) => Found::Untold(bytes),
        Err(error) => Found::Harmed(join_causes(&error)),
    }
}

impl Repository {
    /// Returns the hash that an announcement gives an object which is sealed to operators.
    fn announced_hash(&self, object: &Name) -> Option<&str> {
        let newest = self.announcement()?;
        if newest.epoch_object == object.as_str() {
            return newest.epoch_hash.as_deref();
        }
        let mut operators = newest.operators.iter();
        let operator = operators.find(|one| one.passphrase.as_deref() == Some(object.as_str()))?;
        operator.passphrase_hash.as_deref()
    }

    /// Returns what is to be said of a backup that operators may not be able to open. Where the store does not
    /// tell, that is nothing: the backup itself will.
    pub(crate) fn unopenable(&self) -> Option<Warning> {
        let object = Name::new(self.announcement()?.epoch_object.clone()).ok()?;
        if let Found::Sound(_) | Found::Untold(_) = found(self, &object, &object).ok()? {
            return None;
        }
        let pair = pair(self, &object).ok()?;
        let harm = pair.first.harm("its spare");
        let message = match pair.trouble() {
            Some(Trouble::Object(_)) => {
                format!("{harm}: only its spare opens the repository; a repair mends it")
            }
            Some(Trouble::Lost(_)) | None => format!(
                "{harm}: operators cannot open this backup with their identities; a new epoch, begun with a read key, \
                 mends that"
            ),
            Some(Trouble::Spare(_) | Trouble::Differ | Trouble::Unspared) => return None,
        };
        let subject = object.to_string();
        Some(Warning { subject, message })
    }
}
