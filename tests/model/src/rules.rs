//! What may be taken out of the protocol, and what the world may do to it.
//!
//! A rule is a step or an order that the protocol prescribes. With all rules kept, the checker must find
//! nothing; for each rule that is taken out, the tests say what it finds.

/// The steps that can be taken out, one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// W3: packs that a tombstone names are as good as gone for a new run.
    pub avoid_named_packs: bool,
    /// W3: the tombstones that count are listed once more when the session is there for all to see.
    pub list_tombstones_after_session: bool,
    /// W3: tombstones are listed before packs; a tombstone that is gone has taken its packs along.
    pub list_tombstones_before_packs: bool,
    /// W3: tombstones are listed twice, and what either listing has counts.
    pub list_tombstones_twice: bool,
    /// W3: only what is listed is reused, whatever the index says.
    pub list_packs_before_reuse: bool,
    /// W4: a pack is stored before the index says so.
    pub store_packs_before_index: bool,
    /// W5: what the snapshot relies on is listed once more before it is committed.
    pub revalidate_before_commit: bool,
    /// W6: who lost the race for the commit key looks at everything again before the next attempt.
    pub revalidate_after_lost_race: bool,
    /// W6: a commit whose answer was lost is looked up, never asked for again.
    pub ask_for_commit_once: bool,
    /// G2: sessions are listed before snapshots; the other way round, who commits in between is missed.
    pub list_sessions_before_snapshots: bool,
    /// G2: sessions and snapshots are listed twice, and a run that sees two truths refuses.
    pub list_everything_twice: bool,
    /// G2: snapshots that the generation before saw and that are not listed are asked for by name.
    pub ask_for_missing_snapshots: bool,
    /// G3: a session is expired by winning its commit key, not by saying so.
    pub expire_by_winning_the_key: bool,
    /// G4, G1: the collector lists tombstones before packs.
    pub collect_tombstones_before_packs: bool,
    /// G4: a pack that is relied on as a copy, or as gone, is asked for by name.
    pub ask_by_name: bool,
    /// G5, G6: nothing is removed that no earlier run has named.
    pub name_before_removing: bool,
    /// G5: what a tombstone names is looked at again before it is removed.
    pub mark_again_before_removing: bool,
    /// G5: an open session that has not seen a tombstone keeps what that names.
    pub unseen_blocks: bool,
    /// G5: a tombstone is left alone until two generations have passed.
    pub wait_two_generations: bool,
    /// G5: a tombstone is left alone for a day, in which listings catch up.
    pub wait_a_day: bool,
    /// G5: only a copy in a pack that no tombstone names makes another superfluous.
    pub only_clean_copies_count: bool,
    /// G5: a pack stays named as long as it is there; a tombstone goes after all of its packs.
    pub named_packs_stay_named: bool,
    /// G7: a removal is announced, and only then is asked whether the snapshot is still forgotten.
    pub announce_removal: bool,
    /// G7: a run that finds a snapshot brought back, which it has marked without, removes no packs.
    pub stop_when_removal_is_refused: bool,
    /// Undelete: announcements are looked for before the snapshot; they go after it.
    pub look_for_announcement_first: bool,
    /// G8: finished sessions go last, after the tombstone that records their end.
    pub clean_sessions_last: bool,
    /// Repack: the copy is stored and in the index before the old pack is named.
    pub copy_before_naming: bool,
}

impl Rules {
    /// The protocol as it is.
    #[must_use]
    pub fn all() -> Self {
        Self {
            avoid_named_packs: true,
            list_tombstones_after_session: true,
            list_tombstones_before_packs: true,
            list_tombstones_twice: true,
            list_packs_before_reuse: true,
            store_packs_before_index: true,
            revalidate_before_commit: true,
            revalidate_after_lost_race: true,
            ask_for_commit_once: true,
            list_sessions_before_snapshots: true,
            list_everything_twice: true,
            ask_for_missing_snapshots: true,
            expire_by_winning_the_key: true,
            collect_tombstones_before_packs: true,
            ask_by_name: true,
            name_before_removing: true,
            mark_again_before_removing: true,
            unseen_blocks: true,
            wait_two_generations: true,
            wait_a_day: true,
            only_clean_copies_count: true,
            named_packs_stay_named: true,
            announce_removal: true,
            stop_when_removal_is_refused: true,
            look_for_announcement_first: true,
            clean_sessions_last: true,
            copy_before_naming: true,
        }
    }

    /// Without what only guards against a store that lies: what remains must be enough for one that
    /// does not.
    #[must_use]
    pub fn without_guards_against_lies() -> Self {
        Self {
            list_tombstones_twice: false,
            list_everything_twice: false,
            ask_for_missing_snapshots: false,
            ask_by_name: false,
            wait_two_generations: false,
            wait_a_day: false,
            ..Self::all()
        }
    }
}

/// How much may happen in one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bounds {
    /// Backups that begin.
    pub backups: u8,
    /// Collections that begin.
    pub collections: u8,
    /// Sessions that a collector or an operator expires.
    pub expiries: u8,
    /// Snapshots that are forgotten.
    pub forgets: u8,
    /// Forgotten snapshots that are brought back.
    pub undeletes: u8,
    /// Packs that are repacked.
    pub repacks: u8,
    /// Listings that leave something out, or still show what is gone.
    pub lies: u8,
    /// Answers that are lost although the thing was done.
    pub lost_answers: u8,
    /// Whether any listing may lack what is younger than the newest generation.
    pub late_listings: bool,
}

impl Bounds {
    /// Nothing at all happens.
    #[must_use]
    pub fn none() -> Self {
        Self {
            backups: 0,
            collections: 0,
            expiries: 0,
            forgets: 0,
            undeletes: 0,
            repacks: 0,
            lies: 0,
            lost_answers: 0,
            late_listings: false,
        }
    }
}
