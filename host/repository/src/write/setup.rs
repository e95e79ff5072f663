//! What a run needs before its first entry, and what others left.

use crate::format::segment::{IndexedPack, PackKind};
use crate::ground::names::pack_name;
use crate::index::journal::{Journal, orphans};
use crate::objects::error::{IoStep, ObjectError};
use crate::pipeline::dedup::Dedup;
use crate::pipeline::pack::{METADATA_PACK_BYTES, Packer, content_pack_bytes};
use crate::pipeline::put::{Catalogue, Put};
use crate::repository::Repository;
use crate::write::RunNote;
use crate::write::lease::Lease;
use crate::write::read_back::ReadBack;
use holdfast_base::error::join_causes;
use std::sync::Arc;

/// Returns the path of the file cache of a job; none for a copy, which knows no files.
pub(super) fn known_path(repository: &Repository, note: &RunNote) -> Option<std::path::PathBuf> {
    if note.of.is_some() {
        return None;
    }
    let name = blake3::hash(format!("{}\n{}", note.host, note.job).as_bytes());
    let cache = repository.setup.cache.as_ref()?;
    Some(cache.join(format!("known-{}", &name.to_hex()[..16])))
}

/// Starts the catalogue and takes over what dead runs had made durable.
pub(super) fn open_catalogue(
    repository: &Repository,
    dedup: &Arc<Dedup>,
    lease: &Lease,
    read_back: &ReadBack,
) -> Result<Catalogue, ObjectError> {
    let setup = &repository.setup;
    let journal = setup.cache.as_ref().and_then(|cache| {
        let started = Journal::start(cache, &lease.id.to_string());
        started
            .inspect_err(|error| tracing::debug!(%error, "working without a journal"))
            .ok()
    });
    let catalogue = Catalogue::new(setup, &repository.key.catalog, Arc::clone(dedup), journal);
    for orphan in setup.cache.iter().flat_map(|cache| orphans(cache)) {
        for pack in &orphan.packs {
            take_over(repository, &catalogue, dedup, pack, lease, read_back)?;
        }
        catalogue.flush()?;
        orphan.remove();
    }
    Ok(catalogue)
}

/// Lists a pack that a dead run stored, unless it is listed, not whole, or about to be removed.
fn take_over(
    repository: &Repository,
    catalogue: &Catalogue,
    dedup: &Dedup,
    pack: &IndexedPack,
    lease: &Lease,
    read_back: &ReadBack,
) -> Result<(), ObjectError> {
    let first = pack.frames.iter().flat_map(|frame| &frame.parts).next();
    let is_listed = match first {
        Some(part) => dedup
            .is_held(&part.id)
            .map_err(IoStep::ReadIndex.failed())?,
        None => true,
    };
    let stored_bytes = repository.setup.store.size(&pack_name(&pack.id)).ok();
    let is_stored = stored_bytes == Some(pack.sealed_bytes);
    if is_listed || !is_stored || lease.avoided.contains(&pack.id) {
        return Ok(());
    }
    let pack = Arc::new(pack.clone());
    if let Err(error) = read_back.check_stored(&pack) {
        tracing::warn!(
            error = join_causes(&error),
            "what a dead run stored is not used"
        );
        return Ok(());
    }
    catalogue.note(&pack);
    catalogue.list(Arc::unwrap_or_clone(pack))
}

/// Makes a packer that seals to whom a repository's packs of a kind are sealed now; `packs` is how
/// many it holds, which decides how large new ones are.
///
/// # Errors
/// The key cannot write packs of this kind.
pub(crate) fn packer(
    repository: &Repository,
    kind: PackKind,
    packs: usize,
    put: &Put,
) -> Result<Packer, ObjectError> {
    let (recipient, epoch) = match kind {
        PackKind::Catalog => (repository.key.catalog.public_key.clone(), 0),
        PackKind::Content | PackKind::Items => {
            let keys = repository.key.writing()?;
            (keys.epoch_recipient.clone(), keys.epoch)
        }
    };
    let target = match kind {
        PackKind::Content => content_pack_bytes(packs),
        PackKind::Items | PackKind::Catalog => METADATA_PACK_BYTES,
    };
    Ok(Packer {
        store: Arc::clone(&repository.setup.store),
        sealer: Arc::clone(&repository.setup.sealer),
        recipient,
        kind,
        epoch,
        target,
        put: put.clone(),
    })
}
