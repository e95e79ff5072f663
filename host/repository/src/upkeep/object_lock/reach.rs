//! What a snapshot reaches: the packs in which what it needs lies, its own object, and what opens them.

use crate::format::refs::{Reference, decode_ids};
use crate::format::root::Root;
use crate::ground::domain::Domain;
use crate::ground::names::{
    AREAS_WITH_SPARES, SNAPSHOTS, SPARES, header_name, pack_name, snapshot_name,
};
use crate::objects::error::ensure_not_cancelled;
use crate::read::Reader;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{ChunkId, PackId};
use holdfast_store::Name;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Of fewer snapshots each is asked for its size; of more, all are listed.
const FEW: usize = 4;

/// An object that a snapshot reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: Name,
    /// Its length in the store.
    pub bytes: u64,
}

/// Follows what snapshots refer to.
struct Reach<'a> {
    reader: Reader,
    cancel: &'a Cancel,
    /// Pieces that were followed: snapshots share most of them.
    followed: HashSet<ChunkId>,
    packs: BTreeSet<PackId>,
}

/// Returns all objects without which snapshots cannot be restored; none if there are no snapshots.
///
/// # Errors
/// Something that one refers to is missing or damaged, or the store failed.
pub(super) fn reached(
    repository: &Arc<Repository>,
    roots: &[&Root],
    cancel: &Cancel,
) -> Result<Vec<Object>, UpkeepError> {
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    let stored = repository.stored_packs()?;
    let mut reach = Reach {
        reader: reader(repository, &stored)?,
        cancel,
        followed: HashSet::new(),
        packs: BTreeSet::new(),
    };
    for root in roots {
        reach.follow(&root.references.ids, root.references.levels)?;
    }
    let mut objects = key_objects(repository)?;
    objects.extend(snapshots(repository, roots)?);
    for pack in reach.packs {
        let (name, bytes) = (pack_name(&pack), stored.get(&pack));
        let bytes = bytes.copied().unwrap_or(0);
        objects.push(Object { name, bytes });
    }
    Ok(objects)
}

/// Returns a reader that finds chunks in packs that are there, and prefers those that stay.
fn reader(
    repository: &Arc<Repository>,
    stored: &HashMap<PackId, u64>,
) -> Result<Reader, UpkeepError> {
    let mut reader = Reader::new(Arc::clone(repository))?;
    let tombstones = repository.pack_tombstones()?;
    let named = tombstones.values().flat_map(|t| &t.tombstone.packs);
    let leaving: HashSet<PackId> = named
        .filter(|id| stored.contains_key(id))
        .copied()
        .collect();
    let listed = reader.index.pack_ids();
    let gone: HashSet<PackId> = listed.filter(|id| !stored.contains_key(id)).collect();
    if !leaving.is_empty() {
        reader.index.suspect(&leaving);
    }
    if !gone.is_empty() {
        reader.index.dismiss(&gone);
    }
    Ok(reader)
}

/// Returns what opens the repository.
fn key_objects(repository: &Repository) -> Result<Vec<Object>, UpkeepError> {
    let store = &repository.setup.store;
    let format = header_name();
    let bytes = store.size(&format)?;
    let mut objects = vec![Object {
        name: format,
        bytes,
    }];
    for area in AREAS_WITH_SPARES.into_iter().chain([SPARES]) {
        let listed = store.list(area)?.into_iter();
        objects.extend(listed.map(|listed| Object {
            name: listed.name,
            bytes: listed.size,
        }));
    }
    Ok(objects)
}

/// Returns the snapshots' own objects.
fn snapshots(repository: &Repository, roots: &[&Root]) -> Result<Vec<Object>, UpkeepError> {
    let store = &repository.setup.store;
    let listed = match roots.len() > FEW {
        true => store.list(SNAPSHOTS)?,
        false => Vec::new(),
    };
    let sizes: HashMap<Name, u64> = listed.into_iter().map(|l| (l.name, l.size)).collect();
    let mut objects = Vec::new();
    for root in roots {
        let name = snapshot_name(&root.snapshot);
        let bytes = match sizes.get(&name) {
            Some(bytes) => *bytes,
            None => store.size(&name)?,
        };
        objects.push(Object { name, bytes });
    }
    Ok(objects)
}

impl Reach<'_> {
    /// Takes the packs of pieces of a reference stream, and of what they lead to.
    fn follow(&mut self, pieces: &[ChunkId], levels: u32) -> Result<(), UpkeepError> {
        for piece in pieces {
            ensure_not_cancelled(self.cancel)?;
            if !self.followed.insert(*piece) {
                continue;
            }
            self.take_chunk(piece)?;
            if levels > 0 {
                let below = decode_ids(&self.reader.read_chunk(Domain::Trunk, piece)?)?;
                self.follow(&below, levels - 1)?;
                continue;
            }
            let references = self.reader.read_chunk(Domain::References, piece)?;
            for reference in Reference::decode_all(&references)? {
                self.take_chunk(&reference.chunk_id())?;
            }
        }
        Ok(())
    }

    fn take_chunk(&mut self, chunk: &ChunkId) -> Result<(), UpkeepError> {
        self.packs.insert(self.reader.locate(chunk)?.pack);
        Ok(())
    }
}
