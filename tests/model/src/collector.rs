//! A collection: G1 to G8 of the protocol, one operation of the store at a time.

use crate::state::{
    Collector, CollectorAt, Key, PACKS, Set, State, TOMBSTONES, Tombstone, has, members, one,
};
use crate::world::{Step, World};

/// A collector at one moment: what it may do next is pushed to `out`.
struct Turn<'a> {
    world: &'a World,
    state: &'a State,
    slot: usize,
    collector: Collector,
    out: &'a mut Vec<Step>,
}

/// What the collector in this slot may do next.
pub(crate) fn steps(world: &World, state: &State, slot: usize, out: &mut Vec<Step>) {
    let collector = state.collectors[slot];
    let mut turn = Turn {
        world,
        state,
        slot,
        collector,
        out,
    };
    match collector.at {
        CollectorAt::Idle => turn.begin(),
        CollectorAt::ListTombstones => turn.list_tombstones(*state, collector),
        CollectorAt::ListSessions => turn.list_sessions(),
        CollectorAt::ListSnapshots => turn.list_snapshots(),
        CollectorAt::Mark => {
            turn.expire();
            turn.mark();
        }
        CollectorAt::StoreCopy => turn.store_copy(),
        CollectorAt::IndexCopy => turn.index_copy(),
        CollectorAt::CreateTombstone => turn.create_tombstone(),
        CollectorAt::AnnounceRemoval => turn.announce_removal(),
        CollectorAt::AskAgain => turn.ask_again(),
        CollectorAt::RemoveSession => turn.remove_session(),
        CollectorAt::RemoveSnapshot => turn.remove_snapshot(),
        CollectorAt::RemoveForgotten => turn.remove_forgotten(),
        CollectorAt::RemoveAnnouncement => turn.remove_announcement(),
        CollectorAt::RewriteIndex => turn.rewrite_index(),
        CollectorAt::RemovePacks => turn.remove_pack(),
        CollectorAt::RemoveTombstones => turn.remove_tombstone(),
        CollectorAt::CleanSessions => turn.clean_sessions(),
    }
    if collector.at != CollectorAt::Idle && state.left.collections > 0 {
        turn.push("is killed", 0, *state, Collector::default());
    }
}

/// The first member of a set that is not empty.
fn first(set: Set) -> usize {
    set.trailing_zeros() as usize
}

impl Turn<'_> {
    fn push(&mut self, does: &'static str, on: Set, mut then: State, collector: Collector) {
        then.collectors[self.slot] = collector;
        self.out.push(Step {
            who: "collector",
            does,
            on,
            then,
        });
    }

    fn begin(&mut self) {
        if self.state.left.collections == 0 || usize::from(self.state.tombstones_made) == TOMBSTONES
        {
            return;
        }
        let mut then = *self.state;
        then.left.collections -= 1;
        if self.world.rules.collect_tombstones_before_packs {
            self.list_tombstones(then, Collector::default());
            return;
        }
        let collector = Collector {
            at: CollectorAt::ListTombstones,
            packs: then.packs & then.indexed,
            ..Collector::default()
        };
        self.push(
            "lists packs and the index first",
            then.packs,
            then,
            collector,
        );
    }

    /// G1: what is named, and the number of this generation.
    fn list_tombstones(&mut self, base: State, collector: Collector) {
        let rules = &self.world.rules;
        let views = self.world.views(
            &base,
            base.standing,
            base.young_tombstones,
            rules.list_tombstones_twice,
        );
        for (tombstones, lies) in views {
            let mut then = base;
            then.left.lies -= lies;
            let newest = members(tombstones)
                .map(|at| then.tombstones[at].generation)
                .max();
            let collector = Collector {
                at: if rules.list_sessions_before_snapshots {
                    CollectorAt::ListSessions
                } else {
                    CollectorAt::ListSnapshots
                },
                generation: newest.unwrap_or(0) + 1,
                tombstones,
                ..collector
            };
            self.push("G1 lists tombstones", tombstones, then, collector);
        }
    }

    /// G2, first half: who may commit.
    fn list_sessions(&mut self) {
        let rules = &self.world.rules;
        let state = self.state;
        let views = self.world.views(
            state,
            state.ids_with(|id| id.session),
            state.young_sessions,
            rules.list_everything_twice,
        );
        for (sessions, lies) in views {
            let mut then = *state;
            then.left.lies -= lies;
            let mut collector = self.collector;
            collector.sessions = sessions;
            collector.at = if rules.list_sessions_before_snapshots {
                CollectorAt::ListSnapshots
            } else {
                CollectorAt::Mark
            };
            self.push("G2 lists sessions", sessions, then, collector);
        }
    }

    /// G2, second half: who has committed.
    fn list_snapshots(&mut self) {
        let rules = &self.world.rules;
        let state = self.state;
        let keys = state.ids_with(|id| id.key != Key::Absent);
        let views = self
            .world
            .views(state, keys, state.young_keys, rules.list_everything_twice);
        for (listed, lies) in views {
            let mut then = *state;
            then.left.lies -= lies;
            let mut collector = self.collector;
            if rules.ask_for_missing_snapshots && self.recorded() & keys & !listed != 0 {
                self.push("G2 refuses: missing", listed, then, Collector::default());
                continue;
            }
            collector.roots = listed & state.committed();
            collector.marks = listed & !state.committed();
            collector.at = if rules.list_sessions_before_snapshots {
                CollectorAt::Mark
            } else {
                CollectorAt::ListSessions
            };
            self.push("G2 lists snapshots", listed, then, collector);
        }
    }

    /// The snapshots and marks that the generation before recorded.
    fn recorded(&self) -> Set {
        members(self.collector.tombstones)
            .map(|at| self.state.tombstones[at])
            .filter(|it| it.generation + 1 == self.collector.generation)
            .fold(0, |set, tombstone| set | tombstone.recorded)
    }

    fn open_sessions(&self) -> Set {
        self.collector.sessions & !self.collector.roots & !self.collector.marks
    }

    /// G3: wins the commit key of an open session, or learns that it has committed.
    fn expire(&mut self) {
        if self.state.left.expiries == 0 {
            return;
        }
        for at in members(self.open_sessions()) {
            let mut then = *self.state;
            then.left.expiries -= 1;
            let mut collector = self.collector;
            if self.world.rules.expire_by_winning_the_key {
                let key = &mut then.ids[at].key;
                if *key == Key::Root {
                    collector.roots |= one(at);
                } else {
                    *key = Key::Expired;
                    then.young_keys |= one(at);
                    collector.marks |= one(at);
                }
            } else {
                collector.marks |= one(at);
            }
            self.push("G3 expires", one(at), then, collector);
        }
    }

    /// G4 to G6: lists packs, reads the index and decides everything else of this run.
    fn mark(&mut self) {
        let rules = &self.world.rules;
        let early = (!rules.collect_tombstones_before_packs).then_some(self.collector.packs);
        for (mut listed, lies) in self.world.pack_views(self.state) {
            if let Some(packs) = early {
                if lies > 0 {
                    continue;
                }
                listed = packs;
            }
            let mut then = *self.state;
            then.left.lies -= lies;
            self.decide(then, listed);
        }
    }

    fn decide(&mut self, mut then: State, listed: Set) {
        let rules = &self.world.rules;
        let forgotten = then.ids_with(|id| id.forgotten);
        let needed = then.needed_by(self.collector.roots & !forgotten);
        let indexed = if rules.collect_tombstones_before_packs {
            then.indexed
        } else {
            listed
        };
        if needed & !then.held_by(listed & indexed) != 0 {
            self.push("G4 refuses: damage", listed, then, Collector::default());
            return;
        }
        let named = then.named_by(self.collector.tombstones);
        let eligible = self.eligible();
        let mut collector = self.collector;
        collector.remove = self.removable(&then, listed, listed & indexed, needed, eligible);
        collector.done = members(eligible)
            .filter(|at| {
                let packs = then.tombstones[*at].packs & !collector.remove;
                let there = if rules.ask_by_name {
                    then.packs
                } else {
                    listed
                };
                !rules.named_packs_stay_named || packs & there == 0
            })
            .fold(0, |set, at| set | one(at));
        collector.unlist = collector.remove | then.named_by(collector.done);
        collector.unlist &= then.indexed;
        let clean = listed & indexed & !named;
        collector.names = members(listed & !named)
            .filter(|at| {
                let kept = then.held_by(clean & (one(*at) - 1));
                then.holds[*at] & needed & !kept == 0 || !has(then.indexed, *at)
            })
            .fold(0, |set, at| set | one(at));
        if !rules.name_before_removing {
            collector.remove |= collector.names;
            collector.unlist |= collector.names & then.indexed;
        }
        collector.sessions &= collector.roots | collector.marks;
        if !rules.clean_sessions_last {
            for at in members(collector.sessions) {
                then.ids[at].session = false;
            }
        }
        collector.tombstones = 0;
        collector.packs = 0;
        collector.forgotten = forgotten;
        collector.at = CollectorAt::CreateTombstone;
        self.repack(then, collector, listed & then.indexed & !named, needed);
        self.push(
            "G4 marks, removes",
            collector.remove,
            then,
            onward(collector),
        );
    }

    /// Copies what is needed out of one of these packs, and names it: in every way.
    fn repack(&mut self, base: State, marked: Collector, sparse: Set, needed: Set) {
        if base.left.repacks == 0 || usize::from(base.packs_made) == PACKS {
            return;
        }
        for at in members(sparse & !marked.names) {
            let (mut then, mut collector) = (base, marked);
            then.left.repacks -= 1;
            let copy = usize::from(then.packs_made);
            collector.names |= one(at);
            if self.world.rules.copy_before_naming {
                then.packs_made += 1;
                then.holds[copy] = then.holds[at] & needed;
                collector.copy = one(copy);
                collector.at = CollectorAt::StoreCopy;
            }
            self.push("G4 marks, repacks", one(at), then, collector);
        }
    }

    /// G5: the tombstones that may be swept.
    fn eligible(&self) -> Set {
        let rules = &self.world.rules;
        let collector = &self.collector;
        let open = self.open_sessions();
        members(collector.tombstones)
            .filter(|at| {
                let generation = self.state.tombstones[*at].generation;
                let old = !rules.wait_two_generations || generation + 2 <= collector.generation;
                let slept = !rules.wait_a_day || !has(self.state.young_tombstones, *at);
                let seen = members(open).all(|id| has(self.state.ids[id].seen, *at));
                old && slept && (seen || !rules.unseen_blocks)
            })
            .fold(0, |set, at| set | one(at))
    }

    /// G5: the packs of these tombstones that nobody needs, or that are superfluous.
    fn removable(
        &self,
        then: &State,
        listed: Set,
        mut copies: Set,
        needed: Set,
        eligible: Set,
    ) -> Set {
        let rules = &self.world.rules;
        if rules.only_clean_copies_count {
            copies &= !then.named_by(self.collector.tombstones);
        }
        if rules.ask_by_name {
            copies &= then.packs;
        }
        members(then.named_by(eligible) & listed)
            .filter(|at| {
                let here = then.holds[*at] & needed;
                !rules.mark_again_before_removing || here & !then.held_by(copies & !one(*at)) == 0
            })
            .fold(0, |set, at| set | one(at))
    }

    fn store_copy(&mut self) {
        let mut then = *self.state;
        then.packs |= self.collector.copy;
        let mut collector = self.collector;
        collector.at = CollectorAt::IndexCopy;
        self.push("stores copy", collector.copy, then, collector);
    }

    fn index_copy(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let copy = collector.copy;
        then.indexed |= copy;
        collector.copy = 0;
        collector.at = CollectorAt::CreateTombstone;
        self.push("stores index of copy", copy, then, collector);
    }

    fn remove_pack(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let pack = one(first(collector.remove));
        then.gone |= then.packs & pack;
        then.packs &= !pack;
        collector.remove &= !pack;
        self.push("G5 removes pack", pack, then, onward(collector));
    }

    /// G5: the index forgets packs before they go.
    fn rewrite_index(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let unlist = collector.unlist;
        then.indexed &= !unlist;
        collector.unlist = 0;
        collector.at = CollectorAt::RemovePacks;
        self.push("G5 rewrites index without", unlist, then, onward(collector));
    }

    fn remove_tombstone(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let tombstone = one(first(collector.done));
        then.standing &= !tombstone;
        collector.done &= !tombstone;
        self.push("G5 removes tombstone", tombstone, then, onward(collector));
    }

    /// G6: names what nobody needs.
    fn create_tombstone(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let at = usize::from(then.tombstones_made);
        if at == TOMBSTONES {
            return;
        }
        then.tombstones[at] = Tombstone {
            generation: collector.generation,
            packs: collector.names,
            recorded: collector.roots | collector.marks,
        };
        then.tombstones_made += 1;
        then.standing |= one(at);
        then.young_tombstones = one(at);
        then.young_sessions = 0;
        then.young_keys = 0;
        let names = collector.names;
        collector.at = CollectorAt::AnnounceRemoval;
        (collector.generation, collector.names) = (0, 0);
        (collector.roots, collector.marks) = (0, 0);
        self.push("G6 names", names, then, onward(collector));
    }

    /// G7: says that it is going to remove a snapshot.
    fn announce_removal(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let at = first(collector.forgotten);
        if self.world.rules.announce_removal {
            then.ids[at].announced = true;
            collector.at = CollectorAt::AskAgain;
            self.push("G7 announces removal of", one(at), then, collector);
        } else {
            collector.at = CollectorAt::RemoveSession;
            self.push("G7 is about to remove", one(at), then, collector);
        }
    }

    fn ask_again(&mut self) {
        let mut collector = self.collector;
        let at = first(collector.forgotten);
        if self.state.ids[at].forgotten {
            collector.at = CollectorAt::RemoveSession;
        } else {
            collector.forgotten &= !one(at);
            collector.at = CollectorAt::AnnounceRemoval;
            if self.world.rules.stop_when_removal_is_refused {
                (collector.unlist, collector.remove, collector.done) = (0, 0, 0);
            }
        }
        self.push("G7 asks again for", one(at), *self.state, onward(collector));
    }

    fn remove_session(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let at = first(collector.forgotten);
        then.ids[at].session = false;
        collector.at = CollectorAt::RemoveSnapshot;
        self.push("G7 removes session", one(at), then, collector);
    }

    fn remove_snapshot(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let at = first(collector.forgotten);
        let id = &mut then.ids[at];
        if id.key == Key::Root {
            then.promise_broken |= id.promised;
            id.key = Key::Absent;
        }
        collector.at = CollectorAt::RemoveForgotten;
        self.push("G7 removes snapshot", one(at), then, collector);
    }

    fn remove_forgotten(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let at = first(collector.forgotten);
        then.ids[at].forgotten = false;
        collector.at = CollectorAt::RemoveAnnouncement;
        self.push("G7 removes its tombstone", one(at), then, collector);
    }

    fn remove_announcement(&mut self) {
        let mut then = *self.state;
        let mut collector = self.collector;
        let at = first(collector.forgotten);
        then.ids[at].announced = false;
        collector.forgotten &= !one(at);
        collector.at = CollectorAt::AnnounceRemoval;
        self.push("G7 removes announcement", one(at), then, onward(collector));
    }

    /// G8: sessions that are over.
    fn clean_sessions(&mut self) {
        let mut then = *self.state;
        let sessions = self.collector.sessions;
        for at in members(sessions) {
            then.ids[at].session = false;
        }
        self.push("G8 removes sessions", sessions, then, Collector::default());
    }
}

/// Goes on to the first step that has something to do.
fn onward(mut collector: Collector) -> Collector {
    if collector.at == CollectorAt::AnnounceRemoval && collector.forgotten == 0 {
        collector.at = CollectorAt::RewriteIndex;
    }
    if collector.at == CollectorAt::RewriteIndex && collector.unlist == 0 {
        collector.at = CollectorAt::RemovePacks;
    }
    if collector.at == CollectorAt::RemovePacks && collector.remove == 0 {
        collector.at = CollectorAt::RemoveTombstones;
    }
    if collector.at == CollectorAt::RemoveTombstones && collector.done == 0 {
        collector.at = CollectorAt::CleanSessions;
    }
    if collector.at == CollectorAt::CleanSessions && collector.sessions == 0 {
        collector = Collector::default();
    }
    collector
}
