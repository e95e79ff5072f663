//! Instants and clocks.
//!
//! No function of holdfast asks the system what time it is: a [`Clock`] comes in through the door,
//! and tests pass one they can set.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A moment, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// Makes an instant from seconds and nanoseconds.
    #[must_use]
    pub const fn from_parts(seconds: i64, nanoseconds: i64) -> Self {
        Self(
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanoseconds),
        )
    }

    /// Returns whole seconds, rounded towards the past.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Returns the nanoseconds past the whole second.
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.0.rem_euclid(1_000_000_000)
    }
}

impl fmt::Display for Instant {
    /// Writes RFC 3339 with the offset of the local time zone, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.seconds()) {
            Ok(timestamp) => {
                let zoned = timestamp.to_zoned(jiff::tz::TimeZone::system());
                write!(f, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S%:z"))
            }
            Err(_) => write!(f, "{}s", self.seconds()),
        }
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Returns the time of day.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that is passed in"
    )]
    fn now(&self) -> Instant {
        let now = jiff::Timestamp::now();
        Instant(i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_moment_before_1970_round_towards_the_past() {
        let moment = Instant(-1);
        assert_eq!((moment.seconds(), moment.nanoseconds()), (-1, 999_999_999));
        assert_eq!(Instant::from_parts(-1, 999_999_999), moment);
    }
}
