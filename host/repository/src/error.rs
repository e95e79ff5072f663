//! What can go wrong in a repository.

use crate::objects::error::{wrap_error, wrap_object_error};
use crate::read::ReadError;
use crate::repository::OpenError;
use crate::snapshot::SnapshotError;
use crate::upkeep::UpkeepError;
use crate::write::WriteError;
use holdfast_base::advice::Advice;
use holdfast_base::error::{Describe, Kind};

pub use crate::objects::error::{IoStep, ObjectError, ObjectFault, Stage};

/// What can go wrong in a repository: the error of one of its floors.
///
/// Each floor has an error of its own, so that one sees what a function can fail with. This is for callers that use
/// several floors.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// An object failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Making or opening the repository failed.
    #[error(transparent)]
    Open(OpenError),
    /// Reading a snapshot failed.
    #[error(transparent)]
    Read(ReadError),
    /// A snapshot failed.
    #[error(transparent)]
    Snapshot(SnapshotError),
    /// Writing a snapshot failed.
    #[error(transparent)]
    Write(WriteError),
    /// Looking after the repository failed.
    #[error(transparent)]
    Upkeep(UpkeepError),
}

wrap_object_error!(RepositoryError: Open, Read, Snapshot, Write, Upkeep);
wrap_error!(RepositoryError: Open(OpenError), Read(ReadError), Snapshot(SnapshotError));

impl From<WriteError> for RepositoryError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Object(error) => Self::Object(error),
            WriteError::Open(error) => error.into(),
            WriteError::Read(error) => error.into(),
            WriteError::Snapshot(error) => error.into(),
            error => Self::Write(error),
        }
    }
}

impl From<UpkeepError> for RepositoryError {
    fn from(error: UpkeepError) -> Self {
        match error {
            UpkeepError::Object(error) => Self::Object(error),
            UpkeepError::Open(error) => error.into(),
            UpkeepError::Read(error) => error.into(),
            UpkeepError::Snapshot(error) => error.into(),
            UpkeepError::Write(error) => error.into(),
            error => Self::Upkeep(error),
        }
    }
}

impl RepositoryError {
    fn as_floor(&self) -> &dyn Describe {
        match self {
            Self::Object(error) => error,
            Self::Open(error) => error,
            Self::Read(error) => error,
            Self::Snapshot(error) => error,
            Self::Write(error) => error,
            Self::Upkeep(error) => error,
        }
    }
}

impl Describe for RepositoryError {
    fn kind(&self) -> Kind {
        self.as_floor().kind()
    }

    fn advice(&self) -> Vec<Advice> {
        self.as_floor().advice()
    }
}
