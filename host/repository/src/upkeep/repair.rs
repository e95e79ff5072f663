//! Repair: mends what a check found, as far as something is left to mend it with.
//!
//! - Only what was found damaged twice is touched. If nothing is damaged, nothing changes.
//! - What is new is stored, read back and listed before anything that is damaged leaves its place.
//! - What is damaged is set aside in `quarantine/`, never deleted: it may be all that is left.
//! - A crash at any moment leaves a repository in which all that was sound is, and which can be repaired.

mod aside;
mod beside;
mod heal;
mod keys;
mod listing;
mod marks;
mod opened;
mod rescue;
mod second;

pub use second::Second;

use crate::format::header::Purpose;
use crate::format::segment::IndexedPack;
use crate::ground::names::{QUARANTINE, pack_name, segment_name, snapshot_name};
use crate::index::Index;
use crate::objects::create::create_surely;
use crate::objects::damage::means_damage;
use crate::objects::error::{ObjectError, ensure_not_cancelled};
use crate::objects::parity::Shape;
use crate::read::pack_check::PackCheck;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::check::{Depth, Report, Survey, survey};
use aside::{Aside, set_aside};
use holdfast_base::advice::Advice;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{PackId, SegmentId, SnapshotId};
use holdfast_base::progress::Progress;
use holdfast_store::{Name, Store};
use opened::OpenedPack;
use rescue::Held;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

/// What a repair is to do.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How far it looks for damage.
    pub depth: Depth,
    /// The repositories that may still hold what is lost here.
    pub second: Option<&'a Second>,
    /// How much parity the packs are to have.
    pub parity: Option<Shape>,
    /// Whether it only says what it would do.
    pub is_dry: bool,
}

/// Kinds of what a repair does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An object is again what it was, byte for byte.
    Healed,
    /// What is sound in a damaged pack is in new ones.
    Rescued,
    /// Chunks were taken from a second repository.
    Fetched,
    /// A pack was in no segment that can be read, and is listed again.
    Listed,
    /// A segment was replaced by others.
    Removed,
    /// A damaged object was moved into the quarantine.
    SetAside,
    /// A pack has parity beside it now.
    Protected,
    /// An object stays as it is, for this key.
    Left,
    /// A damaged object stays in its place, since the store does not let it go.
    Kept,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healed => "healed",
            Self::Rescued => "rescued",
            Self::Fetched => "fetched",
            Self::Listed => "listed",
            Self::Removed => "removed",
            Self::SetAside => "set-aside",
            Self::Protected => "protected",
            Self::Left => "left",
            Self::Kept => "kept",
        })
    }
}

/// One thing that a repair did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// What it was.
    pub what: What,
    /// The object.
    pub object: String,
    /// How, or why.
    pub detail: String,
    /// What ends it, if that is something to be typed: it says all that `detail` says.
    pub advice: Option<Advice>,
}

/// What a repair came to.
#[derive(Debug)]
pub struct Repaired {
    /// What was found before.
    pub before: Report,
    /// What was done, or would be.
    pub deeds: Vec<Deed>,
    /// What another check found afterwards; the same as before if nothing was done.
    pub after: Option<Report>,
}

impl Repaired {
    /// Returns what is still damaged, other than what the store does not let go.
    #[must_use]
    pub fn remaining(&self) -> Vec<&(String, String)> {
        let report = self.after.as_ref().unwrap_or(&self.before);
        let is_kept = |object: &str| {
            let kept = |deed: &Deed| deed.what == What::Kept && deed.object == object;
            self.deeds.iter().any(kept)
        };
        let damage = report.damage.iter();
        damage.filter(|(object, _)| !is_kept(object)).collect()
    }
}

/// A repair on its way.
struct Work<'a> {
    repository: &'a Arc<Repository>,
    survey: Survey,
    second: Option<&'a Second>,
    is_dry: bool,
    deeds: Vec<Deed>,
}

/// Repairs a repository.
///
/// # Errors
/// The store failed, or the repair was cancelled: what was sound is, and another repair goes on.
pub fn repair(
    repository: &Arc<Repository>,
    options: Options<'_>,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Repaired, UpkeepError> {
    repository.header.ensure_features_known(Purpose::Delete)?;
    let survey = survey(repository, options.depth, cancel, progress)?;
    let was_aside =
        options.second.is_some() && !repository.setup.store.list(QUARANTINE)?.is_empty();
    let noted = repository.suspects();
    let is_suspected = noted.iter().any(|id| survey.packs.contains_key(id));
    let mut work = Work {
        repository,
        survey,
        second: options.second,
        is_dry: options.is_dry,
        deeds: Vec::new(),
    };
    work.mend_keys()?;
    if !work.survey.report.damage.is_empty() || is_suspected || was_aside {
        work.repair_damage(cancel)?;
    }
    work.mend_marks()?;
    work.tend_parity(options.parity, cancel)?;
    let after = if work.deeds.is_empty() || options.is_dry {
        None
    } else {
        Index::forget(repository.setup.cache.as_deref());
        let again = crate::upkeep::check::check_repository(
            repository,
            options.depth,
            cancel,
            &Progress::default(),
        )?;
        Some(again)
    };
    Ok(Repaired {
        before: work.survey.report,
        deeds: work.deeds,
        after,
    })
}

impl Work<'_> {
    fn store(&self) -> &dyn Store {
        self.repository.setup.store.as_ref()
    }

    fn record_action(&mut self, what: What, object: String, detail: String) {
        tracing::info!("{what}: {object}: {detail}");
        self.deeds.push(Deed {
            what,
            object,
            detail,
            advice: None,
        });
    }

    fn leave(&mut self, object: String, detail: &str, advice: Advice) {
        self.record_action(What::Left, object, detail.to_owned());
        if let Some(deed) = self.deeds.last_mut() {
            deed.advice = Some(advice);
        }
    }

    fn repair_damage(&mut self, cancel: &Cancel) -> Result<(), UpkeepError> {
        let segments = self.damaged_segments()?;
        let snapshots = self.mend_snapshots()?;
        let mut damaged = Vec::new();
        for pack in self.damaged_packs(cancel)? {
            if !self.heal_pack(&pack.id)? {
                damaged.push(pack);
            }
        }
        let unlisted = self.unlisted(cancel)?;
        let dropped: HashSet<PackId> = damaged.iter().map(|pack| pack.id).collect();
        let mut held = Held::new(self.repository, &dropped, &unlisted.sound)?;
        self.relist(unlisted.sound, &HashSet::new())?;
        damaged.extend(unlisted.damaged);
        let done = self.rescue(&damaged, &mut held, cancel)?;
        if !self.is_dry {
            let left = damaged.iter().map(|pack| pack.id);
            self.repository
                .suspect(&left.filter(|id| !done.contains(id)).collect());
        }
        let dropped = dropped.intersection(&done).copied().collect();
        self.relist(Vec::new(), &dropped)?;
        self.fetch_pack(&mut held, cancel)?;
        for pack in damaged.iter().filter(|pack| done.contains(&pack.id)) {
            let name = pack_name(&pack.id);
            self.set_aside(&name, "what is sound in it is elsewhere")?;
        }
        for pack in unlisted.unreadable {
            self.set_aside(
                &pack_name(&pack),
                "it is listed nowhere, and its table cannot be read",
            )?;
        }
        for id in segments {
            let name = segment_name(&id);
            if unlisted.is_whole {
                self.set_aside(&name, "what it listed is listed elsewhere, or gone")?;
            } else {
                let why = "this key does not open all packs that it may have listed; repair with \
                           an identity or a read key";
                self.record_action(What::Left, name.to_string(), why.into());
            }
        }
        for id in snapshots {
            let name = snapshot_name(&id);
            self.set_aside(&name, "it cannot be read, and so its job is not known")?;
        }
        Ok(())
    }

    /// Returns the listed packs that are missing or damaged, now that they are looked at once more.
    fn damaged_packs(&self, cancel: &Cancel) -> Result<Vec<Arc<IndexedPack>>, UpkeepError> {
        let check = PackCheck::new(self.repository);
        let noted = self.repository.suspects();
        let suspect_packs: BTreeSet<PackId> =
            self.survey.suspect_packs.union(&noted).copied().collect();
        let mut damaged = Vec::new();
        for pack in suspect_packs
            .iter()
            .filter_map(|id| self.survey.packs.get(id))
        {
            ensure_not_cancelled(cancel)?;
            let checked = match self.store().size(&pack_name(&pack.id)) {
                Ok(size) if size != pack.sealed_bytes => Err(ObjectError::ContentMismatch),
                Ok(_) => check.check_pack(pack).map(drop),
                Err(error) => Err(error.into()),
            };
            match checked {
                Ok(()) => {}
                Err(error) if means_damage(&error) => damaged.push(Arc::clone(pack)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(damaged)
    }

    /// Brings damaged snapshots back from the second repository; returns those that do not come back.
    fn mend_snapshots(&mut self) -> Result<Vec<SnapshotId>, UpkeepError> {
        let mut lost = Vec::new();
        for id in self.damaged_snapshots()? {
            if !self.bring_back(&id)? {
                lost.push(id);
            }
        }
        if self.second.is_some() {
            // Those too that were set aside before there was one to bring them back from.
            let there: HashSet<SnapshotId> = self.repository.stored_ids()?.into_iter().collect();
            let aside = self.store().list(&format!("{}/snapshots", QUARANTINE))?;
            let ids: BTreeSet<SnapshotId> = aside
                .iter()
                .filter_map(|listed| listed.name.last().split('-').next()?.parse().ok())
                .collect();
            for id in ids.into_iter().filter(|id| !there.contains(id)) {
                self.bring_back(&id)?;
            }
        }
        Ok(lost)
    }

    /// Brings a snapshot back from the second repository, if it is there and sound.
    fn bring_back(&mut self, id: &SnapshotId) -> Result<bool, UpkeepError> {
        let name = snapshot_name(id);
        let Some(second) = self.second else {
            return Ok(false);
        };
        let sound = second.object(&name);
        let sound = sound.filter(|bytes| self.repository.is_snapshot(id, bytes.clone()));
        let Some(bytes) = sound else { return Ok(false) };
        self.put_back(&name, &bytes, format!("from {}", second.describe_place()))?;
        Ok(true)
    }

    /// Puts sound bytes in the place of a damaged object.
    fn put_back(&mut self, name: &Name, bytes: &[u8], from: String) -> Result<(), UpkeepError> {
        if !self.is_dry {
            if let Aside::Stays(why) = set_aside(self.store(), name)? {
                self.record_action(What::Kept, name.to_string(), why);
                return Ok(());
            }
            create_surely(self.store(), name, bytes)?;
        }
        self.record_action(What::Healed, name.to_string(), from);
        Ok(())
    }

    /// Returns the segments that cannot be read, now that they are read once more.
    fn damaged_segments(&self) -> Result<Vec<SegmentId>, UpkeepError> {
        let mut damaged = Vec::new();
        for id in &self.survey.unread_segments {
            match self.repository.segment(id) {
                Ok(_) => {}
                Err(error) if means_damage(&error) => damaged.push(*id),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(damaged)
    }

    /// Returns the snapshots that cannot be read, now that they are read once more.
    fn damaged_snapshots(&self) -> Result<Vec<SnapshotId>, UpkeepError> {
        if self.survey.unread_snapshots.is_empty() {
            return Ok(Vec::new());
        }
        let (_, failures) = self.repository.snapshots_from_store()?;
        let again: HashSet<String> = failures
            .iter()
            .filter_map(|error| match error {
                ObjectError::Damaged { object, .. } => Some(object.clone()),
                _ => None,
            })
            .collect();
        let unread = self.survey.unread_snapshots.iter().copied();
        Ok(unread
            .filter(|id| again.contains(&format!("snapshots/{id}")))
            .collect())
    }

    /// Looks into the packs that no readable segment lists, and heals those that can be.
    fn unlisted(&mut self, cancel: &Cancel) -> Result<Unlisted, UpkeepError> {
        let mut found = Unlisted {
            is_whole: true,
            ..Unlisted::default()
        };
        if self.survey.report.damage.is_empty() {
            // What interrupted runs left is harmless.
            return Ok(found);
        }
        let mut ids: Vec<PackId> = self.survey.unlisted.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            ensure_not_cancelled(cancel)?;
            self.look_into(id, &mut found, true)?;
        }
        for id in self.packs_aside()? {
            // What was given up may come back now: there is a second repository, or a store that works.
            if self.heal_pack(&id)? && !self.is_dry {
                self.look_into(id, &mut found, false)?;
            }
        }
        Ok(found)
    }

    /// Returns the packs in the quarantine that are in no other place.
    fn packs_aside(&self) -> Result<BTreeSet<PackId>, UpkeepError> {
        let mut ids = BTreeSet::new();
        for listed in self.store().list(&format!("{}/packs", QUARANTINE))? {
            let id = listed.name.last().split('-').next();
            let Some(Ok(id)) = id.map(str::parse) else {
                continue;
            };
            if !self.survey.packs.contains_key(&id) && !self.survey.unlisted.contains_key(&id) {
                ids.insert(id);
            }
        }
        Ok(ids)
    }

    fn look_into(
        &mut self,
        id: PackId,
        found: &mut Unlisted,
        may_heal: bool,
    ) -> Result<(), UpkeepError> {
        let name = pack_name(&id);
        let listed = match OpenedPack::open_object(self.repository, &name) {
            Ok(Some(pack)) => pack.listed(id).map(Arc::new),
            Ok(None) => {
                found.is_whole = false;
                return Ok(());
            }
            Err(error) => Err(error),
        };
        let checked = match &listed {
            Ok(pack) => PackCheck::new(self.repository).check_pack(pack).map(drop),
            Err(_) => Ok(()),
        };
        let failure = match (listed, checked) {
            (Ok(pack), Ok(())) => {
                found.sound.push(Arc::unwrap_or_clone(pack));
                return Ok(());
            }
            // Collection has removed it just now.
            (Err(ObjectError::Store(error)), _) | (_, Err(ObjectError::Store(error)))
                if error.is_absent() =>
            {
                return Ok(());
            }
            (Err(error), _) if means_damage(&error) => None,
            (Ok(pack), Err(error)) if means_damage(&error) => Some(pack),
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        };
        if may_heal && self.heal_pack(&id)? {
            // In a dry repair it is as it was.
            return if self.is_dry {
                Ok(())
            } else {
                self.look_into(id, found, false)
            };
        }
        match failure {
            Some(pack) => found.damaged.push(pack),
            None => found.unreadable.push(id),
        }
        Ok(())
    }

    fn set_aside(&mut self, object: &Name, why: &str) -> Result<(), UpkeepError> {
        let became = if self.is_dry {
            Aside::Moved(Name::new(format!("{}/{object}", QUARANTINE))?)
        } else {
            set_aside(self.store(), object)?
        };
        match became {
            Aside::Moved(to) => {
                self.record_action(
                    What::SetAside,
                    object.to_string(),
                    format!("{why}; now {to}"),
                );
            }
            Aside::Gone => {}
            Aside::Stays(why) => self.record_action(What::Kept, object.to_string(), why),
        }
        Ok(())
    }
}

/// Packs that no readable segment lists.
#[derive(Default)]
struct Unlisted {
    /// Those that are sound.
    sound: Vec<IndexedPack>,
    /// Those that are damaged, and whose tables can be read.
    damaged: Vec<Arc<IndexedPack>>,
    /// Those that nobody can make out.
    unreadable: Vec<PackId>,
    /// Whether the key opened all of them.
    is_whole: bool,
}
