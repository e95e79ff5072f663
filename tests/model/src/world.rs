//! Everything together, as the checker wants it.

use crate::rules::{Bounds, Rules};
use crate::state::{BringingBack, Collector, Id, Key, Set, State, Tombstone, Writer, members, one};
use crate::{collector, operator, writer};
use stateright::{Model, Property};

/// A repository at some moment, from which everything is tried.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// For each pack that exists, the chunks it holds; all are in the index.
    pub packs: &'static [Set],
    /// For each tombstone that exists, the packs it names; generations count from one.
    pub tombstones: &'static [Set],
    /// For each snapshot that exists, the chunks it needs.
    pub snapshots: &'static [Set],
}

/// What the checker tries.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// The steps that are kept.
    pub rules: Rules,
    /// How much may happen.
    pub bounds: Bounds,
    /// What there is at first.
    pub start: Start,
    /// The chunks that every backup wants to store.
    pub wants: Set,
}

/// One operation of somebody, and what it leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Who does it: the kind of process.
    pub who: &'static str,
    /// What is done.
    pub does: &'static str,
    /// On what: packs, tombstones or ids, as the words say.
    pub on: Set,
    /// What the world is like afterwards.
    pub then: State,
}

/// Property: nothing that a snapshot needs is ever missing.
pub const COMPLETE: &str = "every snapshot finds its chunks";
/// Property: what the operator has brought back stays.
pub const KEPT: &str = "a snapshot that was brought back stays";
/// Property, to be seen once: garbage goes.
pub const COLLECTED: &str = "a pack is removed";
/// Property, to be seen once: backups end well.
pub const COMMITTED: &str = "a backup commits";
/// Property, to be seen once: a session is expired.
pub const EXPIRED: &str = "a session is expired";
/// Property, to be seen once: a tombstone goes.
pub const SETTLED: &str = "a tombstone is removed";

impl World {
    /// What a listing may show: everything; where listings lag, without what is young; where they lie,
    /// without any one thing. With each the number of lies that it takes.
    pub(crate) fn views(
        &self,
        state: &State,
        there: Set,
        young: Set,
        twice: bool,
    ) -> impl Iterator<Item = (Set, u8)> {
        let cost = 1 + u8::from(twice);
        let late = there & young;
        let late = (self.bounds.late_listings && late != 0).then_some((there & !late, 0));
        let left_out = if state.left.lies >= cost { there } else { 0 };
        std::iter::once((there, 0))
            .chain(late)
            .chain(members(left_out).map(move |at| (there & !one(at), cost)))
    }

    /// What a listing of packs may show: one of them may be missing, or one that is gone still be there.
    pub(crate) fn pack_views(&self, state: &State) -> impl Iterator<Item = (Set, u8)> {
        let packs = state.packs;
        let stale = if state.left.lies > 0 { state.gone } else { 0 };
        self.views(state, packs, 0, false)
            .chain(members(stale).map(move |at| (packs | one(at), 1)))
    }
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            packs: 0,
            gone: 0,
            indexed: 0,
            holds: Default::default(),
            packs_made: 0,
            standing: 0,
            tombstones: Default::default(),
            tombstones_made: 0,
            ids: Default::default(),
            ids_made: 0,
            young_tombstones: 0,
            young_sessions: 0,
            young_keys: 0,
            writers: [Writer::default(); 2],
            collectors: [Collector::default(); 2],
            bringing_back: BringingBack::No,
            left: self.bounds,
            promise_broken: false,
        };
        for (at, holds) in self.start.packs.iter().enumerate() {
            state.packs |= one(at);
            state.indexed |= one(at);
            state.holds[at] = *holds;
            state.packs_made += 1;
        }
        for (at, needs) in self.start.snapshots.iter().enumerate() {
            state.ids[at] = Id {
                needs: *needs,
                key: Key::Root,
                ..Id::default()
            };
            state.ids_made += 1;
        }
        for (at, packs) in self.start.tombstones.iter().enumerate() {
            state.standing |= one(at);
            state.tombstones[at] = Tombstone {
                generation: state.tombstones_made + 1,
                packs: *packs,
                recorded: state.committed(),
            };
            state.tombstones_made += 1;
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        for slot in 0..state.writers.len() {
            if slot == 0 || state.writers[slot] != state.writers[slot - 1] {
                writer::steps(self, state, slot, actions);
            }
        }
        for slot in 0..state.collectors.len() {
            if slot == 0 || state.collectors[slot] != state.collectors[slot - 1] {
                collector::steps(self, state, slot, actions);
            }
        }
        operator::steps(self, state, actions);
    }

    fn next_state(&self, _: &State, step: Step) -> Option<State> {
        Some(step.then.settled())
    }

    fn format_action(&self, step: &Step) -> String {
        format!("{} {} {:05b}", step.who, step.does, step.on)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(COMPLETE, |_, state: &State| {
                let found = state.held_by(state.packs & state.indexed);
                state.needed_by(state.committed()) & !found == 0
            }),
            Property::always(KEPT, |_, state: &State| !state.promise_broken),
            Property::sometimes(COLLECTED, |_, state: &State| state.gone != 0),
            Property::sometimes(COMMITTED, |world: &World, state: &State| {
                let first = world.start.snapshots.len();
                state.committed() >> first != 0
            }),
            Property::sometimes(EXPIRED, |_, state: &State| {
                state.ids_with(|id| id.key == Key::Expired) != 0
            }),
            Property::sometimes(SETTLED, |_, state: &State| {
                state.standing.count_ones() < u32::from(state.tombstones_made)
            }),
        ]
    }
}
