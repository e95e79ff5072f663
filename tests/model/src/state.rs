//! What is in the store, and where everybody stands.
//!
//! Sets of packs, tombstones and snapshots are bits of a byte. What an object held is remembered after
//! it is deleted, since whoever listed it before may have read it; whether it is there is another bit.

/// Most packs that ever exist.
pub const PACKS: usize = 4;
/// Most tombstones that ever exist.
pub const TOMBSTONES: usize = 5;
/// Most sessions (and so snapshots) that ever exist.
pub const IDS: usize = 5;

/// A set of packs, tombstones, ids or chunks.
pub type Set = u8;

/// The members of a set.
pub fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..8).filter(move |at| has(set, *at))
}

/// Whether something is in a set.
#[must_use]
pub fn has(set: Set, at: usize) -> bool {
    set & one(at) != 0
}

/// The set of one.
#[must_use]
pub fn one(at: usize) -> Set {
    1 << at
}

/// Packs that collection found to be needed by nobody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tombstone {
    /// Its number; later ones have higher numbers unless a listing lied.
    pub generation: u8,
    /// What it names.
    pub packs: Set,
    /// The snapshots and expired marks that its collector saw.
    pub recorded: Set,
}

/// What stands under `snapshots/<id>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Nothing, yet or any more.
    #[default]
    Absent,
    /// A signed root: the snapshot is committed.
    Root,
    /// The mark of a collector that was faster.
    Expired,
}

/// A session and the snapshot that it may become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Whether `sessions/<id>` exists.
    pub session: bool,
    /// The tombstones that the session has seen.
    pub seen: Set,
    /// The commit key.
    pub key: Key,
    /// The chunks that the snapshot needs.
    pub needs: Set,
    /// Whether a tombstone says that it is forgotten.
    pub forgotten: bool,
    /// Whether a collector has announced that it removes it.
    pub announced: bool,
    /// Whether the operator was told that it is back.
    pub promised: bool,
}

/// Where a writer stands: the step that comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WriterAt {
    /// W1 comes next, if another backup begins.
    #[default]
    Idle,
    /// W2.
    CreateSession,
    /// W3, first half.
    ListTombstones,
    /// W3, second half.
    ListPacks,
    /// W4, first half.
    StorePack,
    /// W4, second half.
    StoreIndex,
    /// W5.
    Revalidate,
    /// W6.
    Commit,
    /// W6, whose answer was lost.
    CommitUnanswered,
    /// W6, lost: W1 again.
    BeginAgain,
    /// W7.
    GiveUp,
}

/// A process that backs up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Writer {
    /// What it does next.
    pub at: WriterAt,
    /// Its session.
    pub id: u8,
    /// Whether this is the attempt after a lost race.
    pub again: bool,
    /// The tombstones that W1 listed.
    pub seen: Set,
    /// The packs that it avoids.
    pub avoided: Set,
    /// What it listed, where packs are listed before tombstones.
    pub listed: Set,
    /// The packs that it relies on, reused or own.
    pub relies: Set,
    /// The pack that it is about to store.
    pub own: Set,
}

/// Where a collector stands: the step that comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CollectorAt {
    /// G1 comes next, if another collection begins.
    #[default]
    Idle,
    /// G1, where packs came first.
    ListTombstones,
    /// G2, first half.
    ListSessions,
    /// G2, second half.
    ListSnapshots,
    /// G3, for any open session; then G4 and the decisions of G5 and G6.
    Mark,
    /// Repack: the new pack is stored.
    StoreCopy,
    /// Repack: the index names it.
    IndexCopy,
    /// G6.
    CreateTombstone,
    /// G7: announces.
    AnnounceRemoval,
    /// G7: looks again whether it is still forgotten.
    AskAgain,
    /// G7: removes the session object.
    RemoveSession,
    /// G7: removes the snapshot.
    RemoveSnapshot,
    /// G7: removes its tombstone.
    RemoveForgotten,
    /// G7: removes the announcement.
    RemoveAnnouncement,
    /// G5: the index is rewritten without what is going to be removed.
    RewriteIndex,
    /// G5: packs are removed, one by one.
    RemovePacks,
    /// G5: tombstones are removed, one by one.
    RemoveTombstones,
    /// G8.
    CleanSessions,
}

/// A process that collects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Collector {
    /// What it does next.
    pub at: CollectorAt,
    /// Its generation.
    pub generation: u8,
    /// The tombstones that it listed.
    pub tombstones: Set,
    /// The sessions that it listed.
    pub sessions: Set,
    /// The roots that it knows.
    pub roots: Set,
    /// The expired marks that it knows.
    pub marks: Set,
    /// The packs that it listed, where it does so first.
    pub packs: Set,
    /// Packs that it has decided to remove.
    pub remove: Set,
    /// Packs that the index is not to name any more.
    pub unlist: Set,
    /// Tombstones that are done.
    pub done: Set,
    /// Packs that it is going to name.
    pub names: Set,
    /// The pack that it copies into `names`.
    pub copy: Set,
    /// The forgotten snapshots that it is going to remove.
    pub forgotten: Set,
}

/// Where the operator stands who brings a snapshot back; its tombstone is deleted already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum BringingBack {
    /// Nowhere.
    #[default]
    No,
    /// Looks whether its removal is announced, and then whether it is there.
    LookForAnnouncement(u8),
    /// Looks whether it is there. The order is the other one where that rule is taken out.
    LookForSnapshot(u8),
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The packs that exist.
    pub packs: Set,
    /// The packs that existed once.
    pub gone: Set,
    /// The packs that the index names.
    pub indexed: Set,
    /// What each pack holds or held.
    pub holds: [Set; PACKS],
    /// Packs that were ever begun.
    pub packs_made: u8,
    /// The tombstones that exist.
    pub standing: Set,
    /// What each tombstone names or named.
    pub tombstones: [Tombstone; TOMBSTONES],
    /// Tombstones that were ever created.
    pub tombstones_made: u8,
    /// Sessions and snapshots.
    pub ids: [Id; IDS],
    /// Sessions that were ever begun.
    pub ids_made: u8,
    /// Tombstones younger than the newest generation (that is: the newest).
    pub young_tombstones: Set,
    /// Sessions younger than the newest generation.
    pub young_sessions: Set,
    /// Commit keys younger than the newest generation.
    pub young_keys: Set,
    /// Those who back up; who is who does not matter.
    pub writers: [Writer; 2],
    /// Those who collect.
    pub collectors: [Collector; 2],
    /// What the operator does next about the snapshot that is to come back.
    pub bringing_back: BringingBack,
    /// What may still happen.
    pub left: super::rules::Bounds,
    /// Whether the operator was told that a snapshot is back which is gone, or goes.
    pub promise_broken: bool,
}

impl State {
    /// The snapshots that are committed.
    #[must_use]
    pub fn committed(&self) -> Set {
        self.ids_with(|id| id.key == Key::Root)
    }

    /// The ids of which something is true.
    pub fn ids_with(&self, what: impl Fn(&Id) -> bool) -> Set {
        (0..IDS)
            .filter(|at| what(&self.ids[*at]))
            .fold(0, |set, at| set | one(at))
    }

    /// The packs that some of these tombstones name.
    #[must_use]
    pub fn named_by(&self, tombstones: Set) -> Set {
        members(tombstones).fold(0, |set, at| set | self.tombstones[at].packs)
    }

    /// The chunks that some of these snapshots need.
    #[must_use]
    pub fn needed_by(&self, ids: Set) -> Set {
        members(ids).fold(0, |set, at| set | self.ids[at].needs)
    }

    /// The chunks that some of these packs hold.
    #[must_use]
    pub fn held_by(&self, packs: Set) -> Set {
        members(packs).fold(0, |set, at| set | self.holds[at])
    }

    /// Forgets what makes no difference any more, so that like states are the same.
    #[must_use]
    pub fn settled(mut self) -> Self {
        let known = self
            .collectors
            .iter()
            .fold(self.standing, |set, collector| {
                set | collector.tombstones | collector.done
            })
            | self.writers.iter().fold(0, |set, writer| set | writer.seen);
        for at in 0..TOMBSTONES {
            if !has(known, at) {
                self.tombstones[at] = Tombstone::default();
            }
        }
        for id in &mut self.ids {
            id.seen &= known;
        }
        self.writers.sort_unstable();
        self.collectors.sort_unstable();
        self
    }
}
