//! What opens a repository, and whether it and its spare are what they were.
//!
//! `format` and announcements are signed. What is sealed to operators only they can open; but announcements say
//! which bytes it has, so that any key can tell, and every backup whether somebody could restore it.

use crate::ground::names::{AREAS_WITH_SPARES, header_name, spare_name};
use crate::keys::decode_header;
use crate::objects::announcements;
use crate::objects::damage::means_damage;
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
    /// The object as it was written.
    Sound(Vec<u8>),
    /// An object that none of our keys can verify.
    Unverifiable(Vec<u8>),
    /// A damaged object, with a description of the damage.
    Damaged(String),
    /// Nothing.
    Missing,
}

/// What is wrong with a pair.
pub(crate) enum Trouble {
    /// The object is damaged, and its spare is sound.
    Object(String),
    /// The spare is damaged or differs, and the object is sound.
    Spare(String),
    /// They differ, and nobody can tell which of them is sound.
    Differ,
    /// There is no spare.
    Unspared,
    /// Both are damaged.
    Lost(String),
}

impl Found {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Sound(bytes) | Self::Unverifiable(bytes) => Some(bytes),
            Self::Damaged(_) | Self::Missing => None,
        }
    }

    fn describe_damage(&self, other: &str) -> String {
        match self {
            Self::Damaged(how) => how.clone(),
            Self::Missing => "it is missing".into(),
            Self::Sound(_) | Self::Unverifiable(_) => format!("it is not what {other} is"),
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
            (Found::Unverifiable(_), Found::Missing) => None,
            (Found::Unverifiable(_), Found::Unverifiable(_)) => Some(Trouble::Differ),
            (Found::Sound(_), spare) | (Found::Unverifiable(_), spare @ Found::Damaged(_)) => {
                Some(Trouble::Spare(spare.describe_damage("its object")))
            }
            (first, Found::Sound(_) | Found::Unverifiable(_)) => {
                Some(Trouble::Object(first.describe_damage("its spare")))
            }
            (first, _) => Some(Trouble::Lost(first.describe_damage("its spare"))),
        }
    }

    /// Returns the bytes that both are to have, if that is known.
    pub(crate) fn sound(self) -> Option<Vec<u8>> {
        match (self.first, self.spare) {
            (Found::Sound(bytes), _) | (_, Found::Sound(bytes)) => Some(bytes),
            (Found::Unverifiable(_), Found::Unverifiable(_)) => None,
            (Found::Unverifiable(bytes), _) | (_, Found::Unverifiable(bytes)) => Some(bytes),
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
        Ok(bytes) if bytes.is_empty() => Ok(Found::Damaged("it is empty".into())),
        Ok(bytes) => Ok(judged(repository, object, bytes)),
        Err(error) if error.is_absent() => Ok(Found::Missing),
        Err(error) => {
            let error = ObjectError::from(error);
            means_damage(&error)
                .then(|| Found::Damaged(join_causes(&error)))
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
            Ok(_) => Found::Damaged("it belongs to another repository".into()),
            Err(error) => Found::Damaged(join_causes(&error)),
        },
        (Some("announcements"), Ok(number)) => announced(repository, number, bytes),
        _ => match repository.announced_hash(object) {
            None => Found::Unverifiable(bytes),
            Some(hash) if blake3::hash(&bytes).to_hex().as_str() == hash => Found::Sound(bytes),
            Some(_) => Found::Damaged("it is not what operators announced".into()),
        },
    }
}

/// An announcement that is older than the one that counts, and cannot be read, is what an interrupted `init` left.
fn announced(repository: &Repository, number: u32, bytes: Vec<u8>) -> Found {
    let (setup, key) = (&repository.setup, &repository.key);
    let newest = repository.announcement();
    match announcements::decode(setup, key, &repository.trust, number, bytes.clone()) {
        Ok(_) => Found::Sound(bytes),
        Err(_) if newest.is_some_and(|newest| newest.announcement > number) => {
            Found::Unverifiable(bytes)
        }
        Err(error) => Found::Damaged(join_causes(&error)),
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

    /// Returns a warning if operators may not be able to open a backup that is made now. If the store does not
    /// answer, there is none: the backup itself will fail.
    pub(crate) fn warn_operators(&self) -> Option<Warning> {
        let object = Name::new(self.announcement()?.epoch_object.clone()).ok()?;
        if let Found::Sound(_) | Found::Unverifiable(_) = found(self, &object, &object).ok()? {
            return None;
        }
        let pair = pair(self, &object).ok()?;
        let damage = pair.first.describe_damage("its spare");
        let message = match pair.trouble() {
            Some(Trouble::Object(_)) => {
                format!("{damage}: only its spare opens the repository; a repair mends it")
            }
            Some(Trouble::Lost(_)) | None => format!(
                "{damage}: operators cannot open this backup with their identities; a new epoch, begun with a read key, \
                 mends that"
            ),
            Some(Trouble::Spare(_) | Trouble::Differ | Trouble::Unspared) => return None,
        };
        let subject = object.to_string();
        Some(Warning { subject, message })
    }
}
