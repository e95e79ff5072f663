//! Rescuing: what is sound in a damaged pack is written into new packs; and what snapshots need and no
//! pack has any more is taken from a second repository.

use crate::format::pack::Frame;
use crate::format::refs::{Reference, decode_ids};
use crate::format::segment::{IndexedPack, PackKind};
use crate::ground::domain::Domain;
use crate::ground::names::pack_name;
use crate::index::Index;
use crate::objects::damage::means_damage;
use crate::objects::error::{IoStep, ensure_not_cancelled};
use crate::pipeline::compress::Expander;
use crate::read::Reader;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::repair::opened::OpenedPack;
use crate::upkeep::repair::second::Second;
use crate::upkeep::repair::{What, Work};
use crate::upkeep::rewrite::Rewriter;
use crate::write::lease::Lease;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{ChunkId, PackId};
use holdfast_store::Name;
use std::collections::HashSet;
use std::sync::Arc;

/// More rounds than a reference stream has levels: each brings back what the next one needs to know.
const ROUNDS_MAX: u32 = 40;

/// Frames of a damaged pack that come back.
struct Rescue {
    pack: Arc<IndexedPack>,
    object: Name,
    frames: Vec<Frame>,
}

/// What is held, of what is asked for.
pub(super) struct Held {
    index: Index,
    also: HashSet<ChunkId>,
}

impl Held {
    /// Looks into the index, less these packs, and into packs that it does not list.
    pub(super) fn new(
        repository: &Repository,
        without: &HashSet<PackId>,
        with: &[IndexedPack],
    ) -> Result<Self, UpkeepError> {
        let frames = with.iter().flat_map(|pack| &pack.frames);
        Ok(Self {
            index: repository.index_without(without)?,
            also: frames
                .flat_map(|frame| &frame.parts)
                .map(|part| part.id)
                .collect(),
        })
    }

    fn holds_chunk(&self, id: &ChunkId) -> Result<bool, UpkeepError> {
        let found = self.index.find(id);
        let found = found.map_err(IoStep::ReadIndex.failed())?;
        Ok(found.is_some() || self.also.contains(id))
    }
}

impl Work<'_> {
    /// Writes the sound frames of damaged packs into new ones; returns the packs that are done with.
    ///
    /// # Errors
    /// The store failed. Everything that was listed still is.
    pub(super) fn rescue(
        &mut self,
        damaged: &[Arc<IndexedPack>],
        held: &mut Held,
        cancel: &Cancel,
    ) -> Result<HashSet<PackId>, UpkeepError> {
        let mut done = HashSet::new();
        let mut rescues = Vec::new();
        for pack in damaged {
            ensure_not_cancelled(cancel)?;
            match self.sound_frames(pack, held)? {
                Some(rescue) => {
                    done.insert(pack.id);
                    rescues.extend(rescue);
                }
                None => {
                    let why = "this key does not open it, and something in it may be sound; repair \
                               with an identity or a read key";
                    self.record_action(What::Left, pack_name(&pack.id).to_string(), why.into());
                }
            }
        }
        let is_dry = self.is_dry;
        if !rescues.is_empty() && !is_dry {
            self.rewrite(|work, rewriter| {
                let mut expander = Expander::new()?;
                for rescue in &rescues {
                    work.write_frames(rescue, rewriter, &mut expander)?;
                }
                Ok(())
            })?;
        }
        for rescue in &rescues {
            let chunks: usize = rescue.frames.iter().map(|frame| frame.parts.len()).sum();
            let all: usize = rescue
                .pack
                .frames
                .iter()
                .map(|frame| frame.parts.len())
                .sum();
            let detail = format!("{chunks} of its {all} chunks are in new packs");
            self.record_action(
                What::Rescued,
                pack_name(&rescue.pack.id).to_string(),
                detail,
            );
        }
        Ok(done)
    }

    /// Finds the frames of a damaged pack that come back and that nothing else has.
    ///
    /// None if no key opens it; an empty list if nothing in it is worth it.
    fn sound_frames(
        &self,
        pack: &Arc<IndexedPack>,
        held: &mut Held,
    ) -> Result<Option<Option<Rescue>>, UpkeepError> {
        let mut is_there = false;
        for object in self.remains(&pack_name(&pack.id))? {
            let opened = match OpenedPack::open_object(self.repository, &object) {
                Ok(Some(opened)) => opened,
                Ok(None) => {
                    is_there = true;
                    continue;
                }
                Err(error) if means_damage(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut expander = Expander::new()?;
            let mut frames = Vec::new();
            for frame in &pack.frames {
                let mut is_held = true;
                for part in &frame.parts {
                    is_held &= held.holds_chunk(&part.id)?;
                }
                if is_held {
                    continue;
                }
                match opened.read_frame(frame, pack.kind, &mut expander) {
                    Ok(_) => {
                        held.also.extend(frame.parts.iter().map(|part| part.id));
                        frames.push(frame.clone());
                    }
                    Err(error) if means_damage(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let rescue = Rescue {
                pack: Arc::clone(pack),
                object,
                frames,
            };
            return Ok(Some((!rescue.frames.is_empty()).then_some(rescue)));
        }
        Ok((!is_there).then_some(None))
    }

    fn write_frames(
        &self,
        rescue: &Rescue,
        rewriter: &mut Rewriter<'_>,
        expander: &mut Expander,
    ) -> Result<(), UpkeepError> {
        let gone = || UpkeepError::Changed {
            object: rescue.object.clone(),
        };
        let opened = OpenedPack::open_object(self.repository, &rescue.object)?.ok_or_else(gone)?;
        for frame in &rescue.frames {
            let bytes = opened.read_frame(frame, rescue.pack.kind, expander)?;
            rewriter.take_frame(rescue.pack.kind, bytes)?;
        }
        Ok(())
    }

    /// Lets something be written into new packs, which are listed when this returns.
    fn rewrite(
        &self,
        write: impl FnOnce(&Self, &mut Rewriter<'_>) -> Result<(), UpkeepError>,
    ) -> Result<(), UpkeepError> {
        let lease = Lease::begin_session(self.repository, "a repair", "")?;
        let write_all = || {
            let mut rewriter = Rewriter::begin_rewrite(self.repository, &lease)?;
            write(self, &mut rewriter)?;
            rewriter.finish()?;
            Ok(())
        };
        let written = write_all();
        lease.give_up(self.repository);
        written
    }

    /// Takes from the second repository what snapshots need and nothing here has.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn fetch_pack(
        &mut self,
        held: &mut Held,
        cancel: &Cancel,
    ) -> Result<(), UpkeepError> {
        let Some(second) = self.second else {
            return Ok(());
        };
        let mut fetched = 0;
        for _ in 0..ROUNDS_MAX {
            ensure_not_cancelled(cancel)?;
            let round = self.fetch_once(second, held)?;
            fetched += round;
            if round == 0 || self.is_dry {
                break;
            }
        }
        if fetched > 0 {
            let detail = format!("{fetched} chunks that nothing here has");
            self.record_action(What::Fetched, second.describe_place(), detail);
        }
        Ok(())
    }

    fn fetch_once(&self, second: &Second, held: &mut Held) -> Result<usize, UpkeepError> {
        let missing = self.missing(held)?;
        let of = self.repository;
        let is_there = |(_, domain, id): &(PackKind, Domain, ChunkId)| {
            second.read_chunk(of, *domain, id).is_some()
        };
        let found: Vec<_> = missing.into_iter().filter(is_there).collect();
        if found.is_empty() {
            return Ok(0);
        }
        if !self.is_dry {
            self.rewrite(|_, rewriter| {
                for (kind, domain, id) in &found {
                    if let Some(bytes) = second.read_chunk(of, *domain, id) {
                        rewriter.take_chunk(*kind, *id, &bytes)?;
                    }
                }
                Ok(())
            })?;
        }
        held.also.extend(found.iter().map(|(_, _, id)| *id));
        Ok(found.len())
    }

    /// Returns what snapshots need and nothing has, as far as their reference streams can be read.
    fn missing(&self, held: &Held) -> Result<Vec<(PackKind, Domain, ChunkId)>, UpkeepError> {
        let reader = Reader::new(Arc::clone(self.repository))?;
        let mut seen = HashSet::new();
        let mut missing = Vec::new();
        let mut lack = |kind, domain, id: &ChunkId| -> Result<bool, UpkeepError> {
            let is_held = held.holds_chunk(id)?;
            if !is_held && seen.insert(*id) {
                missing.push((kind, domain, *id));
            }
            Ok(!is_held)
        };
        for root in self.repository.snapshots_from_store()?.0 {
            let mut ids = root.references.ids.clone();
            for _ in 0..root.references.levels {
                let mut below = Vec::new();
                for id in &ids {
                    if !lack(PackKind::Catalog, Domain::Trunk, id)?
                        && let Ok(bytes) = reader.read_chunk(Domain::Trunk, id)
                    {
                        below.extend(decode_ids(&bytes)?);
                    }
                }
                ids = below;
            }
            for id in &ids {
                if lack(PackKind::Catalog, Domain::References, id)? {
                    continue;
                }
                let Ok(bytes) = reader.read_chunk(Domain::References, id) else {
                    continue;
                };
                for reference in Reference::decode_all(&bytes)? {
                    match reference {
                        Reference::Items(id) => lack(PackKind::Items, Domain::Items, &id)?,
                        Reference::Content(id) => lack(PackKind::Content, Domain::Content, &id)?,
                    };
                }
            }
        }
        Ok(missing)
    }
}
