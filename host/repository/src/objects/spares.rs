//! Spares: what opens a repository is stored twice.
//!
//! - Without `format`, the epochs, the identities that passphrases open and the announcements, nothing of all
//!   that is stored can be restored. They are a few kilobytes: each has a spare, the same bytes in another place.
//! - A spare is created after its object, and removed before it. That one cannot be stored is no failure.
//! - Readers take the spare if the object is gone or damaged, and say so.

use crate::ground::names::{SPARES, spare_name};
use crate::ground::seal::SealError;
use crate::objects::create::create_surely;
use crate::objects::damage::means_damage;
use crate::objects::error::{ObjectError, ObjectFault};
use holdfast_base::error::join_causes;
use holdfast_store::{Name, Store};
use std::collections::BTreeSet;

/// Stores the spare of an object that was stored before.
pub(crate) fn create(store: &dyn Store, object: &Name, bytes: &[u8]) {
    let name = spare_name(object).map_err(ObjectError::from);
    let created = name.and_then(|name| create_surely(store, &name, bytes));
    if let Err(error) = created {
        let error = join_causes(&error);
        tracing::warn!(%object, error, "it has no spare; a repair makes one");
    }
}

/// Returns the objects of an area, those too of which only the spare is left.
///
/// # Errors
/// The store cannot be listed.
pub(crate) fn listed(store: &dyn Store, area: &str) -> Result<BTreeSet<Name>, ObjectError> {
    let objects = store.list(area)?.into_iter().map(|object| object.name);
    let mut all: BTreeSet<Name> = objects.collect();
    for spare in store.list(&format!("{SPARES}/{area}"))? {
        let object = spare.name.as_str().split_once('/');
        let object = object.map(|(_, object)| Name::new(object.to_owned()));
        all.extend(object.transpose()?);
    }
    Ok(all)
}

/// Reads an object, or its spare if the object is gone or is not what it was.
///
/// # Errors
/// Neither can be read: why the object cannot.
pub(crate) fn read<T>(
    store: &dyn Store,
    object: &Name,
    decode: &dyn Fn(Vec<u8>) -> Result<T, ObjectError>,
) -> Result<T, ObjectError> {
    let told = |error: ObjectError| error.in_object(object.as_str());
    let (error, first) = match store.get(object) {
        Ok(bytes) => match decode(bytes.clone()) {
            Ok(read) => return Ok(read),
            Err(error) => (told(error), Some(bytes)),
        },
        Err(error) => (told(error.into()), None),
    };
    if !calls_for_spare(&error) {
        return Err(error);
    }
    let spare = match store.get(&spare_name(object)?) {
        Ok(spare) if first.as_ref() != Some(&spare) => spare,
        Ok(_) => return Err(error),
        Err(other) => {
            let other = ObjectError::from(other);
            let says_nothing = other.is_absence() || means_damage(&other);
            return Err(if says_nothing { error } else { other });
        }
    };
    let Ok(read) = decode(spare) else {
        return Err(error);
    };
    let error = join_causes(&error);
    tracing::warn!(%object, error, "its spare is used; a repair mends it");
    Ok(read)
}

/// Returns whether an object is not what it was, or may not be: what an encryptor does not open may be
/// damaged where it says who opens it.
fn calls_for_spare(error: &ObjectError) -> bool {
    let may_be_damage = matches!(
        error,
        ObjectError::Seal(SealError::WrongKey) | ObjectError::Key(_)
    );
    may_be_damage || error.is_absence() || means_damage(error)
}
