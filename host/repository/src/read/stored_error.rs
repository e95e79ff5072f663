//! What can go wrong with what is stored, for the floors that do more than read it.

use crate::objects::error::{ObjectError, wrap_object_error};
use crate::read::ReadError;
use crate::repository::OpenError;
use crate::snapshot::SnapshotError;
use holdfast_base::advice::Advice;
use holdfast_base::error::{Describe, Kind};

/// What can go wrong with what is stored: the repository, its objects, and its snapshots.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// An object failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The repository cannot be opened, or not for this.
    #[error(transparent)]
    Open(OpenError),
    /// A snapshot failed.
    #[error(transparent)]
    Snapshot(SnapshotError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Read(ReadError),
}

wrap_object_error!(StoredError: Object, Open, Snapshot, Read);

/// Takes an error of a floor apart, so that an [`ObjectError`] is never wrapped twice.
macro_rules! wrap_floors {
    ($($variant:ident($lower:ident)),*) => {
        $(impl From<$lower> for StoredError {
            fn from(error: $lower) -> Self {
                match error {
                    $lower::Object(error) => Self::Object(error),
                    error => Self::$variant(error),
                }
            }
        })*
    };
}

wrap_floors!(Open(OpenError), Snapshot(SnapshotError), Read(ReadError));

impl StoredError {
    fn as_floor(&self) -> &dyn Describe {
        match self {
            Self::Object(error) => error,
            Self::Open(error) => error,
            Self::Snapshot(error) => error,
            Self::Read(error) => error,
        }
    }
}

impl Describe for StoredError {
    fn kind(&self) -> Kind {
        self.as_floor().kind()
    }

    fn advice(&self) -> Vec<Advice> {
        self.as_floor().advice()
    }
}

/// Lets the error of a floor above take in a [`StoredError`] and whatever that takes in.
macro_rules! wrap_stored_error {
    ($upper:ident: $($variant:ident),*) => {
        $crate::objects::error::wrap_object_error!($upper: $($variant),*);
        $crate::objects::error::wrap_causes!($upper as $crate::read::StoredError:
            $crate::objects::error::ObjectError, $crate::repository::OpenError,
            $crate::snapshot::SnapshotError, $crate::read::ReadError);
    };
}

pub(crate) use wrap_stored_error;
