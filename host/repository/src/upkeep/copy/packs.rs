//! Packs that travel as they are.

use crate::format::root::Root;
use crate::format::segment::IndexedPack;
use crate::format::signed::Sign as _;
use crate::ground::names::pack_name;
use crate::index::Index;
use crate::objects::error::{IoStep, ObjectError, ensure_not_cancelled, require_hash};
use crate::pipeline::pack::start;
use crate::pipeline::put::Catalogue;
use crate::read::Reader;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::copy::{Copied, Copier};
use crate::write::lease::Lease;
use crate::write::read_back::ReadBack;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{ChunkId, PackId};
use holdfast_base::parallel::{Workers, try_map_parallel};
use holdfast_base::progress::Progress;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

/// Bytes that are moved at once.
const MOVE_BYTES: usize = 4 << 20;
/// Packs that are on their way at the same time: the network's time is spent waiting.
const WAYS: usize = 4;

/// Returns whether packs of one repository can be opened and named by whoever holds the other's keys.
pub(super) fn share_keys(from: &Repository, to: &Repository) -> bool {
    let (Ok(ours), Ok(theirs)) = (from.key.writing(), to.key.writing()) else {
        return false;
    };
    ours.id_key.expose() == theirs.id_key.expose()
        && ours.split_key.expose() == theirs.split_key.expose()
        && ours.epoch == theirs.epoch
        && ours.epoch_recipient == theirs.epoch_recipient
        && from.key.catalog.public_key == to.key.catalog.public_key
}

/// Copies a snapshot pack by pack.
pub(super) fn copy_packs(
    copier: &Copier,
    root: &Root,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Copied, UpkeepError> {
    let purpose = format!("copy of a snapshot of job `{}`", root.job);
    let mut lease = Lease::begin_session(&copier.to, &purpose, &copier.host)?;
    let done = copy_under(copier, &mut lease, root, cancel, progress);
    if done.is_err() {
        lease.give_up(&copier.to);
    }
    done
}

fn copy_under(
    copier: &Copier,
    lease: &mut Lease,
    root: &Root,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Copied, UpkeepError> {
    let (from, to) = (&copier.from, &copier.to);
    let held = to.index_for_writing(&lease.avoided)?;
    let wanted = wanted(from, root, &held)?;
    let bytes: u64 = wanted.iter().map(|pack| pack.sealed_bytes).sum();
    progress.add_total(bytes);
    let catalogue = Catalogue::without_dedup(&to.setup, &to.key.catalog);
    let transfer = Transfer {
        copier,
        lease,
        stored: to.stored_packs()?,
        catalogue: &catalogue,
        cancel,
        progress,
    };
    transfer.run(&wanted)?;
    catalogue.flush()?;
    let moved = catalogue.packs();
    let relied = held.pack_ids().map(|id| (id, None));
    let relied = relied.chain(moved.iter().map(|(id, size)| (*id, Some(*size))));
    let copy = Root {
        snapshot: lease.id,
        repository: to.header.repository,
        origin: Some(copier.origin(root)),
        author: to.signer()?.author().clone(),
        ..root.clone()
    };
    let root_of_copy = lease.commit(to, copy, &relied.collect::<Vec<_>>())?;
    Ok(Copied {
        from: root.snapshot,
        root: root_of_copy,
        packs: moved.len() as u64,
        bytes,
    })
}

/// Returns the packs that hold what a snapshot needs and the other repository does not hold.
fn wanted(
    from: &Arc<Repository>,
    root: &Root,
    held: &Index,
) -> Result<Vec<Arc<IndexedPack>>, UpkeepError> {
    let reader = Reader::new(Arc::clone(from))?;
    let mut wanted: HashSet<PackId> = HashSet::new();
    let mut want = |id: &ChunkId| -> Result<(), UpkeepError> {
        let found = held.find(id);
        if found.map_err(IoStep::ReadIndex.failed())?.is_none() {
            wanted.insert(reader.locate(id)?.pack);
        }
        Ok(())
    };
    for piece in reader.catalog_chunks(root)? {
        want(&piece)?;
    }
    for reference in reader.references(root)? {
        want(&reference?.chunk_id())?;
    }
    let mut packs = HashMap::new();
    for segment in from.segments()? {
        let listed = from.segment_if_there(&segment)?.into_iter().flatten();
        packs.extend(
            listed
                .filter(|pack| wanted.contains(&pack.id))
                .map(|pack| (pack.id, Arc::new(pack))),
        );
    }
    if packs.len() < wanted.len() {
        return Err(ObjectError::Disagree { area: "index" }.into());
    }
    Ok(packs.into_values().collect())
}

/// Moves packs, several at a time.
struct Transfer<'a> {
    copier: &'a Copier,
    lease: &'a Lease,
    /// What the other store has already, listed or not: an interrupted copy left it.
    stored: HashMap<PackId, u64>,
    catalogue: &'a Catalogue,
    cancel: &'a Cancel,
    progress: &'a Progress,
}

impl Transfer<'_> {
    fn run(&self, packs: &[Arc<IndexedPack>]) -> Result<(), UpkeepError> {
        let workers = Workers {
            count_max: WAYS,
            cancel: self.cancel,
        };
        let start = || Ok(ReadBack::new(&self.copier.to, true));
        let move_one =
            |read_back: &mut ReadBack, pack: &Arc<IndexedPack>| self.copy_pack(pack, read_back);
        try_map_parallel(packs, workers, start, move_one)?;
        Ok(())
    }

    fn copy_pack(&self, pack: &Arc<IndexedPack>, read_back: &ReadBack) -> Result<(), UpkeepError> {
        if self.lease.avoided.contains(&pack.id) {
            // It can neither be relied on nor be made again under its name.
            return Err(ObjectError::Overtaken {
                pack: Some(pack.id),
            }
            .into());
        }
        if self.stored.get(&pack.id) == Some(&pack.sealed_bytes) {
            self.progress.add_done(pack.sealed_bytes);
        } else {
            self.move_pack(pack)?;
        }
        read_back.check_stored(pack)?;
        Ok(self.catalogue.list(IndexedPack::clone(pack))?)
    }

    fn move_pack(&self, pack: &IndexedPack) -> Result<(), UpkeepError> {
        let name = pack_name(&pack.id);
        let (from, to) = (&self.copier.from.setup.store, &self.copier.to.setup.store);
        let mut upload = start(to.as_ref(), pack.kind)?;
        let mut hash = blake3::Hasher::new();
        let mut at = 0;
        while at < pack.sealed_bytes {
            ensure_not_cancelled(self.cancel)?;
            let length = (pack.sealed_bytes - at).min(MOVE_BYTES as u64) as usize;
            let read = from.get_range(&name, at, length);
            let bytes = read.map_err(|e| ObjectError::from(e).in_object(name.as_str()))?;
            hash.update(&bytes);
            upload
                .write_all(&bytes)
                .map_err(IoStep::WritePack.failed())?;
            at += length as u64;
            self.progress.add_done(length as u64);
        }
        require_hash(hash.finalize(), pack.id.0).map_err(|error| error.in_object(name.as_str()))?;
        upload.commit(&name)?;
        Ok(())
    }
}
