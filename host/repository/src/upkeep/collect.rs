//! Collection: removes what nobody needs, without a lock.
//!
//! ```text
//! what there is ──> what is needed ──> what each pack is worth ──> a new tombstone ──> removal
//! ```
//!
//! - A pack is named in a tombstone first. It is removed by a later collection, when every run that
//!   could rely on it has ended, and when what is needed of it also lies in a pack that no tombstone names.
//! - A pack that was named once is never relied on again: what is needed of it is stored anew.
//! - No clock decides about safety. The store's clock decides how long something can be brought back.
//! - What object lock keeps stays, and what that is, and until when, is said.
//! - Whatever is unclear is a reason to remove nothing.
//!
//! `docs/decisions/0008-collection-without-locks.md` has the protocol, and `tests/model` a model of it.

mod census;
mod locked;
mod mark;
mod repack;
mod sweep;
mod view;

use crate::format::header::Purpose;
use crate::format::session::{PackTombstone, encode};
use crate::ground::chance::random;
use crate::ground::names::pack_tombstone_name;
use crate::objects::error::ensure_not_cancelled;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::forget::GRACE_SECONDS;
use crate::write::lease::Lease;
use census::Census;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{PackId, SnapshotId};
use holdfast_base::progress::Progress;
use holdfast_base::time::Instant;
use locked::Locks;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use sweep::Removal;
use view::View;

/// How a collection is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Says what would be done, and changes nothing.
    pub dry_run: bool,
    /// How long packs stay that nobody needs, by the store's clock.
    pub grace: Duration,
    /// How long forgotten snapshots can be brought back, by the store's clock.
    pub forgotten_grace: Duration,
    /// How old a session must be, by the store's clock, to be ended.
    pub expire_after: Duration,
    /// Sessions that are ended whatever their age.
    pub expire: Vec<SnapshotId>,
    /// Unneeded bytes in a thousand that may stay in packs which are needed for something else.
    pub unused_permille: u64,
    /// Seal anew what is sealed to an epoch before this one; what the key cannot open stays.
    pub reseal_before: Option<u32>,
    /// Bytes of packs that are copied at most.
    pub repack_max: u64,
    /// The machine that collects.
    pub host: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dry_run: false,
            grace: Duration::from_secs(24 * 3600),
            forgotten_grace: Duration::from_secs(GRACE_SECONDS.unsigned_abs()),
            expire_after: Duration::from_secs(96 * 3600),
            expire: Vec::new(),
            unused_permille: 50,
            reseal_before: None,
            repack_max: u64::MAX,
            host: String::new(),
        }
    }
}

/// Packs, and the bytes that they take in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// How many.
    pub packs: u64,
    /// Their bytes, sealed.
    pub bytes: u64,
}

impl Amount {
    fn add_pack(&mut self, bytes: u64) {
        self.packs += 1;
        self.bytes += bytes;
    }
}

/// A run that has not ended, as far as the store tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id.
    pub id: SnapshotId,
    /// What it is for; empty if it cannot be read.
    pub purpose: String,
    /// The machine that runs it.
    pub host: String,
    /// When the store received it.
    pub received: Instant,
}

/// What a collection did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Which collection it was, counted from one.
    pub generation: u32,
    /// Snapshots that are kept.
    pub snapshots: u64,
    /// Forgotten snapshots whose time was over.
    pub removed_snapshots: Vec<SnapshotId>,
    /// Sessions that were ended.
    pub expired: Vec<SnapshotId>,
    /// Sessions that may still commit: what they may rely on stays.
    pub open: Vec<OpenSession>,
    /// All packs that there were.
    pub stored: Amount,
    /// Packs that were found to be needed by nobody, and will be removed by a later collection.
    pub named: Amount,
    /// Packs that earlier collections found, and that still have to wait.
    pub waiting: Amount,
    /// Packs that turned out to hold something needed again.
    pub kept: Amount,
    /// Packs that were copied, since little of them was needed.
    pub repacked: Amount,
    /// Bytes of the packs into which they were copied.
    pub rewritten_bytes: u64,
    /// Unneeded bytes that stay in packs which are needed for something else.
    pub unused_bytes: u64,
    /// Packs that were removed.
    pub removed: Amount,
    /// Segments of the index that were written anew.
    pub segments: u64,
    /// Packs that would go, and that object lock keeps.
    pub locked: Amount,
    /// Until when, at the longest; nothing if all of them are held without an end.
    pub locked_until: Option<Instant>,
    /// Those of them that are held without an end.
    pub held: Amount,
    /// Forgotten snapshots whose time is over, and that object lock keeps.
    pub locked_snapshots: Vec<SnapshotId>,
}

/// How far a collection is.
#[derive(Debug, Default)]
pub struct CollectProgress {
    /// Snapshots looked at.
    pub snapshots: Progress,
    /// Packs removed.
    pub removed: Progress,
}

/// Collects.
///
/// # Errors
/// Something is unclear or damaged, and nothing was removed; or the store failed on the way, and the next
/// collection goes on.
pub fn collect(
    repository: &Arc<Repository>,
    options: &Options,
    cancel: &Cancel,
    progress: &CollectProgress,
) -> Result<Report, UpkeepError> {
    repository.header.ensure_features_known(Purpose::Delete)?;
    let store = &repository.setup.store;
    if !store.abilities().strong_listing.is_real() {
        // What a listing hides twice would be removed.
        let place = store.place();
        return Err(UpkeepError::UnreliableListings { place });
    }
    if options.dry_run {
        return Collection::new(repository, options, cancel, progress).run(None);
    }
    // A session of its own: it shows the store's clock, and guards what is copied.
    let lease = Lease::begin_session(repository, "collection", &options.host)?;
    let done = Collection::new(repository, options, cancel, progress).run(Some(&lease));
    lease.give_up(repository);
    done
}

struct Collection<'a> {
    repository: &'a Arc<Repository>,
    options: &'a Options,
    cancel: &'a Cancel,
    progress: &'a CollectProgress,
    report: Report,
    /// Whether a session was ended whose run may only have slept.
    may_return: bool,
}

impl<'a> Collection<'a> {
    fn new(
        repository: &'a Arc<Repository>,
        options: &'a Options,
        cancel: &'a Cancel,
        progress: &'a CollectProgress,
    ) -> Self {
        Self {
            repository,
            options,
            cancel,
            progress,
            report: Report::default(),
            may_return: false,
        }
    }

    fn run(mut self, lease: Option<&Lease>) -> Result<Report, UpkeepError> {
        let mut view = View::read(self.repository, lease, self.options)?;
        self.expire(&mut view)?;
        view.look_at_packs(self.repository)?;
        self.report.generation = view.generation;
        self.report.open = view.open_sessions();
        let mut locks = self.choose_snapshots(&view)?;
        let roots = view.kept_roots(&self.report.removed_snapshots);
        self.report.snapshots = roots.len() as u64;
        let (cancel, looked_at) = (self.cancel, &self.progress.snapshots);
        let needed = mark::mark_needed(self.repository, &roots, cancel, looked_at)?;
        let census = Census::take_census(&needed, &view)?;
        let mut candidates = census.unneeded(&view);
        if self.may_return {
            // A run that only slept finds its session ended. What it relies on is given another chance.
            candidates.clear();
        }
        let sparse = self.sparse(&census, &view)?;
        let mut removed = census.removable(&view, self.options.grace);
        self.spare_packs(&view, &census, &mut removed, &mut locks)?;
        self.report_view(&view, &census, &candidates, &removed, &sparse, &locks);
        let Some(lease) = lease else {
            return Ok(self.report);
        };
        ensure_not_cancelled(self.cancel)?;
        self.report.rewritten_bytes =
            repack::repack(self.repository, lease, &sparse, &view, &needed, self.cancel)?;
        candidates.extend(&sparse.retired);
        self.write_tombstone(&view, candidates)?;
        ensure_not_cancelled(self.cancel)?;
        if !sweep::remove_snapshots(self.repository, &self.report.removed_snapshots)? {
            // What is needed was told without a snapshot that came back, or was locked.
            return Ok(self.report);
        }
        self.report.segments = sweep::rewrite_index(self.repository, &view, &removed)?;
        self.remove_packs(&view, &mut removed)?;
        sweep::remove_tombstones(self.repository, &view, &removed)?;
        sweep::remove_sessions(self.repository, &view)?;
        self.repository.end_removals()?;
        Ok(self.report)
    }

    /// Chooses the forgotten snapshots that go: what is locked stays, and all that it needs.
    fn choose_snapshots(&mut self, view: &View) -> Result<Locks, UpkeepError> {
        let mut over = view.removable_snapshots();
        let snapshots =
            Locks::of_snapshots(self.repository, &over, view.store_time(), self.cancel)?;
        over.retain(|id| !snapshots.contains_key(id));
        self.report.removed_snapshots = over;
        Ok(Locks {
            snapshots,
            ..Locks::default()
        })
    }

    /// Chooses the packs that are copied. To copy what is locked would free nothing; what is sealed anew is
    /// copied all the same.
    fn sparse(&self, census: &Census, view: &View) -> Result<repack::Sparse, UpkeepError> {
        let mut sparse = census.sparse(self.repository, self.options, view);
        if self.options.reseal_before.is_none() {
            let (now, cancel) = (view.store_time(), self.cancel);
            let locked = Locks::of_packs(self.repository, &sparse.retired, now, cancel)?;
            sparse.retired.retain(|pack| !locked.contains_key(pack));
        }
        Ok(sparse)
    }

    /// Takes out of what is to be removed what is locked, and puts down how much locks keep.
    fn spare_packs(
        &mut self,
        view: &View,
        census: &Census,
        removed: &mut HashSet<PackId>,
        locks: &mut Locks,
    ) -> Result<(), UpkeepError> {
        let wanted: Vec<PackId> = removed.iter().copied().collect();
        locks.packs = Locks::of_packs(self.repository, &wanted, view.store_time(), self.cancel)?;
        removed.retain(|pack| !locks.packs.contains_key(pack));
        let mut idle = HashSet::new();
        if !locks.snapshots.is_empty() {
            // What only they need would go with them.
            let roots = view.kept_roots(&view.removable_snapshots());
            let needed =
                mark::mark_needed(self.repository, &roots, self.cancel, &Progress::default())?;
            let without = Census::take_census(&needed, view)?;
            idle = census
                .needed()
                .difference(without.needed())
                .copied()
                .collect();
        }
        locks.report_locked(&mut self.report, view, &idle);
        Ok(())
    }

    fn remove_packs(
        &mut self,
        view: &View,
        removed: &mut HashSet<PackId>,
    ) -> Result<(), UpkeepError> {
        for pack in removed.clone() {
            ensure_not_cancelled(self.cancel)?;
            let bytes = view.stored_bytes(&pack);
            match sweep::remove_pack(self.repository, &pack)? {
                Removal::Removed => self.report.removed.add_pack(bytes),
                Removal::Gone => {}
                Removal::Locked => {
                    self.report.locked.add_pack(bytes);
                    removed.remove(&pack);
                }
            }
            self.progress.removed.add_done(1);
        }
        Ok(())
    }

    /// Ends sessions that can no longer be waited for; one that commits in this moment has won.
    fn expire(&mut self, view: &mut View) -> Result<(), UpkeepError> {
        let open = view.open_sessions();
        let is_open = |id: &SnapshotId| open.iter().any(|session| session.id == *id);
        if let Some(session) = self.options.expire.iter().find(|id| !is_open(id)) {
            return Err(UpkeepError::NoSession { session: *session });
        }
        // If two can create one name, a session that may come back is ended by the operator alone.
        let one_wins = self.repository.setup.store.abilities();
        let one_wins = one_wins.conditional_create.is_real();
        for (session, may_return) in view.overdue(self.options) {
            if may_return && !one_wins {
                continue;
            }
            self.may_return |= may_return;
            if self.options.dry_run || self.repository.expire(&session)? {
                view.note_ended(&session);
                self.report.expired.push(session);
            } else {
                view.committed(self.repository, &session)?;
            }
        }
        Ok(())
    }

    /// Reports what is stored, named, copied, kept and removed.
    fn report_view(
        &mut self,
        view: &View,
        census: &Census,
        candidates: &HashSet<PackId>,
        removed: &HashSet<PackId>,
        sparse: &repack::Sparse,
        locks: &Locks,
    ) {
        let report = &mut self.report;
        for bytes in view.all_stored_bytes() {
            report.stored.add_pack(bytes);
        }
        for pack in candidates {
            report.named.add_pack(view.stored_bytes(pack));
        }
        for pack in sparse.rescued.iter().chain(&sparse.retired) {
            report.repacked.add_pack(view.stored_bytes(pack));
        }
        report.unused_bytes = census.unused_bytes(&sparse.retired.iter().copied().collect());
        for pack in view.tombstoned() {
            if census.is_needed(&pack) {
                report.kept.add_pack(view.stored_bytes(&pack));
            } else if removed.contains(&pack) {
                if self.options.dry_run {
                    report.removed.add_pack(view.stored_bytes(&pack));
                }
            } else if !locks.packs.contains_key(&pack) {
                report.waiting.add_pack(view.stored_bytes(&pack));
            }
        }
    }

    /// Writes the tombstone of this generation, which also tells the next one what was there.
    fn write_tombstone(&self, view: &View, packs: HashSet<PackId>) -> Result<(), UpkeepError> {
        let mut packs: Vec<_> = packs.into_iter().collect();
        packs.sort_unstable();
        let tombstone = PackTombstone {
            repository: self.repository.header.repository,
            generation: view.generation,
            written: self.repository.setup.clock.now(),
            packs,
            snapshots: view.seen_snapshots(),
        };
        let name = pack_tombstone_name(view.generation, random()?);
        self.repository
            .put_catalog(&name, &encode("tombstone", &tombstone)?)?;
        Ok(())
    }
}
