//! A second repository to heal from: a mirror of this one, or one of the same trust group.
//!
//! Nothing about it needs to be trusted. Its packs are taken by their hashes and its chunks by their
//! keyed ids, and both are computed here.

use crate::ground::domain::Domain;
use crate::ground::names::pack_name;
use crate::read::Reader;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::repair::heal::write_if_sound;
use holdfast_base::id::{ChunkId, PackId};
use holdfast_store::Name;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A second repository.
pub struct Second {
    repository: Arc<Repository>,
    reader: Reader,
}

impl Second {
    /// Takes a repository to heal another from.
    ///
    /// # Errors
    /// It is the same one, its chunks have other names, or its index cannot be read.
    pub fn new(of: &Repository, repository: Arc<Repository>) -> Result<Self, UpkeepError> {
        let place = repository.place();
        if is_same_place(&of.place(), &place) {
            return Err(UpkeepError::SecondIsFirst { place });
        }
        let id_key = |repository: &Repository| {
            let keys = repository.key.write.as_ref();
            keys.map(|keys| keys.id_key.expose().to_owned())
        };
        let is_one_group = match (id_key(of), id_key(&repository)) {
            (Some(one), Some(other)) => one == other,
            // Who does not hold the id key only takes whole packs, which their hashes name.
            _ => of.key.catalog.public_key == repository.key.catalog.public_key,
        };
        if !is_one_group {
            return Err(UpkeepError::SecondHasOtherKeys { place });
        }
        let reader = Reader::new(Arc::clone(&repository))?;
        Ok(Self { repository, reader })
    }

    /// Names its place.
    pub(super) fn describe_place(&self) -> String {
        self.repository.place()
    }

    /// Writes a pack, if it is there and sound; returns whether it was.
    pub(super) fn write_pack(
        &self,
        pack: &PackId,
        to: &mut dyn Write,
    ) -> Result<bool, UpkeepError> {
        let store = self.repository.setup.store.as_ref();
        write_if_sound(store, &pack_name(pack), pack, to)
    }

    /// Returns an object as it is there, whatever it holds.
    pub(super) fn object(&self, name: &Name) -> Option<Vec<u8>> {
        self.repository.setup.store.get(name).ok()
    }

    /// Returns a chunk whose content has this id under the key of the repository that is healed.
    pub(super) fn read_chunk(
        &self,
        of: &Repository,
        domain: Domain,
        id: &ChunkId,
    ) -> Option<Vec<u8>> {
        let key = of.id_key.as_ref()?;
        let bytes = match self.reader.read_chunk(domain, id) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(%error, "the second repository does not give chunk {id}");
                return None;
            }
        };
        (key.id(domain, &bytes) == *id).then_some(bytes)
    }
}

/// Returns whether two places are one, whatever they are called.
fn is_same_place(one: &str, other: &str) -> bool {
    let real = |place: &str| {
        let path = place.strip_prefix("file://")?;
        std::fs::canonicalize(Path::new(path)).ok()
    };
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}
