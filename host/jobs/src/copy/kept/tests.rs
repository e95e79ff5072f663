//! Tiers over a year, day by day: what each store holds in the end is what its rules say, and nothing
//! travels twice.

use super::*;
use crate::retention::calendar::Period;
use crate::retention::rules::{Lifetime, Rules};
use std::num::NonZeroU32;

const DAY: i64 = 86_400_000_000_000;
/// 1 January 2026, 02:00 UTC.
const BEGIN: i64 = 1_767_232_800_000_000_000;

fn within(words: &str) -> Rules {
    Rules {
        within: Some(Lifetime::new(words).unwrap()),
        ..Rules::default()
    }
}

fn monthly(count: u32) -> Rules {
    Rules {
        periods: [(Period::Month, NonZeroU32::new(count).unwrap())].into(),
        ..Rules::default()
    }
}

fn made(day: i64, tag: Option<&str>) -> Candidate {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&day.to_be_bytes());
    let at = BEGIN + day * DAY;
    Candidate {
        snapshot: SnapshotId(id),
        started: Instant(at),
        finished: Instant(at + 60_000_000_000),
        received: Instant(at + 61_000_000_000),
        is_copy: false,
        tags: tag.map(str::to_owned).into_iter().collect(),
        entries: 10,
        bytes: 1_000,
        warnings: 0,
        held: None,
    }
}

fn day(snapshot: &Candidate) -> i64 {
    let id: [u8; 8] = snapshot.snapshot.0[..8].try_into().unwrap();
    i64::from_be_bytes(id)
}

/// A store and its rules.
struct Store {
    policy: Policy,
    holds: Vec<Candidate>,
    /// The days of all that ever came there, in order.
    came: Vec<i64>,
}

impl Store {
    fn new(keep: Rules, tagged: Option<(&str, Rules)>) -> Self {
        let tags = tagged.into_iter();
        Self {
            policy: Policy {
                keep: Some(keep),
                tags: tags.map(|(tag, rules)| (tag.to_owned(), rules)).collect(),
            },
            holds: Vec::new(),
            came: Vec::new(),
        }
    }

    fn take(&mut self, snapshot: Candidate) {
        self.came.push(day(&snapshot));
        self.holds.push(snapshot);
    }

    /// Takes what it lacks of another store, a moment after `now`.
    fn copy(&mut self, of: &Self, now: i64) {
        let has = |one: &Candidate| self.holds.iter().any(|held| held.snapshot == one.snapshot);
        let copies = of.holds.iter().filter(|one| !has(one));
        let copies: Vec<_> = copies
            .map(|one| Candidate {
                received: Instant(now + 600_000_000_000),
                is_copy: true,
                ..one.clone()
            })
            .collect();
        let there = self.holds.clone();
        let dropped = find_dropped(copies.clone(), there, &self.policy, &TimeZone::UTC, None);
        for copy in copies {
            if !dropped.contains(&copy.snapshot) {
                self.take(copy);
            }
        }
    }

    fn forget(&mut self) {
        let verdicts = plan_retention(&self.holds, &self.policy, &TimeZone::UTC, None);
        let kept = verdicts.into_iter().filter(|verdict| !verdict.is_dropped());
        self.holds = kept.map(|verdict| verdict.snapshot).collect();
    }

    fn days(&self) -> Vec<i64> {
        let mut days: Vec<i64> = self.holds.iter().map(day).collect();
        days.sort_unstable();
        days
    }

    #[track_caller]
    fn nothing_came_twice(&self) {
        let days: HashSet<i64> = self.came.iter().copied().collect();
        assert_eq!(days.len(), self.came.len(), "{:?}", self.came);
    }
}

#[test]
fn each_tier_holds_what_its_rules_say_and_nothing_travels_twice() {
    let mut local = Store::new(within("7d"), Some(("pre-deployment", within("180d"))));
    let mut offsite = Store::new(within("30d"), Some(("pre-deployment", within("180d"))));
    let mut archive = Store::new(monthly(12), None);
    // 400 days; the other stores cannot be reached on the days 100 to 104.
    for n in 0..400 {
        let now = BEGIN + n * DAY;
        local.take(made(n, (n % 50 == 7).then_some("pre-deployment")));
        if !(100..105).contains(&n) {
            offsite.copy(&local, now);
            archive.copy(&local, now);
            offsite.forget();
            archive.forget();
        }
        local.forget();
    }
    let tagged = |from: i64| (0..400).filter(move |n| n % 50 == 7 && *n > from);
    let sorted = |days: Vec<i64>| -> Vec<i64> {
        let mut days: Vec<i64> = days
            .into_iter()
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        days.sort_unstable();
        days
    };
    let expected = |days: i64| {
        let plain = (400 - days..400).filter(|n| n % 50 != 7);
        sorted(plain.chain(tagged(399 - 180)).collect())
    };
    assert_eq!(local.days(), expected(7));
    assert_eq!(offsite.days(), expected(30));
    // What could not come for five days came later.
    assert!((100..105).all(|n| offsite.came.contains(&n)));
    // The first of each month of the last twelve, and the newest.
    let firsts = [59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365, 396];
    assert_eq!(archive.days(), [&firsts[..], &[399]].concat());
    for store in [&offsite, &archive] {
        store.nothing_came_twice();
    }
}

#[test]
fn a_store_that_is_new_gets_what_it_keeps_and_no_more() {
    let mut local = Store::new(within("60d"), None);
    for n in 0..90 {
        local.take(made(n, None));
    }
    local.forget();
    let mut offsite = Store::new(
        Rules {
            last: NonZeroU32::new(3),
            ..Rules::default()
        },
        None,
    );
    offsite.copy(&local, BEGIN + 90 * DAY);
    assert_eq!(offsite.came, [87, 88, 89]);
    // An old one that comes late, by name, pushes out nothing that is newer.
    offsite.take(Candidate {
        received: Instant(BEGIN + 91 * DAY),
        is_copy: true,
        ..made(40, None)
    });
    offsite.forget();
    assert_eq!(offsite.days(), [87, 88, 89]);
}
