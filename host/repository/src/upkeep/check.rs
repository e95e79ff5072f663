//! Checking: the first two rungs of verification.
//!
//! 1. *Structure*: every snapshot is signed and readable, every chunk that it needs is listed, every
//!    pack that is listed is there and has its length.
//! 2. *Data*: every pack has the content that its name says, opens, and holds the chunks that its
//!    table and the index say, each with the content that its name says.
//!
//! Nothing is changed. Everything that is found is named, not only the first. Backups and collections may go
//! on meanwhile: snapshots are listed first, so that what each needs was listed before it.

mod extent;
mod keys;
mod loss;

use crate::ground::names::{PARITY, SESSIONS, TOMBSTONES, names_packs, pack_name, snapshot_name};
use extent::Extent;
use holdfast_base::parallel::{Workers, count_cores, try_map_parallel};
use holdfast_base::progress::Progress;
pub use loss::Loss;

use crate::format::root::Root;
use crate::format::segment::IndexedPack;
use crate::format::signed::Author;
use crate::index::Index;
use crate::objects::error::{ObjectError, ObjectFault, ensure_not_cancelled};
use crate::objects::parity;
use crate::read::Reader;
use crate::read::pack_check::PackCheck;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::thaw::{Cold, Frozen};
use holdfast_base::cancel::Cancel;
use holdfast_base::error::join_causes;
use holdfast_base::id::{PackId, SegmentId, SnapshotId};
use holdfast_store::Name;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Rung 1.
    Structure,
    /// Rungs 1 and 2.
    Data,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Packs that were looked at.
    pub packs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Packs that no segment lists: what an interrupted run left, for collection to remove.
    pub unlisted_packs: u64,
    /// Packs that lie in a cold class, thawed or not.
    pub cold: Frozen,
    /// Packs that were to be read, and cannot be before they are thawed.
    pub unread: Frozen,
    /// What is damaged: the object, and how.
    pub damage: Vec<(String, String)>,
    /// What that costs, by snapshot.
    pub losses: Vec<Loss>,
    /// Who signed the snapshots, and how many of them.
    pub signers: Vec<(Author, u64)>,
    /// What the key did not allow to look at.
    pub unseen: Vec<String>,
}

impl Report {
    /// Adds what is damaged: the object that the error names, or else this one.
    fn add_damage(&mut self, object: &str, error: &(impl ObjectFault + 'static)) {
        let (object, what) = match error.object_error() {
            Some(ObjectError::Damaged { object, source }) => (object.as_str(), join_causes(source)),
            _ => (object, join_causes(error)),
        };
        self.damage.push((object.to_owned(), what));
    }

    /// Adds what is damaged, unless it is already known of that object.
    fn report_damage(&mut self, object: &str, error: &(impl ObjectFault + 'static)) {
        if self.damage.iter().all(|(known, _)| known != object) {
            self.add_damage(object, error);
        }
    }
}

/// What a check found besides its report: the starting point of a repair.
#[derive(Default)]
pub(crate) struct Survey {
    /// What is reported.
    pub(crate) report: Report,
    /// Packs that sound segments list.
    pub(crate) packs: HashMap<PackId, Arc<IndexedPack>>,
    /// Sound segments, with the packs that each lists.
    pub(crate) segments: Vec<(SegmentId, Vec<PackId>)>,
    /// Segments that cannot be read.
    pub(crate) unread_segments: Vec<SegmentId>,
    /// Listed packs that are missing, have another length, or were found damaged.
    pub(crate) suspect_packs: HashSet<PackId>,
    /// Packs that the store has, with their lengths, and that no sound segment lists.
    pub(crate) unlisted: HashMap<PackId, u64>,
    /// Snapshots whose objects cannot be read.
    pub(crate) unread_snapshots: Vec<SnapshotId>,
    /// What opens the repository, if something is wrong with it or its spare.
    pub(crate) damaged_keys: Vec<Name>,
    /// Packs whose parity is damaged.
    pub(crate) damaged_parity: Vec<PackId>,
    /// Listed packs that may have to be thawed before they can be read.
    cold: Cold,
}

/// Checks a repository.
///
/// # Errors
/// The store cannot be listed, or the run was cancelled. Damage is no error: it is reported.
pub fn check_repository(
    repository: &Arc<Repository>,
    depth: Depth,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Report, UpkeepError> {
    Ok(survey(repository, depth, cancel, progress)?.report)
}

/// Checks a repository, and keeps what a repair wants to know.
pub(crate) fn survey(
    repository: &Arc<Repository>,
    depth: Depth,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Survey, UpkeepError> {
    let mut survey = Survey::default();
    keys::check_keys(repository, &mut survey)?;
    let snapshots = repository.snapshots_from_store()?;
    let mut extent = Extent::read(repository)?;
    check_index(&extent, &mut survey);
    if !survey.report.damage.is_empty() {
        // The cache may have what the store has lost, and a run would rely on it.
        Index::forget(repository.setup.cache.as_deref());
    }
    check_presence(&extent, &mut survey)?;
    if depth == Depth::Data {
        survey.report.unread = repository.thaw_packs(&mut survey.cold, None, cancel)?;
        let packs = survey.packs.values();
        let packs: Vec<_> = packs
            .filter(|pack| !survey.cold.contains_key(&pack.id))
            .collect();
        let total = packs.iter().map(|pack| pack.sealed_bytes).sum();
        progress.add_total(total);
        let found = check_data(repository, packs, cancel, progress)?;
        count_data(repository, found, &mut extent, &mut survey)?;
        survey.report.bytes = progress.done();
        check_parity(repository, &mut survey, cancel)?;
        repository.suspect(&survey.suspect_packs);
    } else if !survey.suspect_packs.is_empty() {
        let earlier = repository.suspects();
        repository.suspect(&survey.suspect_packs.union(&earlier).copied().collect());
    }
    let sound = loss::sound_chunks(repository, &survey.packs, &survey.suspect_packs, cancel)?;
    let (roots, failures) = snapshots;
    check_snapshots(repository, roots, &failures, &sound, &mut survey)?;
    check_sessions(repository, &mut survey.report)?;
    // What an interrupted encryptor did not open is not damaged.
    ensure_not_cancelled(cancel)?;
    Ok(survey)
}

fn check_index(extent: &Extent, survey: &mut Survey) {
    survey.packs = extent.listed_packs();
    for (id, packs) in &extent.segments {
        let ids = packs.iter().map(|pack| pack.id).collect();
        survey.segments.push((*id, ids));
    }
    for (id, error) in &extent.unread {
        survey.unread_segments.push(*id);
        survey.report.add_damage(&format!("index/{id}"), error);
    }
}

fn check_presence(extent: &Extent, survey: &mut Survey) -> Result<(), UpkeepError> {
    let (packs, report) = (&survey.packs, &mut survey.report);
    let damaged = &mut survey.suspect_packs;
    let strangers = extent.strangers.iter();
    report
        .damage
        .extend(strangers.map(|name| (name.clone(), "it is no pack".into())));
    report.cold = extent.in_cold_class;
    let cold = extent.cold.iter();
    survey.cold = cold
        .filter(|(id, _)| packs.contains_key(id))
        .map(|(id, size)| (*id, *size))
        .collect();
    let mut stored = extent.stored.clone();
    for pack in packs.values() {
        let name = pack_name(&pack.id).to_string();
        match stored.remove(&pack.id) {
            None => {
                damaged.insert(pack.id);
                report.damage.push((name, "it is missing".into()));
            }
            Some(size) if size != pack.sealed_bytes => {
                damaged.insert(pack.id);
                let text = format!("it has {size} bytes and should have {}", pack.sealed_bytes);
                report.damage.push((name, text));
            }
            Some(_) => {}
        }
    }
    report.packs = packs.len() as u64;
    report.unlisted_packs = stored.len() as u64;
    survey.unlisted = stored;
    Ok(())
}

/// Counts what is damaged in packs. One that collection has removed meanwhile is not damaged.
fn count_data(
    repository: &Repository,
    found: Found,
    extent: &mut Extent,
    survey: &mut Survey,
) -> Result<(), UpkeepError> {
    let (unserved, damage): (Vec<_>, Vec<_>) = found
        .damage
        .into_iter()
        .partition(|(_, error)| error.is_unserved());
    if let Some((_, error)) = unserved.into_iter().next() {
        return Err(error.into());
    }
    if !damage.is_empty() {
        extent.refresh(repository)?;
        let now = extent.listed_packs();
        // What was in them may be in packs that are new.
        survey.packs.retain(|id, _| now.contains_key(id));
        survey.packs.extend(now);
    }
    for (id, error) in damage {
        if survey.packs.contains_key(&id) {
            survey.suspect_packs.insert(id);
            survey
                .report
                .report_damage(&pack_name(&id).to_string(), &error);
        }
    }
    survey.report.unseen.extend(found.unseen);
    Ok(())
}

/// Checks the parity beside packs that are listed. That of others is nobody's loss.
fn check_parity(
    repository: &Repository,
    survey: &mut Survey,
    cancel: &Cancel,
) -> Result<(), UpkeepError> {
    let store = repository.setup.store.as_ref();
    for listed in store.list(PARITY)? {
        ensure_not_cancelled(cancel)?;
        let pack = listed.name.last().parse::<PackId>();
        let Some(pack) = pack.ok().filter(|id| survey.packs.contains_key(id)) else {
            continue;
        };
        if let Err(error) = parity::check(store, &pack) {
            survey.damaged_parity.push(pack);
            survey.report.add_damage(listed.name.as_str(), &error);
        }
    }
    Ok(())
}

fn check_snapshots(
    repository: &Arc<Repository>,
    roots: Vec<Root>,
    failures: &[ObjectError],
    sound: &loss::Sound,
    survey: &mut Survey,
) -> Result<(), UpkeepError> {
    let report = &mut survey.report;
    let reader = Reader::new(Arc::clone(repository))?;
    // Collection may have removed one, just now.
    for error in failures.iter().filter(|error| !error.is_absence()) {
        report.add_damage("snapshots", error);
        if let ObjectError::Damaged { object, .. } = error
            && let Some(Ok(id)) = object.strip_prefix("snapshots/").map(str::parse)
        {
            survey.unread_snapshots.push(id);
        }
    }
    for error in repository.marks()?.unreadable() {
        report.add_damage("marks", error);
    }
    for root in roots {
        let before = (report.damage.len(), report.losses.len());
        loss::check_snapshot(&reader, &root, sound, report)?;
        if report.damage.len() > before.0 && is_gone(repository, &root) {
            report.damage.truncate(before.0);
            report.losses.truncate(before.1);
            continue;
        }
        report.snapshots += 1;
        match report
            .signers
            .iter_mut()
            .find(|(author, _)| *author == root.author)
        {
            Some((_, count)) => *count += 1,
            None => report.signers.push((root.author, 1)),
        }
    }
    Ok(())
}

/// Returns whether collection has removed a snapshot after it was listed.
fn is_gone(repository: &Repository, root: &Root) -> bool {
    repository.is_gone(&snapshot_name(&root.snapshot))
}

/// Checks that what collection goes by can be read.
fn check_sessions(repository: &Repository, report: &mut Report) -> Result<(), UpkeepError> {
    let store = &repository.setup.store;
    let mut read = |name: &Name, result: Result<(), ObjectError>| match result {
        // Collection has done with it, just now.
        Err(_) if store.size(name).is_err_and(|error| error.is_absent()) => {}
        Err(error) => report.add_damage(name.as_str(), &error),
        Ok(()) => {}
    };
    for listed in store.list(SESSIONS)? {
        read(&listed.name, repository.session(&listed.name).map(drop));
    }
    for listed in store.list(TOMBSTONES)? {
        if names_packs(&listed.name) {
            read(
                &listed.name,
                repository.pack_tombstone(&listed.name).map(drop),
            );
        }
    }
    Ok(())
}

/// What reading packs came to.
#[derive(Default)]
struct Found {
    /// Packs that are damaged, and how.
    damage: Vec<(PackId, ObjectError)>,
    /// What the key did not allow to look at.
    unseen: HashSet<String>,
}

fn check_data(
    repository: &Arc<Repository>,
    mut packs: Vec<&Arc<IndexedPack>>,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Found, UpkeepError> {
    // The largest first, so that all workers end at about the same time.
    packs.sort_unstable_by_key(|pack| (Reverse(pack.sealed_bytes), pack.id));
    let workers = Workers {
        count_max: count_cores(),
        cancel,
    };
    let start = || Ok(PackCheck::new(repository));
    let check_pack = |check: &mut PackCheck, pack: &&Arc<IndexedPack>| {
        let result = check.check_pack(pack);
        progress.add_done(pack.sealed_bytes);
        Ok((pack.id, result))
    };
    let mut found = Found::default();
    for (id, result) in try_map_parallel(&packs, workers, start, check_pack)? {
        match result {
            Ok(None) => {}
            Ok(Some(unseen)) => drop(found.unseen.insert(unseen)),
            Err(error) => found.damage.push((id, error)),
        }
    }
    Ok(found)
}
