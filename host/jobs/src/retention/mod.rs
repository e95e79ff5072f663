//! Retention: which snapshots of a job stay, and why.
//!
//! - `rules` and `calendar` say what is kept; `times` whose times are not believed; `freeze` when nothing
//!   is forgotten at all; `plan` joins them.
//! - All of it only computes: what comes in decides what goes out. `forget` reads and changes repositories.
//!
//! Nothing here trusts a clock of its own: times are the store's, checked against those that a snapshot
//! was signed with, and lifetimes count back from the newest snapshot.

/// Hours, days, weeks, months and years in a time zone.
pub mod calendar;
/// When nothing is forgotten.
pub mod freeze;
/// What is kept, and why.
pub mod plan;
/// What a job's tables ask for.
pub mod rules;
/// Snapshots with times that are not believed.
pub mod times;

use holdfast_base::id::SnapshotId;
use holdfast_base::time::Instant;
use holdfast_repository::format::root::Root;

/// Returns whether a snapshot was made before a restore. It may hold exactly what was broken, and so is never
/// meant by the newest snapshot of its job.
#[must_use]
pub fn is_safety(root: &Root) -> bool {
    root.tags.iter().any(|tag| tag == rules::SAFETY_TAG)
}

/// What retention knows of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub snapshot: SnapshotId,
    /// When its run began, as it says itself.
    pub started: Instant,
    /// When it was committed, as it says itself.
    pub finished: Instant,
    /// When the store received it.
    pub received: Instant,
    /// Whether it is a copy, which comes to a store long after it was made.
    pub is_copy: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Entries in it.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// What was left out of it.
    pub warnings: u64,
    /// Why it is held, if it is.
    pub held: Option<String>,
}

impl Candidate {
    /// Takes from a snapshot what retention needs.
    #[must_use]
    pub fn new(root: &Root, received: Instant, held: Option<String>) -> Self {
        Self {
            snapshot: root.snapshot,
            started: root.started,
            finished: root.finished,
            received,
            is_copy: root.origin.is_some(),
            tags: root.tags.clone(),
            entries: root.counts.entries,
            bytes: root.counts.bytes,
            warnings: root.counts.warnings,
            held,
        }
    }

    /// Returns when it came: when the store received it, unless that was long after it was made.
    #[must_use]
    pub fn came(&self) -> Instant {
        self.received.min(self.finished)
    }

    /// Returns the moment that it shows: when its run began, or when it ended if that took more than a day.
    #[must_use]
    pub fn when(&self) -> Instant {
        const DAY: i64 = 86_400_000_000_000;
        if self.finished.0.saturating_sub(self.started.0) <= DAY {
            self.started
        } else {
            self.finished
        }
    }
}
