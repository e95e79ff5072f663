//! Why something is not kept as long as was asked, or cannot be forgotten.

use crate::config::prefix_place;
use holdfast_base::advice::{AccessAdvice, Advice, JobAdvice};
use holdfast_base::error::{Describe, Kind};

/// Why something is not kept as long as was asked, or cannot be forgotten.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The store's bucket has no object lock.
    #[error("{}{store} had no object lock when its repository was made", prefix_place(.place.as_deref()))]
    NoObjectLock {
        /// The place in the configuration that asks for it.
        place: Option<String>,
        /// The store.
        store: String,
    },
    /// No service locks for so long.
    #[error("nothing can be locked until {until}")]
    LockTooLong {
        /// How long, or until when.
        until: String,
    },
    /// Nobody says how long a store is to be locked.
    #[error("it is not said how long store `{store}` is to be locked")]
    NoLockTime {
        /// The store.
        store: String,
    },
    /// A lock is to end in the past, or at what is no time.
    #[error("nothing can be locked until `{text}`")]
    InvalidLockEnd {
        /// What was given.
        text: String,
    },
    /// A hold is to end in the past, or at what is no time.
    #[error("a hold cannot end at `{text}`")]
    InvalidHoldEnd {
        /// What was given.
        text: String,
    },
    /// A hold has no reason.
    #[error("a hold has a reason")]
    NoReason,
    /// A job has no rules for a store.
    #[error("job `{job}` does not say what is kept in store `{store}`")]
    NoRulesInStore {
        /// The job.
        job: String,
        /// The store.
        store: String,
    },
    /// A job has no rules for any store.
    #[error("job `{job}` does not say what is kept")]
    NoRules {
        /// The job.
        job: String,
    },
    /// No job has rules.
    #[error("no job says what is kept")]
    NoRulesAtAll,
}

impl Describe for KeepError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn advice(&self) -> Vec<Advice> {
        let words = match self {
            Self::NoObjectLock { .. } => return vec![AccessAdvice::MoveToLockingBucket.into()],
            Self::NoLockTime { .. } => return vec![JobAdvice::SetLockTime.into()],
            Self::NoReason => return vec![JobAdvice::GiveReason.into()],
            Self::LockTooLong { .. } => "Services lock for a hundred years at most",
            Self::InvalidLockEnd { .. } | Self::InvalidHoldEnd { .. } => {
                "Give a day to come, such as 2030-12-31, or a time such as 2030-12-31T12:00:00Z"
            }
            Self::NoRulesInStore { .. } | Self::NoRules { .. } => {
                "Add to the job, such as: keep = { daily = 14, weekly = 8, monthly = 12 }"
            }
            Self::NoRulesAtAll => {
                "Add to a job, such as: keep = { daily = 14, weekly = 8, monthly = 12 }"
            }
        };
        vec![Advice::Words(words.to_owned())]
    }
}
