//! Snapshots whose times are not believed: they are kept, and stand in the way of no other.
//!
//! Whoever writes into a repository signs what time it was, and may sign anything. The store says when it
//! received the object. A snapshot from the future would be the newest for ever, and one from the past
//! could take the place of what was really made then.

use super::Candidate;
use holdfast_base::time::Instant;
use std::fmt;

/// How far the clocks of a host and of the store may differ, in nanoseconds: an hour.
pub const DIFFERENCE_MAX: i64 = 3_600_000_000_000;

/// Why the times of a snapshot are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// It says that it was made after the store received it.
    Future {
        /// When it says that it was made.
        finished: Instant,
    },
    /// It says that it was made long before the store received it.
    Past {
        /// When it says that it was made.
        finished: Instant,
    },
    /// It says that it ended before it began.
    Backwards,
}

impl fmt::Display for TimeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Future { finished } => {
                write!(
                    f,
                    "it says that it is of {finished}, after the store received it"
                )
            }
            Self::Past { finished } => write!(
                f,
                "it says that it is of {finished}, more than an hour before the store received it"
            ),
            Self::Backwards => f.write_str("it says that it ended before it began"),
        }
    }
}

/// Returns why a snapshot's times are not believed.
///
/// A copy may come from the past, and so may what the store received up to `vouched`: the operator has said
/// that objects were moved there, which sets the store's times anew.
#[must_use]
pub fn find_time_fault(snapshot: &Candidate, vouched: Option<Instant>) -> Option<TimeFault> {
    let finished = snapshot.finished;
    if snapshot.started > finished {
        return Some(TimeFault::Backwards);
    }
    if finished.0.saturating_sub(snapshot.received.0) > DIFFERENCE_MAX {
        return Some(TimeFault::Future { finished });
    }
    let is_vouched =
        snapshot.is_copy || vouched.is_some_and(|vouched| snapshot.received <= vouched);
    if snapshot.received.0.saturating_sub(finished.0) > DIFFERENCE_MAX && !is_vouched {
        return Some(TimeFault::Past { finished });
    }
    None
}
