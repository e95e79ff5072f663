//! The operator: forgets snapshots, and brings some of them back.
//!
//! To bring back is to delete the tombstone and then to look whether a collector has announced that it
//! removes the snapshot: only where none has, the operator is told that the snapshot is back.

use crate::state::{Key, State, members, one};
use crate::world::{Step, World};

/// What the operator may do next.
pub(crate) fn steps(world: &World, state: &State, out: &mut Vec<Step>) {
    let mut push = |does, at: usize, then: State| {
        out.push(Step {
            who: "operator",
            does,
            on: one(at),
            then,
        });
    };
    if let Some(at) = state.bringing_back {
        let at = usize::from(at);
        let mut then = *state;
        then.bringing_back = None;
        let id = &mut then.ids[at];
        id.promised = !id.announced && id.key == Key::Root;
        push("looks for announced removals of", at, then);
        return;
    }
    if state.left.forgets > 0 {
        for at in members(state.ids_with(|id| id.key == Key::Root && !id.forgotten)) {
            let mut then = *state;
            then.left.forgets -= 1;
            then.ids[at].forgotten = true;
            then.ids[at].promised = false;
            push("forgets", at, then);
        }
    }
    if state.left.undeletes > 0 {
        for at in members(state.ids_with(|id| id.forgotten)) {
            let mut then = *state;
            then.left.undeletes -= 1;
            then.ids[at].forgotten = false;
            if world.rules.announce_removal {
                then.bringing_back = u8::try_from(at).ok();
            } else {
                then.ids[at].promised = then.ids[at].key == Key::Root;
            }
            push("brings back", at, then);
        }
    }
}
