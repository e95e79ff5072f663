//! What can go wrong in a repository.

use crate::read::StoredError;
use crate::read::stored_error::wrap_stored_error;
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
    /// What is stored failed.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// Writing a snapshot failed.
    #[error(transparent)]
    Write(WriteError),
    /// Looking after the repository failed.
    #[error(transparent)]
    Upkeep(UpkeepError),
}

wrap_stored_error!(RepositoryError: Stored, Write, Upkeep);

impl From<WriteError> for RepositoryError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stored(error) => Self::Stored(error),
            error => Self::Write(error),
        }
    }
}

impl From<UpkeepError> for RepositoryError {
    fn from(error: UpkeepError) -> Self {
        match error {
            UpkeepError::Stored(error) => Self::Stored(error),
            UpkeepError::Write(error) => error.into(),
            error => Self::Upkeep(error),
        }
    }
}

impl RepositoryError {
    fn as_floor(&self) -> &dyn Describe {
        match self {
            Self::Stored(error) => error,
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
