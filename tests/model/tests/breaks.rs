//! Each step of the protocol is there for something: without it, the checker finds a loss.
//!
//! Where one step can be taken out and nothing is lost, another one stands behind it; then the tests take
//! both out. What guards against a store that lies is taken out in a world with that lie.

#![allow(clippy::print_stdout, reason = "histories, for those who ask for them")]

use holdfast_model::rules::{Bounds, Rules};
use holdfast_model::search::search;
use holdfast_model::world::{Start, World};

const STEPS_MAX: usize = 5_000_000;

/// Nothing at all.
const NOTHING: Start = Start {
    packs: &[],
    tombstones: &[],
    snapshots: &[],
};
/// One pack that nobody needs.
const GARBAGE: Start = Start {
    packs: &[0b1],
    tombstones: &[],
    snapshots: &[],
};
/// One that is named already.
const NAMED: Start = Start {
    packs: &[0b1],
    tombstones: &[0b1],
    snapshots: &[],
};
/// The same, a generation later.
const LONG_NAMED: Start = Start {
    packs: &[0b1],
    tombstones: &[0b1, 0],
    snapshots: &[],
};
/// Two packs with the same content that nobody needs, one of them named.
const ONE_OF_TWO_NAMED: Start = Start {
    packs: &[0b1, 0b1],
    tombstones: &[0b1],
    snapshots: &[],
};
/// One snapshot and its pack.
const SNAPSHOT: Start = Start {
    packs: &[0b1],
    tombstones: &[],
    snapshots: &[0b1],
};
/// The same; the pack was named before the snapshot was committed.
const RESCUED: Start = Start {
    packs: &[0b1],
    tombstones: &[0b1, 0],
    snapshots: &[0b1],
};
/// Two packs with the same content, both named, both needed by a snapshot.
const BOTH_NAMED: Start = Start {
    packs: &[0b1, 0b1],
    tombstones: &[0b01, 0b10],
    snapshots: &[0b1],
};

fn bounds(backups: u8, collections: u8) -> Bounds {
    Bounds {
        backups,
        collections,
        ..Bounds::none()
    }
}

fn honest() -> Rules {
    Rules::without_guards_against_lies()
}

/// The guards against lies, without the waiting that makes histories long.
fn guarded() -> Rules {
    Rules {
        wait_two_generations: false,
        wait_a_day: false,
        ..Rules::all()
    }
}

/// With the rules nothing is lost; without some of them something is.
#[track_caller]
fn is_needed(rules: Rules, start: Start, bounds: Bounds, take_out: fn(&mut Rules)) {
    is_enough(rules, start, bounds);
    let mut fewer = rules;
    take_out(&mut fewer);
    assert_ne!(fewer, rules);
    let world = World {
        rules: fewer,
        bounds,
        start,
        wants: 1,
    };
    let found = search(world, STEPS_MAX);
    let Some(fault) = found.fault else {
        panic!("nothing is lost in {} states", found.states);
    };
    println!(
        "lost after {} states:\n  {}",
        found.states,
        fault.join("\n  ")
    );
}

/// Nothing is lost.
#[track_caller]
fn is_enough(rules: Rules, start: Start, bounds: Bounds) {
    let world = World {
        rules,
        bounds,
        start,
        wants: 1,
    };
    let found = search(world, STEPS_MAX);
    assert_eq!(found.fault, None);
    assert!(found.all, "the world is larger than {STEPS_MAX} steps");
}

#[test]
fn a_run_that_lost_the_race_must_look_at_everything_again() {
    let bounds = Bounds {
        expiries: 1,
        ..bounds(1, 3)
    };
    is_needed(honest(), GARBAGE, bounds, |rules| {
        rules.revalidate_after_lost_race = false;
    });
}

#[test]
fn a_session_is_expired_by_winning_its_commit_key() {
    let bounds = Bounds {
        expiries: 1,
        ..bounds(1, 3)
    };
    is_needed(honest(), GARBAGE, bounds, |rules| {
        rules.expire_by_winning_the_key = false;
    });
}

#[test]
fn an_open_session_blocks_the_tombstones_that_it_has_not_seen() {
    is_needed(honest(), GARBAGE, bounds(1, 2), |rules| {
        rules.unseen_blocks = false;
    });
}

#[test]
fn what_a_tombstone_names_is_not_reused() {
    is_needed(honest(), NAMED, bounds(1, 2), |rules| {
        rules.avoid_named_packs = false;
    });
}

#[test]
fn tombstones_are_listed_again_when_the_session_is_there_to_be_seen() {
    is_needed(honest(), GARBAGE, bounds(1, 2), |rules| {
        rules.list_tombstones_after_session = false;
    });
}

#[test]
fn a_writer_lists_tombstones_before_packs_or_revalidation_must_catch_it() {
    let rules = Rules {
        list_tombstones_before_packs: false,
        ..honest()
    };
    is_needed(rules, GARBAGE, bounds(1, 3), |rules| {
        rules.revalidate_before_commit = false;
    });
    let rules = Rules {
        revalidate_before_commit: false,
        ..honest()
    };
    is_needed(rules, GARBAGE, bounds(1, 3), |rules| {
        rules.list_tombstones_before_packs = false;
    });
}

#[test]
fn a_listing_of_tombstones_that_lacks_one_is_noticed_by_the_second() {
    let bounds = Bounds {
        lies: 1,
        ..bounds(1, 3)
    };
    is_needed(Rules::all(), GARBAGE, bounds, |rules| {
        rules.list_tombstones_twice = false;
    });
}

#[test]
fn an_index_that_names_packs_that_are_gone_is_not_believed() {
    let expiring = Bounds {
        expiries: 1,
        ..bounds(2, 2)
    };
    let rules = Rules {
        revalidate_before_commit: false,
        ..honest()
    };
    is_needed(rules, GARBAGE, expiring, |rules| {
        rules.list_packs_before_reuse = false;
    });
}

#[test]
fn a_pack_is_stored_before_the_index_or_listings_must_catch_it() {
    let rules = Rules {
        store_packs_before_index: false,
        ..honest()
    };
    is_needed(rules, NOTHING, bounds(2, 1), |rules| {
        rules.list_packs_before_reuse = false;
        rules.revalidate_before_commit = false;
    });
    let rules = Rules {
        list_packs_before_reuse: false,
        revalidate_before_commit: false,
        ..honest()
    };
    is_needed(rules, NOTHING, bounds(2, 1), |rules| {
        rules.store_packs_before_index = false;
    });
}

#[test]
fn a_listing_that_still_shows_a_pack_is_noticed_before_the_commit() {
    let bounds = Bounds {
        lies: 1,
        ..bounds(1, 3)
    };
    is_needed(Rules::all(), LONG_NAMED, bounds, |rules| {
        rules.revalidate_before_commit = false;
    });
}

#[test]
fn a_commit_without_an_answer_is_not_asked_for_again() {
    let bounds = Bounds {
        forgets: 1,
        lost_answers: 1,
        ..bounds(1, 2)
    };
    is_needed(honest(), GARBAGE, bounds, |rules| {
        rules.ask_for_commit_once = false;
    });
}

#[test]
fn sessions_are_listed_before_snapshots() {
    is_needed(honest(), GARBAGE, bounds(1, 3), |rules| {
        rules.list_sessions_before_snapshots = false;
    });
}

#[test]
fn sessions_and_snapshots_are_listed_twice() {
    let bounds = Bounds {
        lies: 1,
        ..bounds(1, 3)
    };
    is_needed(Rules::all(), GARBAGE, bounds, |rules| {
        rules.list_everything_twice = false;
    });
}

#[test]
fn a_snapshot_that_two_listings_lack_is_asked_for_by_name() {
    let bounds = Bounds {
        lies: 2,
        ..bounds(0, 2)
    };
    is_needed(Rules::all(), RESCUED, bounds, |rules| {
        rules.ask_for_missing_snapshots = false;
    });
}

#[test]
fn two_listings_that_agree_on_lacking_a_new_session_are_one_lie_too_many() {
    let bounds = Bounds {
        lies: 2,
        ..bounds(1, 3)
    };
    let world = World {
        rules: Rules::all(),
        bounds,
        start: GARBAGE,
        wants: 1,
    };
    assert!(search(world, STEPS_MAX).fault.is_some());
}

#[test]
fn a_collector_lists_tombstones_before_packs_and_index() {
    is_needed(honest(), ONE_OF_TWO_NAMED, bounds(1, 2), |rules| {
        rules.collect_tombstones_before_packs = false;
    });
}

#[test]
fn a_tombstone_goes_when_its_packs_are_asked_for_by_name_and_gone() {
    let bounds = Bounds {
        lies: 1,
        ..bounds(1, 3)
    };
    is_needed(guarded(), NAMED, bounds, |rules| {
        rules.ask_by_name = false;
    });
}

#[test]
fn nothing_is_removed_that_no_earlier_run_has_named() {
    is_needed(honest(), GARBAGE, bounds(1, 2), |rules| {
        rules.name_before_removing = false;
    });
}

#[test]
fn what_is_named_is_looked_at_again_before_it_is_removed() {
    is_needed(honest(), GARBAGE, bounds(1, 2), |rules| {
        rules.mark_again_before_removing = false;
    });
}

#[test]
fn where_listings_lag_two_generations_must_pass() {
    let bounds = Bounds {
        late_listings: true,
        ..bounds(1, 3)
    };
    is_needed(Rules::all(), GARBAGE, bounds, |rules| {
        rules.wait_two_generations = false;
    });
    // A day alone, without generations, is not enough; the day is there because generations may
    // follow each other by minutes, and a listing may lag for longer than that.
    let rules = Rules {
        wait_a_day: false,
        ..Rules::all()
    };
    is_enough(rules, GARBAGE, bounds);
}

#[test]
fn of_two_named_copies_both_stay() {
    is_needed(honest(), BOTH_NAMED, bounds(0, 2), |rules| {
        rules.only_clean_copies_count = false;
    });
}

#[test]
fn a_pack_that_was_named_once_stays_named() {
    is_needed(honest(), BOTH_NAMED, bounds(1, 3), |rules| {
        rules.named_packs_stay_named = false;
    });
}

#[test]
fn a_removal_is_announced_before_the_last_look_whether_it_is_wanted() {
    let bounds = Bounds {
        forgets: 1,
        undeletes: 1,
        ..bounds(0, 2)
    };
    is_needed(honest(), SNAPSHOT, bounds, |rules| {
        rules.announce_removal = false;
    });
}

#[test]
fn a_run_that_marked_without_a_snapshot_which_came_back_removes_no_packs() {
    let bounds = Bounds {
        forgets: 1,
        undeletes: 1,
        ..bounds(0, 2)
    };
    is_needed(honest(), RESCUED, bounds, |rules| {
        rules.stop_when_removal_is_refused = false;
    });
}

#[test]
fn who_brings_back_looks_for_announcements_before_the_snapshot() {
    let bounds = Bounds {
        forgets: 1,
        undeletes: 1,
        ..bounds(0, 2)
    };
    is_needed(honest(), SNAPSHOT, bounds, |rules| {
        rules.look_for_announcement_first = false;
    });
}

#[test]
fn where_listings_lag_sessions_go_after_the_tombstone_that_records_their_end() {
    let bounds = Bounds {
        late_listings: true,
        ..bounds(1, 4)
    };
    is_needed(Rules::all(), GARBAGE, bounds, |rules| {
        rules.clean_sessions_last = false;
    });
}

#[test]
fn a_copy_is_there_before_the_old_pack_is_named_or_the_second_look_must_catch_it() {
    let bounds = Bounds {
        repacks: 1,
        ..bounds(1, 3)
    };
    let rules = Rules {
        copy_before_naming: false,
        ..honest()
    };
    is_needed(rules, SNAPSHOT, bounds, |rules| {
        rules.mark_again_before_removing = false;
    });
}
