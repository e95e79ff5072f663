//! Thawing: which packs a reader of a snapshot needs that cannot be read yet, and asking for exactly these.
//!
//! - What can be read at once is never asked for. Whether a pack was thawed before only the pack itself tells,
//!   and so only those are looked at that are needed.
//! - A snapshot is read in steps: what each of them needs is known when the ones before it can be read.
//! - Asking costs money. Nothing is asked for that is being thawed already.

use crate::format::refs::Reference;
use crate::format::root::Root;
use crate::ground::names::{PACKS, pack_name};
use crate::objects::error::ObjectFault;
use crate::read::Reader;
use crate::repository::Repository;
use crate::restore::Selection;
use crate::upkeep::UpkeepError;
pub use crate::upkeep::frozen::Frozen;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{ChunkId, PackId};
use holdfast_base::parallel::{Workers, try_map_parallel};
use holdfast_store::{Thaw, Thawing, Warmth};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Packs that are looked at, or asked for, at the same time.
const WAYS: usize = 8;

/// A step in reading a snapshot.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    /// The trunk of its references.
    Trunk,
    /// Its references: which chunks it needs.
    References,
    /// Its entries: names, and which content belongs to them.
    Entries,
    /// The content of the chosen entries; all of it, and the entries too, if none are chosen.
    Content(Option<Selection<'a>>),
}

/// The packs of a repository that may have to be thawed, by its store's listing; with their lengths.
pub type Cold = HashMap<PackId, u64>;

impl Repository {
    /// Returns the packs that may have to be thawed: those that lie in a cold class, thawed or not, and those of
    /// which a listing does not tell it.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn cold_packs(&self) -> Result<Cold, UpkeepError> {
        let store = &self.setup.store;
        if store.cold_storage().is_none() {
            return Ok(Cold::new());
        }
        let listed = store.list(PACKS)?.into_iter();
        let cold = listed.filter(|object| object.warmth != Warmth::Warm);
        let packs = cold.filter_map(|object| Some((object.name.last().parse().ok()?, object.size)));
        Ok(packs.collect())
    }

    /// Finds the packs that cannot be read, and asks for them if `how` says how; only those stay in `packs`.
    ///
    /// # Errors
    /// The service does not tell, or does not do it, or the run was cancelled. What was asked for stays so.
    pub fn thaw_packs(
        &self,
        packs: &mut Cold,
        how: Option<Thawing>,
        cancel: &Cancel,
    ) -> Result<Frozen, UpkeepError> {
        let all: Vec<PackId> = packs.keys().copied().collect();
        let workers = Workers {
            count_max: WAYS,
            cancel,
        };
        let thaw_one = |(): &mut (), pack: &PackId| Ok((*pack, self.thaw_one(pack, how)?));
        let states = try_map_parallel(&all, workers, || Ok(()), thaw_one)?;
        let mut frozen = Frozen::default();
        for (pack, state) in states {
            match state {
                Thaw::Ready => drop(packs.remove(&pack)),
                Thaw::Cold | Thaw::Going | Thaw::Asked => frozen.add(Frozen {
                    packs: 1,
                    bytes: packs.get(&pack).copied().unwrap_or(0),
                    asked: u64::from(state != Thaw::Cold),
                }),
            }
        }
        Ok(frozen)
    }

    fn thaw_one(&self, pack: &PackId, how: Option<Thawing>) -> Result<Thaw, UpkeepError> {
        let name = pack_name(pack);
        let Some(cold) = self.setup.store.cold_storage() else {
            return Ok(Thaw::Ready);
        };
        let state = match how {
            Some(how) => cold.request_thaw(&name, how),
            None => cold.thaw_state(&name),
        };
        match state {
            // Whoever reads it will say that it is missing.
            Err(error) if error.is_absent() => Ok(Thaw::Ready),
            other => Ok(other?),
        }
    }
}

/// Tells what of the cold packs a snapshot needs.
pub struct Needs {
    reader: Reader,
    cold: Cold,
}

impl Needs {
    /// Begins, if any pack may be cold.
    ///
    /// # Errors
    /// The store cannot be listed, or the index cannot be read.
    pub fn for_repository(repository: &Arc<Repository>) -> Result<Option<Self>, UpkeepError> {
        let cold = repository.cold_packs()?;
        if cold.is_empty() {
            return Ok(None);
        }
        let reader = Reader::new(Arc::clone(repository))?;
        Ok(Some(Self { reader, cold }))
    }

    /// Returns the packs that a step needs, of those that may have to be thawed. What is damaged is passed over:
    /// whoever reads it will name it.
    ///
    /// # Errors
    /// A step before this one cannot be read.
    pub fn cold_packs(&self, root: &Root, step: Step<'_>) -> Result<Cold, UpkeepError> {
        let mut packs = HashSet::new();
        match step {
            Step::Trunk => root
                .references
                .ids
                .iter()
                .try_for_each(|id| self.need_chunk(id, &mut packs))?,
            Step::References => unless_damaged(Ok(self.reader.catalog_chunks(root)?))?
                .iter()
                .flatten()
                .try_for_each(|id| self.need_chunk(id, &mut packs))?,
            Step::Entries => self.references(root, &mut packs, |reference| {
                matches!(reference, Reference::Items(_))
            })?,
            Step::Content(None) => self.references(root, &mut packs, |_| true)?,
            Step::Content(Some(selection)) => self.chosen(root, &mut packs, selection)?,
        }
        let packs = packs.into_iter();
        Ok(packs.map(|pack| (pack, self.cold[&pack])).collect())
    }

    fn need_chunk(&self, id: &ChunkId, packs: &mut HashSet<PackId>) -> Result<(), UpkeepError> {
        if let Some(at) = unless_damaged(Ok(self.reader.locate(id)?))?
            && self.cold.contains_key(&at.pack)
        {
            packs.insert(at.pack);
        }
        Ok(())
    }

    fn references(
        &self,
        root: &Root,
        packs: &mut HashSet<PackId>,
        is_meant: impl Fn(&Reference) -> bool,
    ) -> Result<(), UpkeepError> {
        for reference in unless_damaged(Ok(self.reader.references(root)?))?
            .into_iter()
            .flatten()
        {
            if let Some(reference) = unless_damaged(Ok(reference?))?.filter(&is_meant) {
                self.need_chunk(&reference.chunk_id(), packs)?;
            }
        }
        Ok(())
    }

    fn chosen(
        &self,
        root: &Root,
        packs: &mut HashSet<PackId>,
        selection: Selection<'_>,
    ) -> Result<(), UpkeepError> {
        for item in unless_damaged(Ok(self.reader.read_items(root)?))?
            .into_iter()
            .flatten()
        {
            let Some((item, chunks)) = unless_damaged(Ok(item?))? else {
                continue;
            };
            if selection(&item.entry.path) {
                chunks
                    .iter()
                    .try_for_each(|id| self.need_chunk(id, packs))?;
            }
        }
        Ok(())
    }
}

/// Passes over what is damaged.
fn unless_damaged<T>(result: Result<T, UpkeepError>) -> Result<Option<T>, UpkeepError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error),
    }
}
