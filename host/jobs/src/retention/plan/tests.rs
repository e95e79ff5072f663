//! What the plan keeps, by example and by property.

use super::*;
use crate::retention::calendar::Period;
use crate::retention::rules::Lifetime;
use holdfast_base::id::SnapshotId;
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

const HOUR: i64 = 3_600_000_000_000;

fn at(text: &str) -> Instant {
    let timestamp: Timestamp = text.parse().unwrap();
    Instant(i64::try_from(timestamp.as_nanosecond()).unwrap())
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// A snapshot whose clock and the store's agree to a second.
fn made(number: u16, when: Instant) -> Candidate {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let later = |seconds: i64| Instant(when.0 + seconds * 1_000_000_000);
    Candidate {
        snapshot: SnapshotId(id),
        started: when,
        finished: later(60),
        received: later(61),
        is_copy: false,
        tags: Vec::new(),
        entries: 10,
        bytes: 1_000,
        warnings: 0,
        held: None,
    }
}

fn tagged(number: u16, when: Instant, tag: &str) -> Candidate {
    Candidate {
        tags: vec![tag.to_owned()],
        ..made(number, when)
    }
}

/// Snapshots that follow one another, the first at a moment, `count` of them.
fn row(from: &str, distance_hours: i64, count: u16) -> Vec<Candidate> {
    let from = at(from);
    (0..count)
        .map(|n| made(n, Instant(from.0 + i64::from(n) * distance_hours * HOUR)))
        .collect()
}

fn count(count: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(count)
}

fn rules(last: u32, periods: &[(Period, u32)], within: Option<&str>) -> Rules {
    let periods = periods.iter();
    Rules {
        last: count(last),
        periods: periods
            .map(|(period, n)| (*period, count(*n).unwrap()))
            .collect(),
        within: within.map(|words| Lifetime::new(words).unwrap()),
    }
}

fn policy(keep: Rules) -> Policy {
    Policy {
        keep: Some(keep),
        tags: BTreeMap::new(),
    }
}

/// Returns the numbers of those that are kept.
fn kept(verdicts: &[Verdict]) -> Vec<u16> {
    let kept = verdicts.iter().filter(|verdict| !verdict.is_dropped());
    let mut numbers: Vec<u16> = kept.map(|verdict| number(&verdict.snapshot)).collect();
    numbers.sort_unstable();
    numbers
}

fn number(snapshot: &Candidate) -> u16 {
    let id = snapshot.snapshot.0;
    u16::from_be_bytes([id[0], id[1]])
}

fn reasons(verdicts: &[Verdict], wanted: u16) -> Vec<String> {
    let mut found = verdicts.iter();
    let verdict = found.find(|verdict| number(&verdict.snapshot) == wanted);
    let keeps = &verdict.unwrap().keeps;
    keeps.iter().map(ToString::to_string).collect()
}

#[test]
fn each_rule_keeps_what_it_says_and_names_it() {
    // Every twelve hours for four weeks, from a Thursday on.
    let snapshots = row("2026-01-01T06:00+01:00", 12, 56);
    let all = rules(
        3,
        &[(Period::Day, 4), (Period::Week, 3), (Period::Month, 12)],
        Some("36h"),
    );
    let verdicts = plan_retention(&snapshots, &policy(all), &berlin(), None);
    // The newest is of 28 January, 18:00.
    assert_eq!(
        reasons(&verdicts, 55),
        ["newest", "last 1 of 3", "within 36h"]
    );
    assert_eq!(
        reasons(&verdicts, 54),
        ["last 2 of 3", "daily 2026-01-28", "within 36h"]
    );
    assert_eq!(reasons(&verdicts, 53), ["last 3 of 3", "within 36h"]);
    assert_eq!(reasons(&verdicts, 52), ["daily 2026-01-27"]);
    // The first of its week, of its month, and of nothing.
    assert_eq!(
        reasons(&verdicts, 50),
        ["daily 2026-01-26", "weekly 2026-W05"]
    );
    assert_eq!(reasons(&verdicts, 36), ["weekly 2026-W04"]);
    assert_eq!(reasons(&verdicts, 22), ["weekly 2026-W03"]);
    assert_eq!(reasons(&verdicts, 0), ["monthly 2026-01"]);
    assert_eq!(kept(&verdicts), [0, 22, 36, 48, 50, 52, 53, 54, 55]);
}

#[test]
fn days_are_days_over_clock_changes_and_hours_that_come_twice_are_two() {
    // Clocks go back on 26 October 2025: that day has 25 hours, and each of them a snapshot.
    let snapshots = row("2025-10-26T00:10+02:00", 1, 25);
    let hourly = policy(rules(0, &[(Period::Hour, 25)], None));
    assert_eq!(
        kept(&plan_retention(&snapshots, &hourly, &berlin(), None)).len(),
        25
    );
    let daily = policy(rules(0, &[(Period::Day, 9)], None));
    assert_eq!(
        kept(&plan_retention(&snapshots, &daily, &berlin(), None)),
        [0, 24]
    );
    // The same moments lie in two days elsewhere.
    let utc = plan_retention(&snapshots, &daily, &TimeZone::UTC, None);
    assert_eq!(kept(&utc), [0, 2, 24]);
    // In spring a day has 23 hours, and the 24th snapshot is the first of the next.
    let snapshots = row("2025-03-30T00:10+01:00", 1, 24);
    assert_eq!(
        kept(&plan_retention(&snapshots, &daily, &berlin(), None)),
        [0, 23]
    );
}

#[test]
fn a_leap_day_is_a_day_and_a_year_ends_where_it_should() {
    let snapshots = row("2024-02-27T12:00+01:00", 24, 5);
    let daily = policy(rules(0, &[(Period::Day, 4)], None));
    assert_eq!(
        kept(&plan_retention(&snapshots, &daily, &berlin(), None)),
        [1, 2, 3, 4]
    );
    let yearly = policy(rules(0, &[(Period::Year, 2)], None));
    let snapshots = [
        made(0, at("2024-12-31T23:59+01:00")),
        made(1, at("2025-01-01T00:01+01:00")),
        made(2, at("2025-12-31T12:00+01:00")),
    ];
    assert_eq!(
        kept(&plan_retention(&snapshots, &yearly, &berlin(), None)),
        [0, 1, 2]
    );
    let verdicts = plan_retention(&snapshots, &yearly, &berlin(), None);
    assert_eq!(reasons(&verdicts, 2), ["newest"]);
}

#[test]
fn a_run_that_took_days_counts_for_the_day_on_which_it_ended() {
    let mut long = made(1, at("2026-01-01T12:00Z"));
    long.finished = at("2026-01-04T12:00Z");
    long.received = at("2026-01-04T12:01Z");
    let others = [
        made(0, at("2026-01-01T10:00Z")),
        made(2, at("2026-01-05T10:00Z")),
    ];
    let snapshots = [others[0].clone(), long, others[1].clone()];
    let daily = policy(rules(0, &[(Period::Day, 9)], None));
    let verdicts = plan_retention(&snapshots, &daily, &TimeZone::UTC, None);
    assert_eq!(reasons(&verdicts, 1), ["daily 2026-01-04"]);
}

#[test]
fn forged_times_push_nothing_out_and_are_kept_by_name() {
    let daily = policy(rules(2, &[(Period::Day, 5)], Some("2d")));
    let sound = row("2026-03-01T02:00Z", 24, 10);
    let before = plan_retention(&sound, &daily, &TimeZone::UTC, None);
    let received = sound.last().unwrap().received;
    let forged = |number: u16, when: &str| Candidate {
        received: Instant(received.0 + i64::from(number)),
        ..made(number, at(when))
    };
    let mut snapshots = sound.clone();
    // From next year, from each of the days that are kept, and one that ends before it begins.
    snapshots.push(forged(100, "2027-01-01T00:00Z"));
    for day in 1..10 {
        snapshots.push(forged(100 + day, &format!("2026-03-0{day}T00:00:01Z")));
    }
    snapshots.push(Candidate {
        started: at("2026-03-10T03:00Z"),
        ..forged(120, "2026-03-10T02:00Z")
    });
    let after = plan_retention(&snapshots, &daily, &TimeZone::UTC, None);
    for verdict in &before {
        let same = after.iter().find(|v| v.snapshot == verdict.snapshot);
        assert_eq!(same.unwrap().keeps, verdict.keeps);
    }
    for number in (100..110).chain([120]) {
        let told = reasons(&after, number);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("it says that it"), "{told:?}");
    }
}

#[test]
fn a_snapshot_that_claims_an_earlier_hour_of_its_day_does_not_take_its_place() {
    let real = made(1, at("2026-03-01T02:00Z"));
    // It ran for hours, as it says, and so began before the other.
    let claims = Candidate {
        started: at("2026-03-01T00:00Z"),
        ..made(2, at("2026-03-01T20:00Z"))
    };
    let newest = made(3, at("2026-03-02T02:00Z"));
    let daily = policy(rules(0, &[(Period::Day, 5)], None));
    let verdicts = plan_retention(&[real, claims, newest], &daily, &TimeZone::UTC, None);
    assert_eq!(kept(&verdicts), [1, 3]);
}

#[test]
fn what_was_moved_is_believed_once_the_operator_vouches_for_it() {
    let moved = at("2026-06-01T00:00Z");
    let mut snapshots = row("2026-03-01T02:00Z", 24, 10);
    for snapshot in &mut snapshots {
        snapshot.received = moved;
    }
    snapshots.push(made(10, at("2026-06-01T02:00Z")));
    let daily = policy(rules(0, &[(Period::Day, 3)], None));
    let distrusted = plan_retention(&snapshots, &daily, &TimeZone::UTC, None);
    assert_eq!(kept(&distrusted).len(), 11);
    let vouched = plan_retention(&snapshots, &daily, &TimeZone::UTC, Some(moved));
    assert_eq!(kept(&vouched), [8, 9, 10]);
    // Copies need nobody for that.
    for snapshot in &mut snapshots {
        snapshot.is_copy = true;
    }
    let copies = plan_retention(&snapshots, &daily, &TimeZone::UTC, None);
    assert_eq!(kept(&copies), [8, 9, 10]);
    // Nobody vouches for the future.
    snapshots.push(Candidate {
        received: moved,
        ..made(11, at("2026-07-01T02:00Z"))
    });
    let verdicts = plan_retention(&snapshots, &daily, &TimeZone::UTC, Some(moved));
    assert_eq!(kept(&verdicts), [8, 9, 10, 11]);
}

#[test]
fn tags_have_lifetimes_of_their_own_and_take_no_other_place() {
    let mut snapshots = row("2026-01-01T02:00Z", 24, 60);
    // The first of its day, and long before and shortly before the newest.
    snapshots.push(tagged(100, at("2026-01-05T01:00Z"), "pre-restore"));
    snapshots.push(tagged(101, at("2026-02-25T01:00Z"), "pre-restore"));
    snapshots.push(tagged(102, at("2026-01-06T01:00Z"), "pre-deployment"));
    snapshots.push(tagged(103, at("2026-02-27T01:00Z"), "unknown"));
    let mut policy = policy(rules(0, &[(Period::Day, 60)], None));
    let within = |words| rules(0, &[], Some(words));
    policy.tags.insert("pre-restore".into(), within("30d"));
    policy.tags.insert("pre-deployment".into(), within("180d"));
    let verdicts = plan_retention(&snapshots, &policy, &TimeZone::UTC, None);
    assert!(reasons(&verdicts, 100).is_empty());
    assert_eq!(reasons(&verdicts, 101), ["pre-restore: within 30d"]);
    assert_eq!(reasons(&verdicts, 102), ["pre-deployment: within 180d"]);
    assert_eq!(reasons(&verdicts, 4), ["daily 2026-01-05"]);
    // A tag without rules is no more than a word.
    assert_eq!(reasons(&verdicts, 103), ["daily 2026-02-27"]);
    assert!(reasons(&verdicts, 57).is_empty());
}

#[test]
fn without_rules_for_the_others_only_tags_end() {
    let mut snapshots = row("2026-01-01T02:00Z", 24, 60);
    snapshots.push(tagged(100, at("2026-01-05T01:00Z"), "pre-restore"));
    let tags = [("pre-restore".to_owned(), rules(0, &[], Some("30d")))];
    let policy = Policy {
        keep: None,
        tags: tags.into(),
    };
    let verdicts = plan_retention(&snapshots, &policy, &TimeZone::UTC, None);
    assert_eq!(kept(&verdicts).len(), 60);
    assert_eq!(reasons(&verdicts, 3), ["no rules"]);
}

#[test]
fn what_is_held_is_kept_and_the_newest_safety_backup_is_not_all_that_is_left() {
    let mut snapshots = row("2026-01-01T02:00Z", 24, 5);
    snapshots[1].held = Some("court".into());
    snapshots.push(tagged(100, at("2026-01-06T01:00Z"), "pre-restore"));
    let mut policy = policy(rules(0, &[], Some("1h")));
    policy
        .tags
        .insert("pre-restore".into(), rules(0, &[], Some("30d")));
    let verdicts = plan_retention(&snapshots, &policy, &TimeZone::UTC, None);
    assert_eq!(kept(&verdicts), [1, 4, 100]);
    assert_eq!(reasons(&verdicts, 1), ["held: court"]);
    assert_eq!(reasons(&verdicts, 4), ["newest"]);
}

/// The tiers of the design: local 7 days, offsite 30 or 90, configuration 90, tagged 180, monthly archive 365.
#[test]
fn the_tiers_of_the_guide_keep_what_they_promise() {
    let mut snapshots = row("2025-01-01T03:00+01:00", 6, 4 * 500);
    let newest = snapshots.last().unwrap().when();
    for (n, snapshot) in snapshots.iter_mut().enumerate() {
        if n % 100 == 0 {
            snapshot.tags = vec!["pre-deployment".into()];
        }
    }
    let within = |words| policy(rules(0, &[], Some(words)));
    let days = |policy: &Policy| {
        let verdicts = plan_retention(&snapshots, policy, &berlin(), None);
        let kept = verdicts.into_iter().filter(|verdict| !verdict.is_dropped());
        let ages = kept.map(|verdict| (newest.0 - verdict.snapshot.when().0) / (24 * HOUR));
        ages.collect::<Vec<_>>()
    };
    for (words, oldest) in [("7d", 6), ("30d", 29), ("90d", 89)] {
        let ages = days(&within(words));
        assert_eq!(ages[0], oldest, "{words}");
        assert_eq!(
            ages.len() as i64,
            (oldest + 1) * 4,
            "{words}: nothing between is missing"
        );
    }
    let mut local = within("7d");
    let tag = rules(0, &[], Some("180d"));
    local.tags.insert("pre-deployment".into(), tag);
    let ages = days(&local);
    let old: Vec<_> = ages.iter().filter(|age| **age >= 7).collect();
    assert!(
        old.iter().all(|age| **age < 180) && *old[0] >= 150,
        "{old:?}"
    );
    assert_eq!(ages.iter().filter(|age| **age < 7).count(), 28);
    let archive = policy(rules(0, &[(Period::Month, 12)], None));
    let ages = days(&archive);
    // The first of each of twelve months, and the newest.
    assert_eq!(ages.len(), 13);
    assert!((334..365).contains(&ages[0]), "{ages:?}");
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let span = prop_oneof![Just(None), (1_u32..40).prop_map(Some)];
    (0_u32..6, vec(0_u32..6, 5), span).prop_map(|(last, counts, days)| {
        let periods = Period::ALL.into_iter().zip(counts);
        Rules {
            last: count(last),
            periods: periods.filter_map(|(p, n)| Some((p, count(n)?))).collect(),
            within: days.map(|days| Lifetime::new(&format!("{days}d")).unwrap()),
        }
    })
}

/// Snapshots within two months around a clock change, some with a tag, some with forged times.
fn any_snapshots() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0_i64..1_500, 0_u8..8, -200_i64..200);
    vec(one, 1..60).prop_map(|parts| {
        let from = at("2025-10-01T00:00Z");
        let parts = parts.into_iter().enumerate();
        let made = parts.map(|(n, (hours, kind, forged))| {
            let when = Instant(from.0 + hours * HOUR);
            let mut snapshot = made(n as u16, when);
            match kind {
                0 => snapshot.tags = vec!["t".into()],
                1 => snapshot.finished = Instant(when.0 + forged * HOUR),
                2 => snapshot.held = Some("held".into()),
                _ => {}
            }
            snapshot
        });
        made.collect()
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let tag = prop_oneof![Just(None), any_rules().prop_map(Some)];
    (any_rules(), tag).prop_map(|(keep, tag)| Policy {
        keep: Some(keep),
        tags: tag
            .map(|rules| ("t".to_owned(), rules))
            .into_iter()
            .collect(),
    })
}

fn kept_ids(verdicts: &[Verdict]) -> BTreeSet<SnapshotId> {
    let kept = verdicts.iter().filter(|verdict| !verdict.is_dropped());
    kept.map(|verdict| verdict.snapshot.snapshot).collect()
}

proptest! {
    #[test]
    fn every_snapshot_has_one_verdict_and_what_must_be_kept_is(
        snapshots in any_snapshots(), policy in any_policy()
    ) {
        let verdicts = plan_retention(&snapshots, &policy, &berlin(), None);
        prop_assert_eq!(verdicts.len(), snapshots.len());
        let believed = verdicts.iter().filter(|v| find_time_fault(&v.snapshot, None).is_none());
        let newest = believed.max_by_key(|v| arrival_order(&v.snapshot));
        prop_assert!(newest.is_none_or(|v| v.keeps.contains(&Why::Newest)));
        for verdict in &verdicts {
            let must = verdict.snapshot.held.is_some() || find_time_fault(&verdict.snapshot, None).is_some();
            prop_assert!(!must || !verdict.is_dropped());
        }
    }

    #[test]
    fn the_order_in_which_snapshots_are_listed_changes_nothing(
        snapshots in any_snapshots(), policy in any_policy()
    ) {
        let mut reversed = snapshots.clone();
        reversed.reverse();
        let zone = berlin();
        prop_assert_eq!(plan_retention(&snapshots, &policy, &zone, None), plan_retention(&reversed, &policy, &zone, None));
    }

    #[test]
    fn nothing_is_kept_by_a_rule_that_is_not_there(
        snapshots in any_snapshots(), policy in any_policy()
    ) {
        let none = Policy { keep: Some(Rules::default()), tags: policy.tags.keys()
            .map(|tag| (tag.clone(), Rules::default())).collect() };
        for verdict in plan_retention(&snapshots, &none, &berlin(), None) {
            let by_rule = verdict.keeps.iter().any(|why| matches!(why, Why::Rule { .. }));
            prop_assert!(!by_rule);
        }
        // And each rule keeps no more than it counts.
        for verdict in plan_retention(&snapshots, &policy, &berlin(), None) {
            for why in verdict.keeps {
                let Why::Rule { tag, rule } = why else { continue };
                let rules = tag.map_or(policy.keep.as_ref(), |tag| policy.tags.get(&tag)).unwrap();
                let word = rule.split(' ').next().unwrap();
                let has = match word {
                    "last" => rules.last.is_some(),
                    "within" => rules.within.is_some(),
                    word => rules.periods.keys().any(|period| period.rule() == word),
                };
                prop_assert!(has, "{}", rule);
            }
        }
    }

    #[test]
    fn higher_counts_and_longer_lifetimes_keep_all_that_lower_ones_do(
        snapshots in any_snapshots(), keep in any_rules(), by in 0_u32..4
    ) {
        let more = |count: NonZeroU32| count.saturating_add(by);
        let higher = Rules {
            last: keep.last.map(more).or(count(by)),
            periods: keep.periods.iter().map(|(period, n)| (*period, more(*n))).collect(),
            within: keep.within.clone().or(Some(Lifetime::new("1d").unwrap())),
        };
        let zone = berlin();
        let less = kept_ids(&plan_retention(&snapshots, &policy(keep), &zone, None));
        let all = kept_ids(&plan_retention(&snapshots, &policy(higher), &zone, None));
        prop_assert!(less.is_subset(&all));
    }

    #[test]
    fn a_snapshot_that_comes_later_takes_no_place_in_a_period_that_has_one(
        snapshots in any_snapshots(), keep in any_rules()
    ) {
        let zone = berlin();
        let counts = Rules { last: None, within: None, ..keep };
        let before = plan_retention(&snapshots, &policy(counts.clone()), &zone, None);
        let newest = snapshots.iter().filter(|s| find_time_fault(s, None).is_none()).max_by_key(|s| arrival_order(s));
        let Some(newest) = newest else { return Ok(()) };
        // In the same hour, and so in the same period of each kind.
        let mut added = snapshots.clone();
        let later = Instant(newest.received.0 + 1_000_000_000);
        added.push(Candidate { received: later, snapshot: SnapshotId([0xff; 16]), held: None, ..newest.clone() });
        let after = plan_retention(&added, &policy(counts), &zone, None);
        for verdict in before {
            let same = after.iter().find(|v| v.snapshot == verdict.snapshot).unwrap();
            let of_rules = |verdict: &Verdict| -> Vec<Why> {
                let keeps = verdict.keeps.iter();
                keeps.filter(|why| **why != Why::Newest).cloned().collect()
            };
            prop_assert_eq!(of_rules(same), of_rules(&verdict));
        }
    }

    #[test]
    fn forgetting_twice_forgets_nothing_more(snapshots in any_snapshots(), policy in any_policy()) {
        let zone = berlin();
        let verdicts = plan_retention(&snapshots, &policy, &zone, None);
        let left: Vec<Candidate> = verdicts.into_iter()
            .filter(|verdict| !verdict.is_dropped()).map(|verdict| verdict.snapshot).collect();
        let again = plan_retention(&left, &policy, &zone, None);
        prop_assert!(again.iter().all(|verdict| !verdict.is_dropped()));
    }
}
