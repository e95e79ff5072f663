//! When retention stops, and what lets it go on.

use super::*;
use holdfast_base::id::SnapshotId;

const HOUR: i64 = 3_600_000_000_000;

/// Snapshots that came at these hours with these sizes.
fn came(parts: &[(i64, u64, u64)]) -> Vec<Candidate> {
    let parts = parts.iter().enumerate();
    let one = |(n, (hours, bytes, entries)): (usize, &(i64, u64, u64))| Candidate {
        snapshot: SnapshotId([n as u8; 16]),
        started: Instant(hours * HOUR),
        finished: Instant(hours * HOUR),
        received: Instant(hours * HOUR),
        is_copy: false,
        tags: Vec::new(),
        entries: *entries,
        bytes: *bytes,
        warnings: 0,
        held: None,
    };
    parts.map(one).collect()
}

fn sizes(bytes: &[u64]) -> Vec<Candidate> {
    let parts = bytes.iter().enumerate();
    let parts: Vec<_> = parts.map(|(n, bytes)| (n as i64, *bytes, 5)).collect();
    came(&parts)
}

#[test]
fn half_may_be_missing_and_more_may_not_until_it_is_back_or_accepted() {
    let is_frozen = |bytes: &[u64]| find_shrinkage(&sizes(bytes), 50, None).is_some();
    assert!(!is_frozen(&[]) && !is_frozen(&[100]) && !is_frozen(&[0, 100]));
    assert!(!is_frozen(&[100, 50]) && is_frozen(&[100, 49]) && is_frozen(&[100, 0]));
    // A second small one is as suspicious as the first; one of the old size is not.
    assert!(is_frozen(&[100, 10, 10, 10, 10]) && !is_frozen(&[100, 10, 10, 90]));
    // What shrinks slowly is believed each time.
    assert!(!is_frozen(&[100, 60, 36, 22]));
    let snapshots = sizes(&[100, 10, 10]);
    let accepted = Baseline {
        received: snapshots[1].received,
        size: Size::of(&snapshots[1]),
    };
    assert_eq!(find_shrinkage(&snapshots, 50, Some(accepted)), None);
    // What was accepted counts from then on, even when its snapshot is gone.
    let left = sizes(&[100, 0, 9]);
    let left = [left[0].clone(), left[2].clone()];
    assert_eq!(find_shrinkage(&left, 50, Some(accepted)), None);
    let smaller = find_shrinkage(&sizes(&[100, 10, 4]), 50, Some(accepted));
    assert_eq!(
        smaller.unwrap().to_string().split(',').next().unwrap(),
        "its newest snapshot holds 4 B in 5 entries"
    );
}

#[test]
fn entries_that_are_gone_count_where_there_were_many_and_limits_can_be_set() {
    let many = came(&[(0, 100, 400), (1, 100, 100)]);
    assert!(find_shrinkage(&many, 50, None).is_some() && find_shrinkage(&many, 75, None).is_none());
    let few = came(&[(0, 100, 4), (1, 100, 1)]);
    assert_eq!(find_shrinkage(&few, 50, None), None);
    assert_eq!(find_shrinkage(&sizes(&[100, 0]), 100, None), None);
    let largest = sizes(&[u64::MAX, u64::MAX / 2 - 10]);
    assert!(find_shrinkage(&largest, 50, None).is_some());
}

#[test]
fn a_burst_is_seen_until_it_is_accepted_wherever_it_lies() {
    let hourly: Vec<_> = (0..100).map(|n| (n, 1, 1)).collect();
    assert_eq!(find_burst(&came(&hourly), 24, None), None);
    let mut parts = hourly.clone();
    parts.splice(50..50, (0..10).map(|_| (50, 1, 1)));
    let snapshots = came(&parts);
    let Some(Freeze::Burst { count, limit, at }) = find_burst(&snapshots, 24, None) else {
        panic!("no burst");
    };
    assert_eq!((count, limit, at), (25, 24, Instant(50 * HOUR)));
    assert_eq!(find_burst(&snapshots, 24, Some(Instant(50 * HOUR))), None);
    assert_eq!(find_burst(&snapshots, 34, None), None);
    // What was copied or moved in one go was made one by one.
    let mut copied = came(&hourly);
    for snapshot in &mut copied {
        snapshot.received = at;
    }
    assert_eq!(find_burst(&copied[..40], 24, None), None);
}

#[test]
fn a_job_is_missed_by_its_setting_or_by_its_habit() {
    let daily = came(&[(0, 1, 1), (24, 1, 1), (48, 1, 1), (72, 1, 1)]);
    let at = |hours: i64| Instant(hours * HOUR);
    let rpo = Lifetime::new("26h").unwrap();
    assert_eq!(find_delay(&daily, Some(&rpo), at(72 + 26)), None);
    assert!(find_delay(&daily, Some(&rpo), at(72 + 27)).is_some());
    assert_eq!(find_delay(&daily, None, at(72 + 4 * 24)), None);
    let told = find_delay(&daily, None, at(72 + 4 * 24 + 1)).unwrap();
    assert!(told.to_string().ends_with("expected every 24 h"), "{told}");
    // Too few to have a habit; and a clock that is behind says nothing.
    assert_eq!(find_delay(&daily[..3], None, at(9_999)), None);
    assert_eq!(find_delay(&daily, None, at(0)), None);
    assert!(find_delay(&[], None, at(0)).is_some());
    // Jobs that run every minute are not missed the moment they pause.
    let often: Vec<_> = (0..9).map(|n| (n / 4, 1, 1)).collect();
    assert_eq!(find_delay(&came(&often), None, at(40)), None);
    assert!(find_delay(&came(&often), None, at(60)).is_some());
}
