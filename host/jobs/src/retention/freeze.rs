//! When nothing is forgotten: the newest backup failed, is missing or shrank, or there are too many at once.
//!
//! The snapshots in the store are what was really committed: they say that something is missing, shrank, or
//! came in a burst. The history is this machine's own and says what the store cannot: that a run failed. A
//! history that is gone or forged can hide a failure; it can never let go what the snapshots hold back.

use super::Candidate;
use super::rules::Lifetime;
use holdfast_base::size::ByteSize;
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Snapshots of a job within a day, above which they are a burst if the job sets nothing else.
pub const BURST_LIMIT: u32 = 50;
/// How much of a backup may be missing in the next one, in percent, if the job sets nothing else.
pub const SHRINK_LIMIT_PERCENT: u32 = 50;
/// Fewer entries say nothing by their number.
const ENTRIES_MIN: u64 = 20;
/// Distances between snapshots by which a job's habit is told.
const DISTANCES: usize = 10;
/// A job is not missed before this many of its usual distances are over.
const DISTANCES_MISSED: i64 = 4;
const DAY: i64 = 86_400_000_000_000;

/// Why nothing is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// The newest run failed.
    Failed {
        /// When it began.
        at: Instant,
        /// What it said.
        error: String,
    },
    /// The newest snapshot is older than it should be.
    Missing {
        /// When the store received it; none if there is no snapshot with times that are believed.
        newest: Option<Instant>,
        /// How old it may be.
        expected: String,
    },
    /// The newest backups are much smaller than one before.
    Shrunk {
        /// What the sound one held.
        from: Size,
        /// What the newest holds.
        to: Size,
        /// When the sound one was received.
        since: Instant,
    },
    /// More snapshots came in a day than the job makes.
    Burst {
        /// How many.
        count: u32,
        /// How many there may be.
        limit: u32,
        /// When the last of them was received.
        at: Instant,
    },
}

/// What an operator can say yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accept {
    /// Let the failed run be.
    Failed,
    /// Let the newest be as old as it is.
    Missing,
    /// From now on, the newest is as large as it should be.
    Shrunk,
    /// What came until now came rightly.
    Burst,
    /// What came until now is as old as it says.
    Times,
}

/// All of them.
pub const ACCEPTS: [Accept; 5] = [
    Accept::Failed,
    Accept::Missing,
    Accept::Shrunk,
    Accept::Burst,
    Accept::Times,
];

impl Accept {
    /// Returns the word for it on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Shrunk => "shrunk",
            Self::Burst => "burst",
            Self::Times => "times",
        }
    }
}

impl Freeze {
    /// Returns what the operator would have to accept.
    #[must_use]
    pub const fn accept(&self) -> Accept {
        match self {
            Self::Failed { .. } => Accept::Failed,
            Self::Missing { .. } => Accept::Missing,
            Self::Shrunk { .. } => Accept::Shrunk,
            Self::Burst { .. } => Accept::Burst,
        }
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { at, error } => write!(f, "its newest run, of {at}, failed: {error}"),
            Self::Missing {
                newest: Some(newest),
                expected,
            } => write!(
                f,
                "its newest snapshot is of {newest}, and one is expected every {expected}"
            ),
            Self::Missing { newest: None, .. } => {
                f.write_str("it has no snapshot whose times are believed")
            }
            Self::Shrunk { from, to, since } => write!(
                f,
                "its newest snapshot holds {to}, and the one of {since} held {from}"
            ),
            Self::Burst { count, limit, at } => write!(
                f,
                "{count} snapshots came within a day up to {at}, and {limit} are expected (burst-limit)"
            ),
        }
    }
}

/// How much a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Size {
    /// Entries.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl Size {
    pub(crate) fn of(snapshot: &Candidate) -> Self {
        Self {
            entries: snapshot.entries,
            bytes: snapshot.bytes,
        }
    }

    /// Returns whether much less is left of another size: more is missing than the limit allows.
    fn is_shrunk_from(self, from: Self, limit_percent: u32) -> bool {
        let left = u128::from(100_u32.saturating_sub(limit_percent));
        let lost = |from: u64, to: u64| u128::from(to) * 100 < u128::from(from) * left;
        lost(from.bytes, self.bytes)
            || (from.entries >= ENTRIES_MIN && lost(from.entries, self.entries))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} entries", ByteSize(self.bytes), self.entries)
    }
}

/// What a job expects of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// How old the newest snapshot may be; by its habit if none is set.
    pub rpo: Option<Lifetime>,
    /// How much of a backup may be missing in the next one, in percent.
    pub shrink_limit_percent: u32,
    /// How many snapshots may come within a day.
    pub burst_limit: u32,
}

impl Default for Expectation {
    fn default() -> Self {
        Self {
            rpo: None,
            shrink_limit_percent: SHRINK_LIMIT_PERCENT,
            burst_limit: BURST_LIMIT,
        }
    }
}

/// A size that the operator has said yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Baseline {
    /// When the snapshot of that size was received.
    pub received: Instant,
    /// Its size.
    pub size: Size,
}

/// Returns why the newest backup shrank. `snapshots` are believed, and in the order in which they came.
///
/// What a snapshot is compared with is the newest one before it that had not shrunk itself: a second
/// small one is as suspicious as the first.
#[must_use]
pub fn find_shrinkage(
    snapshots: &[Candidate],
    limit_percent: u32,
    accepted: Option<Baseline>,
) -> Option<Freeze> {
    let mut sound = accepted;
    let mut newest = None;
    for snapshot in snapshots {
        if accepted.is_some_and(|baseline| snapshot.received <= baseline.received) {
            continue;
        }
        let to = Size::of(snapshot);
        newest = match sound {
            Some(Baseline { received, size }) if to.is_shrunk_from(size, limit_percent) => {
                Some(Freeze::Shrunk {
                    from: size,
                    to,
                    since: received,
                })
            }
            _ => {
                sound = Some(Baseline {
                    received: snapshot.received,
                    size: to,
                });
                None
            }
        };
    }
    newest
}

/// Returns the first burst that nobody has accepted. `snapshots` are all that the store received, those that
/// are forgotten too, in the order in which they came.
#[must_use]
pub fn find_burst(
    snapshots: &[Candidate],
    limit: u32,
    accepted: Option<Instant>,
) -> Option<Freeze> {
    let mut came: Vec<Instant> = snapshots
        .iter()
        .map(Candidate::came)
        .filter(|received| accepted.is_none_or(|accepted| *received > accepted))
        .collect();
    came.sort_unstable();
    let mut from = 0;
    for (to, at) in came.iter().enumerate() {
        while at.0.saturating_sub(came[from].0) >= DAY {
            from += 1;
        }
        let count = u32::try_from(to - from + 1).unwrap_or(u32::MAX);
        if count > limit {
            return Some(Freeze::Burst {
                count,
                limit,
                at: *at,
            });
        }
    }
    None
}

/// Returns whether the newest snapshot is older than it should be. `snapshots` are believed, those that are
/// forgotten too, in the order in which they came; without a setting, their usual distance tells.
#[must_use]
pub fn find_delay(snapshots: &[Candidate], rpo: Option<&Lifetime>, now: Instant) -> Option<Freeze> {
    let Some(newest) = snapshots.iter().map(Candidate::came).max() else {
        return Some(Freeze::Missing {
            newest: None,
            expected: String::new(),
        });
    };
    let (limit, expected) = match rpo {
        Some(rpo) => (rpo.nanoseconds(), rpo.to_string()),
        None => {
            let usual = usual_distance(snapshots)?;
            let limit = usual.saturating_mul(DISTANCES_MISSED).max(2 * DAY);
            (limit, in_words(usual))
        }
    };
    let newest = Some(newest).filter(|newest| now.0.saturating_sub(newest.0) > limit)?;
    Some(Freeze::Missing {
        newest: Some(newest),
        expected,
    })
}

/// Returns the middle one of the newest distances between snapshots; none if there are too few to tell.
fn usual_distance(snapshots: &[Candidate]) -> Option<i64> {
    let newest = snapshots.len().saturating_sub(DISTANCES + 1);
    let mut distances: Vec<i64> = snapshots[newest..]
        .windows(2)
        .map(|pair| pair[1].came().0.saturating_sub(pair[0].came().0))
        .collect();
    distances.sort_unstable();
    (distances.len() >= 3).then(|| distances[distances.len() / 2])
}

fn in_words(nanoseconds: i64) -> String {
    let minutes = nanoseconds / 60_000_000_000;
    match minutes {
        0..120 => format!("{} min", minutes.max(1)),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

#[cfg(test)]
mod tests;
