//! What can go wrong while a snapshot is written.

use crate::objects::error::{ObjectError, wrap_error, wrap_object_error};
use crate::read::ReadError;
use crate::repository::OpenError;
use crate::snapshot::SnapshotError;
use holdfast_base::advice::Advice;
use holdfast_base::error::{Describe, Kind};

/// What can go wrong while a snapshot is written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An object of the repository failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The repository cannot be written to.
    #[error(transparent)]
    Open(OpenError),
    /// What is copied cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// The snapshot failed.
    #[error(transparent)]
    Snapshot(SnapshotError),
    /// The same entry was added twice.
    #[error("entry `{path}` was added twice")]
    AddedTwice {
        /// The entry.
        path: String,
    },
    /// The path, the attributes and the kind of an entry are too long together.
    #[error("what belongs to `{path}` is more than a snapshot may hold")]
    EntryTooLarge {
        /// The entry.
        path: String,
    },
    /// The facts of a snapshot are too long together.
    #[error("the facts is more than a snapshot may hold")]
    FactsTooLarge,
    /// The run is to be committed while a stream into it is open.
    #[error("the run has already failed: the source left a transfer behind")]
    StreamLeftOpen,
    /// An earlier failure ended the run. The failure itself is returned when the run ends.
    #[error("the run has already failed: {cause}")]
    AlreadyFailed {
        /// The failure in words.
        cause: String,
    },
}

wrap_object_error!(WriteError: Open, Read, Snapshot);
wrap_error!(WriteError: Open(OpenError), Read(ReadError), Snapshot(SnapshotError));

impl Describe for WriteError {
    fn kind(&self) -> Kind {
        match self {
            Self::Object(error) => error.kind(),
            Self::Open(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::Snapshot(error) => error.kind(),
            Self::AddedTwice { .. }
            | Self::EntryTooLarge { .. }
            | Self::FactsTooLarge
            | Self::StreamLeftOpen
            | Self::AlreadyFailed { .. } => Kind::Failed,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Object(error) => error.advice(),
            Self::Open(error) => error.advice(),
            Self::Read(error) => error.advice(),
            Self::Snapshot(error) => error.advice(),
            _ => Vec::new(),
        }
    }
}
