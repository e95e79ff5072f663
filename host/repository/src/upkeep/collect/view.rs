//! What there is, as far as the store can be believed.
//!
//! What keeps something alive is listed twice and taken together: one listing that leaves something out
//! removes nothing. The order counts. Tombstones come before packs, sessions before snapshots, snapshots
//! before the index, and that before packs: so whatever is missing in one is seen in the next.

use crate::format::root::Root;
use crate::format::session::{PackTombstone, SessionNote};
use crate::ground::names::snapshot_name;
use crate::objects::error::{ObjectError, ObjectFault};
use crate::repository::Repository;
use crate::snapshot::Slot;
use crate::upkeep::UpkeepError;
use crate::upkeep::collect::{OpenSession, Options};
use crate::write::lease::{Lease, Tombstoned};
use crate::write::process;
use holdfast_base::id::{PackId, SegmentId, SnapshotId};
use holdfast_base::time::Instant;
use holdfast_store::{Listed, Name, Warmth};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// How far the store's clock and this machine's may be apart.
const SKEW_MAX: Duration = Duration::from_secs(300);

/// A session as the store has it.
struct Session {
    id: SnapshotId,
    received: Instant,
    /// What it says of itself; none if it cannot be read.
    note: Option<SessionNote>,
    is_open: bool,
}

/// A pack as the store has it.
struct Stored {
    bytes: u64,
    received: Instant,
    /// Whether every listing showed it.
    is_sure: bool,
    /// Whether it has to be thawed before it can be read.
    is_cold: bool,
}

/// What there is.
pub(super) struct View {
    /// The number of this collection.
    pub(super) generation: u32,
    /// The segments of the index that there were before packs were listed; none until they are looked at.
    pub(super) segments: Vec<SegmentId>,
    now: Instant,
    tombstones: HashMap<Name, Tombstoned>,
    named: HashSet<PackId>,
    sessions: Vec<Session>,
    roots: BTreeMap<SnapshotId, Root>,
    marks: Vec<SnapshotId>,
    /// What keys signed after they were revoked, in the place of snapshots: it keeps nothing.
    refused: HashSet<SnapshotId>,
    forgotten: Vec<(SnapshotId, Instant)>,
    packs: HashMap<PackId, Stored>,
}

impl View {
    /// Looks at everything but packs.
    ///
    /// # Errors
    /// Something cannot be read, listings contradict each other, or the clocks are too far apart.
    pub(super) fn read(
        repository: &Repository,
        lease: Option<&Lease>,
        options: &Options,
    ) -> Result<Self, UpkeepError> {
        let mut tombstones = repository.pack_tombstones()?;
        tombstones.extend(repository.pack_tombstones()?);
        let latest = tombstones.values().map(|t| t.tombstone.generation).max();
        let sessions = list_twice(repository, "sessions")?;
        let now = store_time(repository, lease, &sessions)?;
        let earlier = tombstones.values().flat_map(|t| &t.tombstone.snapshots);
        let (roots, marks, refused) = read_snapshots(repository, earlier.copied().collect())?;
        let marks_on_snapshots = repository.marks_surely()?;
        let grace = i64::try_from(options.forgotten_grace.as_nanos()).unwrap_or(i64::MAX);
        let forgotten = marks_on_snapshots.forgotten.iter();
        let named = tombstones.values().flat_map(|t| &t.tombstone.packs);
        let mut view = Self {
            generation: latest.unwrap_or(0).saturating_add(1),
            segments: Vec::new(),
            now,
            named: named.copied().collect(),
            sessions: Vec::new(),
            roots,
            marks,
            refused,
            forgotten: forgotten
                .map(|f| {
                    (
                        f.tombstone.snapshot,
                        Instant(f.since.0.saturating_add(grace)),
                    )
                })
                .collect(),
            packs: HashMap::new(),
            tombstones,
        };
        view.read_sessions(repository, lease, &sessions)?;
        Ok(view)
    }

    /// Looks at packs, when all is known that needs them: a snapshot that was committed instead of being
    /// ended may need packs that are newer than it was when it was looked for.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub(super) fn look_at_packs(&mut self, repository: &Repository) -> Result<(), UpkeepError> {
        self.segments = repository.segments()?;
        self.packs = read_packs(repository)?;
        Ok(())
    }

    fn read_sessions(
        &mut self,
        repository: &Repository,
        lease: Option<&Lease>,
        listed: &HashMap<Name, Seen>,
    ) -> Result<(), UpkeepError> {
        let marks = self.marks.iter().chain(&self.refused);
        let marked: HashSet<SnapshotId> = marks.copied().collect();
        for (name, seen) in listed {
            let Ok(id) = name.last().parse::<SnapshotId>() else {
                continue;
            };
            if lease.is_some_and(|lease| lease.id == id) {
                continue;
            }
            let note = match repository.session(name) {
                Ok(note) => Some(note),
                Err(_) if repository.is_gone(name) => continue,
                Err(ObjectError::Damaged { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            self.sessions.push(Session {
                id,
                received: seen.listed.received,
                note,
                is_open: !self.roots.contains_key(&id) && !marked.contains(&id),
            });
        }
        Ok(())
    }

    /// Returns the sessions that need not be waited for: their process is dead, they are too old, or the
    /// operator says so; with each, whether it may come back all the same.
    pub(super) fn overdue(&self, options: &Options) -> Vec<(SnapshotId, bool)> {
        let is_old = |session: &Session| {
            let age = self.now.0.saturating_sub(session.received.0);
            u128::try_from(age).is_ok_and(|age| age >= options.expire_after.as_nanos())
        };
        let is_dead = |session: &Session| {
            let note = session.note.as_ref();
            note.is_some_and(|note| process::is_dead(&note.process))
        };
        let open = self.sessions.iter().filter(|session| session.is_open);
        open.filter_map(|session| {
            let is_over = is_dead(session) || options.expire.contains(&session.id);
            (is_over || is_old(session)).then_some((session.id, !is_over))
        })
        .collect()
    }

    /// Takes note of a session that was ended.
    pub(super) fn note_ended(&mut self, id: &SnapshotId) {
        self.close_session(id);
        self.marks.push(*id);
    }

    /// Takes note of a snapshot that was committed meanwhile.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn committed(
        &mut self,
        repository: &Repository,
        id: &SnapshotId,
    ) -> Result<(), UpkeepError> {
        self.close_session(id);
        match repository.stored_slot(id) {
            Ok(Slot::Root(root)) => drop(self.roots.insert(*id, *root)),
            Ok(Slot::Expired) => self.marks.push(*id),
            Err(error) if error.is_revoked() => drop(self.refused.insert(*id)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn close_session(&mut self, id: &SnapshotId) {
        for session in self.sessions.iter_mut().filter(|s| s.id == *id) {
            session.is_open = false;
        }
    }

    /// Returns the sessions that may still commit.
    pub(super) fn open_sessions(&self) -> Vec<OpenSession> {
        let open = self.sessions.iter().filter(|session| session.is_open);
        open.map(|session| {
            let note = session.note.clone();
            let (purpose, host) = note.map_or_else(Default::default, |n| (n.purpose, n.host));
            OpenSession {
                id: session.id,
                purpose,
                host,
                received: session.received,
            }
        })
        .collect()
    }

    /// Returns the sessions that had ended already when an earlier collection looked.
    pub(super) fn finished(&self) -> impl Iterator<Item = SnapshotId> {
        let known = self.tombstones.values();
        let known: HashSet<_> = known.flat_map(|t| t.tombstone.snapshots.clone()).collect();
        let ended = self.sessions.iter().filter(|session| !session.is_open);
        ended.map(|s| s.id).filter(move |id| known.contains(id))
    }

    /// Returns what time it is, by the store's clock.
    pub(super) fn store_time(&self) -> Instant {
        self.now
    }

    /// Returns the forgotten snapshots whose time is over.
    pub(super) fn removable_snapshots(&self) -> Vec<SnapshotId> {
        let over = self
            .forgotten
            .iter()
            .filter(|(_, until)| *until <= self.now);
        let is_there = |id| self.roots.contains_key(id) || self.refused.contains(id);
        let there = over.filter(|(id, _)| is_there(id));
        there.map(|(id, _)| *id).collect()
    }

    /// Returns the snapshots that are there, without those.
    pub(super) fn kept_roots(&self, without: &[SnapshotId]) -> Vec<&Root> {
        let roots = self.roots.values();
        roots
            .filter(|root| !without.contains(&root.snapshot))
            .collect()
    }

    /// Returns everything that stands in the place of a snapshot.
    pub(super) fn seen_snapshots(&self) -> Vec<SnapshotId> {
        let roots = self.roots.keys();
        let others = self.marks.iter().chain(&self.refused);
        roots.chain(others).copied().collect()
    }

    /// Returns the tombstones by which something may be removed: they are old enough, two collections
    /// have begun since, and every run that may still commit keeps clear of them.
    pub(super) fn ripe_tombstones(&self, grace: Duration) -> impl Iterator<Item = &PackTombstone> {
        let is_ripe = move |(name, found): &(&Name, &Tombstoned)| {
            let age = self.now.0.saturating_sub(found.received.0);
            let open = self.sessions.iter().filter(|session| session.is_open);
            let mut notes = open.map(|session| session.note.as_ref());
            u128::try_from(age).is_ok_and(|age| age >= grace.as_nanos())
                && found.tombstone.generation.saturating_add(2) <= self.generation
                && notes.all(|note| {
                    note.is_some_and(|note| note.seen.iter().any(|seen| seen == name.last()))
                })
        };
        self.tombstones
            .iter()
            .filter(is_ripe)
            .map(|(_, found)| &found.tombstone)
    }

    /// Returns the tombstones whose packs are all gone, counting those as gone that were removed now.
    pub(super) fn finished_tombstones(
        &self,
        removed: &HashSet<PackId>,
    ) -> impl Iterator<Item = &Name> {
        let is_gone = |pack: &PackId| removed.contains(pack) || !self.packs.contains_key(pack);
        let done = self.tombstones.iter();
        done.filter(move |(_, found)| found.tombstone.packs.iter().all(is_gone))
            .map(|(name, _)| name)
    }

    /// Returns whether a pack is there and no tombstone names it.
    pub(super) fn is_clean(&self, pack: &PackId) -> bool {
        !self.named.contains(pack) && self.packs.get(pack).is_some_and(|stored| stored.is_sure)
    }

    /// Returns whether a pack is there.
    pub(super) fn is_stored(&self, pack: &PackId) -> bool {
        self.packs.contains_key(pack)
    }

    /// Returns whether a pack lies in a cold class: copying what is in it would have to wait, and cost money.
    pub(super) fn is_cold(&self, pack: &PackId) -> bool {
        self.packs.get(pack).is_some_and(|stored| stored.is_cold)
    }

    /// Returns the packs that are there and that a tombstone names.
    pub(super) fn tombstoned(&self) -> impl Iterator<Item = PackId> {
        let named = self.named.iter().copied();
        named.filter(|pack| self.is_stored(pack))
    }

    /// Returns the packs that no tombstone names, and that are older than every run that may still commit:
    /// others may belong to one of those.
    pub(super) fn settled(&self) -> impl Iterator<Item = PackId> {
        let open = self.sessions.iter().filter(|session| session.is_open);
        let oldest = open.map(|session| session.received).min();
        let packs = self.packs.iter().filter(move |(id, stored)| {
            !self.named.contains(*id) && oldest.is_none_or(|oldest| stored.received < oldest)
        });
        packs.map(|(id, _)| *id)
    }

    /// Returns how long a pack is.
    pub(super) fn stored_bytes(&self, pack: &PackId) -> u64 {
        self.packs.get(pack).map_or(0, |stored| stored.bytes)
    }

    /// Returns how long all packs are.
    pub(super) fn all_stored_bytes(&self) -> impl Iterator<Item = u64> {
        self.packs.values().map(|stored| stored.bytes)
    }
}

/// An object, and whether both listings showed it.
struct Seen {
    listed: Listed,
    is_sure: bool,
}

/// Lists an area twice and returns what either showed.
fn list_twice(repository: &Repository, area: &str) -> Result<HashMap<Name, Seen>, UpkeepError> {
    let mut all = HashMap::new();
    for listed in repository.setup.store.list(area)? {
        let is_sure = false;
        all.insert(listed.name.clone(), Seen { listed, is_sure });
    }
    for listed in repository.setup.store.list(area)? {
        let is_sure = all.contains_key(&listed.name);
        all.insert(listed.name.clone(), Seen { listed, is_sure });
    }
    Ok(all)
}

/// Returns the store's time, as it showed when it received this collection's own session.
fn store_time(
    repository: &Repository,
    lease: Option<&Lease>,
    sessions: &HashMap<Name, Seen>,
) -> Result<Instant, UpkeepError> {
    let here = repository.setup.clock.now();
    let Some(lease) = lease else {
        return Ok(here);
    };
    let own = sessions
        .values()
        .find(|seen| seen.listed.name.last() == lease.id.to_string());
    let Some(own) = own else {
        // What was created a moment ago is not listed: nor may be what others created.
        return Err(ObjectError::Disagree { area: "sessions" }.into());
    };
    let there = own.listed.received;
    let apart = Duration::from_nanos(here.0.abs_diff(there.0));
    if apart > SKEW_MAX {
        return Err(UpkeepError::ClocksDiffer { here, there });
    }
    Ok(there)
}

/// Snapshots, marks in the place of some, and what revoked keys signed.
type Snapshots = (
    BTreeMap<SnapshotId, Root>,
    Vec<SnapshotId>,
    HashSet<SnapshotId>,
);

/// Reads all snapshots and marks; those too that an earlier collection saw and that are listed no more.
fn read_snapshots(
    repository: &Repository,
    earlier: HashSet<SnapshotId>,
) -> Result<Snapshots, UpkeepError> {
    let listed = list_twice(repository, "snapshots")?;
    let mut ids: HashSet<SnapshotId> = HashSet::new();
    for name in listed.keys() {
        let stray = || {
            let what = "it does not have the name of a snapshot";
            let what = crate::format::FormatError::invalid("listing", what);
            ObjectError::from(what).in_object(name.as_str())
        };
        ids.insert(name.last().parse().map_err(|_| stray())?);
    }
    for id in earlier.difference(&ids) {
        if !repository.is_gone(&snapshot_name(id)) {
            return Err(ObjectError::Disagree { area: "snapshots" }.into());
        }
    }
    let (mut roots, mut marks) = (BTreeMap::new(), Vec::new());
    let mut refused = HashSet::new();
    for id in ids {
        match repository.slot(&id) {
            Ok(Slot::Root(root)) => drop(roots.insert(id, *root)),
            Ok(Slot::Expired) => marks.push(id),
            Err(_) if repository.is_gone(&snapshot_name(&id)) => {}
            Err(error) if error.is_revoked() => drop(refused.insert(id)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((roots, marks, refused))
}

fn read_packs(repository: &Repository) -> Result<HashMap<PackId, Stored>, UpkeepError> {
    let listed = list_twice(repository, "packs")?.into_values();
    let packs = listed.filter_map(|seen| {
        let id = seen.listed.name.last().parse().ok()?;
        let stored = Stored {
            bytes: seen.listed.size,
            received: seen.listed.received,
            is_sure: seen.is_sure,
            is_cold: seen.listed.warmth == Warmth::Cold,
        };
        Some((id, stored))
    });
    Ok(packs.collect())
}
