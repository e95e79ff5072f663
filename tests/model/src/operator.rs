//! The operator: forgets snapshots, and brings some of them back.
//!
//! To bring back is to delete the tombstone and then to look whether a collector has announced that it
//! removes the snapshot, and only then whether it is there: announcements go after what they announce.

use crate::state::{BringingBack, Key, State, members, one};
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
    let first = world.rules.look_for_announcement_first;
    let mut then = *state;
    match state.bringing_back {
        BringingBack::No => {}
        BringingBack::LookForAnnouncement(id) => {
            let at = usize::from(id);
            then.bringing_back = if first && !then.ids[at].announced {
                BringingBack::LookForSnapshot(id)
            } else {
                BringingBack::No
            };
            let promised = !first && !then.ids[at].announced;
            then.ids[at].promised = promised;
            then.promise_broken |= promised && then.ids[at].key != Key::Root;
            push("looks for an announced removal of", at, then);
            return;
        }
        BringingBack::LookForSnapshot(id) => {
            let at = usize::from(id);
            let is_there = then.ids[at].key == Key::Root;
            then.bringing_back = if !first && is_there {
                BringingBack::LookForAnnouncement(id)
            } else {
                BringingBack::No
            };
            then.ids[at].promised = first && is_there;
            push("looks for", at, then);
            return;
        }
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
            let id = at as u8;
            then.bringing_back = if first && world.rules.announce_removal {
                BringingBack::LookForAnnouncement(id)
            } else {
                BringingBack::LookForSnapshot(id)
            };
            push("brings back", at, then);
        }
    }
}
