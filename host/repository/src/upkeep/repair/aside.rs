//! Setting aside: what is damaged leaves its place, and is never lost by that.
//!
//! - It is copied into `quarantine/`, and the copy is read again, before anything is removed.
//! - The copy's name ends in a part of its hash: what is set aside twice, or again after a crash, is
//!   there once, and another damage of the same object does not meet it.
//! - A store that does not let go of it is no error: then it stays in its place.

use crate::ground::names::QUARANTINE;
use crate::objects::damage::means_damage;
use crate::objects::error::IoStep;
use crate::upkeep::UpkeepError;
use holdfast_base::error::join_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_store::{Name, Placement, Store};

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 1 << 20;
/// A store that tears writes may leave so many copies that are none, before it is given up.
const TRIES: u32 = 9;

/// What became of an object that was to be set aside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// It has left its place.
    Moved(Name),
    /// It is gone already.
    Gone,
    /// It stays, and why.
    Stays(String),
}

/// Moves an object into the quarantine.
///
/// # Errors
/// The store failed. The object is still in its place, in the quarantine, or in both.
pub(super) fn set_aside(store: &dyn Store, object: &Name) -> Result<Aside, UpkeepError> {
    let size = match store.size(object) {
        Ok(size) => size,
        Err(error) if error.is_absent() => return Ok(Aside::Gone),
        Err(error) => return Err(error.into()),
    };
    let hash = match hash_object(store, object, size) {
        Ok(hash) => hash,
        Err(error) if means_damage(&error) => {
            let why = format!("it cannot be read to its end: {}", join_causes(&error));
            return Ok(Aside::Stays(why));
        }
        Err(error) => return Err(error),
    };
    let copied = copy_object(store, object, size, hash)?;
    Ok(match remove(store, object)? {
        None => Aside::Moved(copied),
        Some(why) => Aside::Stays(why),
    })
}

/// Removes an object whose content is elsewhere; says why the store did not let it go.
///
/// # Errors
/// The store failed.
pub(super) fn remove(store: &dyn Store, object: &Name) -> Result<Option<String>, UpkeepError> {
    match store.delete(object) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == Kind::Denied => Ok(Some(format!(
            "the store does not let it go: {}",
            join_causes(&error)
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Copies an object, and returns the name of a copy that was found to be one.
fn copy_object(
    store: &dyn Store,
    object: &Name,
    size: u64,
    wanted: blake3::Hash,
) -> Result<Name, UpkeepError> {
    let hex = wanted.to_hex();
    for number in 1..=TRIES {
        let again = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let name = Name::new(format!("{QUARANTINE}/{object}-{}{again}", &hex[..16]))?;
        let mut upload = store.upload(Placement::Standard)?;
        pieces(store, object, size, &mut |piece| {
            Ok(upload
                .write_all(piece)
                .map_err(IoStep::WriteCopy(name.clone()).failed())?)
        })?;
        upload.commit(&name)?;
        if store.size(&name)? == size && hash_object(store, &name, size)? == wanted {
            return Ok(name);
        }
    }
    Err(UpkeepError::CopyDiffers {
        object: object.clone(),
    })
}

/// Returns the hash of an object.
pub(super) fn hash_object(
    store: &dyn Store,
    object: &Name,
    size: u64,
) -> Result<blake3::Hash, UpkeepError> {
    let mut hasher = blake3::Hasher::new();
    pieces(store, object, size, &mut |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finalize())
}

/// Gives an object's bytes, a piece at a time.
pub(super) fn pieces(
    store: &dyn Store,
    object: &Name,
    size: u64,
    take: &mut dyn FnMut(&[u8]) -> Result<(), UpkeepError>,
) -> Result<(), UpkeepError> {
    let mut at = 0;
    while at < size {
        let length = (size - at).min(PIECE_BYTES as u64) as usize;
        take(&store.get_range(object, at, length)?)?;
        at += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::Attempts;
    use holdfast_store::local::LocalStore;

    #[test]
    fn what_is_set_aside_is_there_once_whatever_was_there_before() {
        let place = tempfile::tempdir().unwrap();
        let store = LocalStore::new(place.path().to_owned());
        let object = Name::new("packs/ab/cd").unwrap();
        for _ in 0..2 {
            store
                .create(&object, b"damaged", Attempts::Repeated)
                .unwrap();
            assert!(matches!(set_aside(&store, &object), Ok(Aside::Moved(_))));
            assert!(store.size(&object).is_err());
        }
        assert_eq!(store.list(QUARANTINE).unwrap().len(), 1);
        store
            .create(&object, b"otherwise", Attempts::Repeated)
            .unwrap();
        set_aside(&store, &object).unwrap();
        assert_eq!(store.list(QUARANTINE).unwrap().len(), 2);
        assert_eq!(set_aside(&store, &object).unwrap(), Aside::Gone);
    }

    #[test]
    fn half_a_copy_is_not_taken_for_one() {
        let place = tempfile::tempdir().unwrap();
        let store = LocalStore::new(place.path().to_owned());
        let object = Name::new("index/ab").unwrap();
        let hash = blake3::hash(b"damaged").to_hex();
        let half = Name::new(format!("{QUARANTINE}/index/ab-{}", &hash[..16])).unwrap();
        store.create(&half, b"dam", Attempts::Repeated).unwrap();
        store
            .create(&object, b"damaged", Attempts::Repeated)
            .unwrap();
        let Aside::Moved(copied) = set_aside(&store, &object).unwrap() else {
            panic!("it stays");
        };
        assert_ne!(copied, half);
        assert_eq!(store.get(&copied).unwrap(), b"damaged");
    }
}
