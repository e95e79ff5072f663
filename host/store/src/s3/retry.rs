//! How long to wait before something is tried again.
//!
//! Doubling, with chance in it: many hosts that failed together do not come back together. What a
//! service asks for is honoured, within reason.

use std::time::Duration;

/// The wait before the second attempt, at the most.
const FIRST: Duration = Duration::from_millis(250);
/// No wait of our own is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// No wait that a service asks for is longer: a run would rather end and be started again.
const ASKED_LONGEST: Duration = Duration::from_secs(120);

/// Returns how long to wait after attempt `attempt` (from 1) has failed.
///
/// `chance` is any number; `asked` is what the service asked for.
pub(super) fn wait_after(attempt: u32, asked: Option<Duration>, chance: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    let ours = doubled.min(LONGEST).mul_f64(random_share(chance));
    match asked {
        // Somewhat more than was asked, so that not all come back in the same moment.
        Some(asked) => asked.min(ASKED_LONGEST) + ours.mul_f64(0.25),
        None => ours,
    }
}

/// Returns a share between a quarter and the whole.
fn random_share(chance: u32) -> f64 {
    0.25 + 0.75 * f64::from(chance) / f64::from(u32::MAX)
}

/// Returns a number by chance; without any, waits are only less spread.
pub(super) fn draw_chance() -> u32 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => u32::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ_by_chance() {
        assert_eq!(wait_after(1, None, u32::MAX), FIRST);
        assert_eq!(wait_after(3, None, u32::MAX), FIRST * 4);
        assert_eq!(wait_after(40, None, u32::MAX), LONGEST);
        assert!(wait_after(3, None, 0) < wait_after(3, None, u32::MAX) / 3);
    }

    #[test]
    fn what_a_service_asks_for_is_waited_for_and_not_for_ever() {
        let asked = Duration::from_secs(7);
        assert!(wait_after(1, Some(asked), 0) >= asked);
        assert!(wait_after(1, Some(asked), u32::MAX) < asked * 2);
        assert!(wait_after(1, Some(Duration::from_secs(86_400)), 0) <= ASKED_LONGEST + LONGEST);
    }
}
