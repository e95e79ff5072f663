//! What can go wrong with a snapshot as a whole.

use crate::objects::error::{ObjectError, wrap_object_error};
use holdfast_base::advice::{Advice, SnapshotAdvice};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::SnapshotId;

/// What can go wrong with a snapshot as a whole.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// An object of the repository failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// There is no such snapshot.
    #[error("there is no snapshot `{wanted}`")]
    NoSnapshot {
        /// What was asked for.
        wanted: String,
    },
}

wrap_object_error!(SnapshotError: Object);

impl SnapshotError {
    /// Makes the error of a snapshot that is not there.
    pub(crate) fn no_snapshot(id: &SnapshotId) -> Self {
        let wanted = id.to_string();
        Self::NoSnapshot { wanted }
    }
}

impl Describe for SnapshotError {
    fn kind(&self) -> Kind {
        match self {
            Self::Object(error) => error.kind(),
            Self::NoSnapshot { .. } => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Object(error) => error.advice(),
            Self::NoSnapshot { .. } => {
                vec![SnapshotAdvice::ListSnapshots.into()]
            }
        }
    }
}
