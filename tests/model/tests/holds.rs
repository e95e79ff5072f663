//! With all of its steps the protocol holds: everything that can happen in these worlds is tried.
//!
//! `HOLDFAST_MODEL=long` tries larger ones, for some minutes and some gigabytes.

#![allow(clippy::print_stdout, reason = "figures, for those who ask for them")]

use holdfast_model::rules::{Bounds, Rules};
use holdfast_model::search::search;
use holdfast_model::world::{COLLECTED, COMMITTED, EXPIRED, SETTLED, Start, World};

const STEPS_MAX: usize = 20_000_000;
const STEPS_MAX_LONG: usize = 1_000_000_000;

/// One pack that nobody needs.
const GARBAGE: Start = Start {
    packs: &[0b1],
    tombstones: &[],
    snapshots: &[],
};
/// One snapshot and its pack.
const SNAPSHOT: Start = Start {
    packs: &[0b1],
    tombstones: &[],
    snapshots: &[0b1],
};
/// Two packs with the same content, both named, both needed by a snapshot.
const RESCUED: Start = Start {
    packs: &[0b1, 0b1],
    tombstones: &[0b01, 0b10],
    snapshots: &[0b1],
};
/// A pack of two chunks, of which a snapshot needs one, and a named pack with the other one.
const OVERLAPPING: Start = Start {
    packs: &[0b11, 0b10],
    tombstones: &[0b10],
    snapshots: &[0b01],
};
/// One chunk in a pack that a snapshot needs, another one in a pack that is named.
const APART: Start = Start {
    packs: &[0b01, 0b10],
    tombstones: &[0b10],
    snapshots: &[0b01],
};

fn bounds(backups: u8, collections: u8) -> Bounds {
    Bounds {
        backups,
        collections,
        ..Bounds::none()
    }
}

fn is_long() -> bool {
    std::env::var("HOLDFAST_MODEL").is_ok_and(|mode| mode == "long")
}

#[track_caller]
fn holds(rules: Rules, bounds: Bounds, start: Start, wants: u8, seen: &[&str]) {
    let world = World {
        rules,
        bounds,
        start,
        wants,
    };
    let steps_max = if is_long() { STEPS_MAX_LONG } else { STEPS_MAX };
    let found = search(world, steps_max);
    println!(
        "{} states, up to {} steps: {bounds:?}",
        found.states, found.depth
    );
    assert_eq!(found.fault, None);
    assert!(found.all, "the world is larger than {steps_max} steps");
    for what in seen {
        assert!(found.seen.contains(what), "never seen: {what}");
    }
}

#[test]
fn two_backups_and_two_collections_at_once_lose_nothing_whatever_the_clocks_say() {
    let bounds = Bounds {
        expiries: 1,
        ..bounds(2, 2)
    };
    let rules = Rules::without_guards_against_lies();
    holds(rules, bounds, GARBAGE, 1, &[COLLECTED, COMMITTED, EXPIRED]);
}

#[test]
fn a_backup_among_many_collections_loses_nothing_whatever_the_clocks_say() {
    let bounds = Bounds {
        expiries: 1,
        ..bounds(1, 3)
    };
    let rules = Rules::without_guards_against_lies();
    let seen = [COLLECTED, COMMITTED, EXPIRED, SETTLED];
    holds(rules, bounds, GARBAGE, 1, &seen);
    let bounds = Bounds {
        expiries: 0,
        ..bounds
    };
    holds(rules, bounds, RESCUED, 1, &[COLLECTED, COMMITTED, SETTLED]);
}

#[test]
fn chunks_that_lie_in_several_packs_are_kept_once_at_least() {
    let rules = Rules::without_guards_against_lies();
    let seen = [COLLECTED, COMMITTED];
    holds(rules, bounds(1, 3), OVERLAPPING, 0b11, &seen);
    holds(rules, bounds(1, 3), APART, 0b11, &seen);
}

#[test]
fn forgetting_and_bringing_back_lose_nothing_that_was_not_forgotten() {
    let bounds = Bounds {
        forgets: 1,
        undeletes: 1,
        ..bounds(1, 2)
    };
    let rules = Rules::without_guards_against_lies();
    holds(rules, bounds, SNAPSHOT, 1, &[COLLECTED, COMMITTED]);
}

#[test]
fn answers_that_are_lost_bring_nothing_back_that_is_gone() {
    let bounds = Bounds {
        forgets: 1,
        lost_answers: 1,
        ..bounds(1, 2)
    };
    let rules = Rules::without_guards_against_lies();
    holds(rules, bounds, GARBAGE, 1, &[COLLECTED, COMMITTED]);
}

#[test]
fn repacking_needs_no_lock_either() {
    let bounds = Bounds {
        repacks: 1,
        ..bounds(1, 3)
    };
    let rules = Rules::without_guards_against_lies();
    holds(rules, bounds, SNAPSHOT, 1, &[COLLECTED, COMMITTED]);
    let bounds = Bounds {
        collections: 2,
        ..bounds
    };
    holds(rules, bounds, OVERLAPPING, 0b11, &[COMMITTED]);
}

#[test]
fn one_listing_that_lies_costs_nothing() {
    let bounds = Bounds {
        lies: 1,
        ..bounds(1, 3)
    };
    holds(Rules::all(), bounds, GARBAGE, 1, &[COLLECTED, COMMITTED]);
    holds(Rules::all(), bounds, RESCUED, 1, &[COMMITTED]);
    holds(Rules::all(), bounds, SNAPSHOT, 1, &[COMMITTED]);
}

#[test]
fn listings_that_lag_by_less_than_a_generation_cost_nothing() {
    let bounds = Bounds {
        late_listings: true,
        ..bounds(1, 4)
    };
    holds(Rules::all(), bounds, GARBAGE, 1, &[COLLECTED, COMMITTED]);
    holds(Rules::all(), bounds, SNAPSHOT, 1, &[COMMITTED]);
}

#[test]
fn larger_worlds_hold_too() {
    if !is_long() {
        println!("only with HOLDFAST_MODEL=long");
        return;
    }
    let rules = Rules::without_guards_against_lies();
    let expiring = |backups, collections| Bounds {
        expiries: 1,
        ..bounds(backups, collections)
    };
    holds(rules, expiring(2, 3), GARBAGE, 1, &[COLLECTED, COMMITTED]);
    holds(rules, expiring(1, 3), RESCUED, 1, &[COLLECTED, COMMITTED]);
    holds(rules, bounds(1, 4), RESCUED, 1, &[COLLECTED, COMMITTED]);
    let everything = Bounds {
        forgets: 1,
        undeletes: 1,
        repacks: 1,
        lost_answers: 1,
        ..expiring(1, 3)
    };
    holds(rules, everything, SNAPSHOT, 1, &[COLLECTED, COMMITTED]);
    let lies = Bounds {
        lies: 1,
        late_listings: true,
        ..expiring(1, 4)
    };
    holds(Rules::all(), lies, GARBAGE, 1, &[COLLECTED, COMMITTED]);
}
