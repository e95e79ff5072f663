//! What can go wrong when a repository is made or opened.

use crate::objects::error::{ObjectError, wrap_object_error};
use holdfast_base::advice::{Advice, KeyAdvice};
use holdfast_base::error::{Describe, Kind};

/// What can go wrong when a repository is made or opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One of its objects failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// There is no repository.
    #[error("there is no repository in {place}")]
    Absent {
        /// The store.
        place: String,
    },
    /// There is something already.
    #[error("{place} already holds a repository")]
    Exists {
        /// The store.
        place: String,
    },
    /// Objects are there, and the one that says what they are is not.
    #[error("{place} holds what is left of a repository: its object `format` is missing")]
    NoHeader {
        /// The store.
        place: String,
    },
    /// The store shows only announcements that are older than one this machine has seen.
    #[error(
        "the store has lost announcement {number} of the operators, or hides it: nothing is written"
    )]
    Hidden {
        /// The newest one that was seen.
        number: u32,
    },
}

wrap_object_error!(OpenError: Object);

impl Describe for OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Object(error) => error.kind(),
            Self::Absent { .. } => Kind::NoRepository,
            Self::Exists { .. } => Kind::Usage,
            Self::NoHeader { .. } | Self::Hidden { .. } => Kind::Damaged,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let words = |words: &str| vec![Advice::Words(words.into())];
        match self {
            Self::Object(error) => error.advice(),
            Self::Absent { .. } => vec![KeyAdvice::CreateRepository.into()],
            Self::Exists { .. } => vec![KeyAdvice::RecoverWriteKey.into()],
            Self::NoHeader { .. } => words(
                "Bring `format` back from a copy of the repository; it is small and never changes",
            ),
            Self::Hidden { .. } => vec![KeyAdvice::BeginEpochAfterRollback.into()],
        }
    }
}
