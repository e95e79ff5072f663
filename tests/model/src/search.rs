//! Tries everything that can happen in a world.

use crate::world::{COMPLETE, KEPT, World};
use stateright::{Checker, HasDiscoveries, Model, Path};
use std::collections::BTreeSet;

/// What was found in a world.
#[derive(Debug)]
pub struct Found {
    /// How many different states were looked at.
    pub states: usize,
    /// The longest history, in steps.
    pub depth: usize,
    /// Whether these are all that there are.
    pub all: bool,
    /// A shortest history that ends badly, in words.
    pub fault: Option<Vec<String>>,
    /// The things of which an example was seen.
    pub seen: BTreeSet<&'static str>,
}

/// Tries everything, up to so many steps, or until something bad is found.
#[must_use]
pub fn search(world: World, steps_max: usize) -> Found {
    let checker = world
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(steps_max)
        .spawn_bfs()
        .join();
    let mut discoveries = checker.discoveries();
    let fault = [COMPLETE, KEPT]
        .into_iter()
        .find_map(|name| discoveries.remove(name))
        .map(|path| told(&world, path));
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        all: fault.is_none() && checker.state_count() < steps_max,
        fault,
        seen: discoveries.into_keys().collect(),
    }
}

fn told(world: &World, path: Path<crate::state::State, crate::world::Step>) -> Vec<String> {
    path.into_actions()
        .iter()
        .map(|step| world.format_action(step))
        .collect()
}
