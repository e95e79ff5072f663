//! What can go wrong in a store.

use crate::cause::{Answer, Cause};
use crate::name::Name;
use holdfast_base::advice::Advice;
use holdfast_base::error::{Describe, Kind, kind_of_io};
use std::io;

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object is not there.
    #[error("object `{name}` is not in {place}")]
    Absent {
        /// The object.
        name: Name,
        /// The store.
        place: String,
    },
    /// The object ends before the range that was asked for.
    #[error("object `{name}` in {place} is too short: {wanted} bytes were asked for at {offset}")]
    Short {
        /// The object.
        name: Name,
        /// The store.
        place: String,
        /// First byte asked for.
        offset: u64,
        /// Number of bytes asked for.
        wanted: usize,
    },
    /// The place refused or failed.
    #[error("cannot {action} in {place}")]
    Io {
        /// What was tried.
        action: String,
        /// The store.
        place: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A service refused or failed.
    #[error("cannot {action} in {place}: {}", source.cause)]
    Service {
        /// What was tried.
        action: String,
        /// The store.
        place: String,
        /// Why not, and what the service answered.
        source: Box<Answer>,
    },
    /// The run was cancelled while a service was waited for.
    #[error("the wait for {place} was ended")]
    Cancelled {
        /// The store.
        place: String,
    },
    /// The URL is of no kind that is known.
    #[error("`{url}` is no store that this version knows")]
    Url {
        /// The URL.
        url: String,
    },
    /// A local store needs an absolute path.
    #[error("`{url}` is not an absolute path")]
    RelativePath {
        /// The URL.
        url: String,
    },
}

impl StoreError {
    /// Returns whether the object was simply not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Returns whether object lock keeps the object from being removed.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.cause() == Some(&Cause::Locked)
    }

    /// Returns why a service did not do what it was asked.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Service { source, .. } => Some(&source.cause),
            _ => None,
        }
    }
}

impl Describe for StoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::Absent { .. } | Self::Short { .. } => Kind::Damaged,
            Self::Io { source, .. } => kind_of_io(source),
            Self::Service { source, .. } => source.cause.error_kind(),
            Self::Cancelled { .. } => Kind::Interrupted,
            Self::Url { .. } | Self::RelativePath { .. } => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Url { .. } | Self::RelativePath { .. } => {
                vec![Advice::Words(
                    "Write the URL of a directory, such as `file:///var/backups/holdfast`, or of a bucket, such as \
                     `s3://bucket/holdfast`"
                        .into(),
                )]
            }
            Self::Io { source, place, .. } if source.kind() == io::ErrorKind::StorageFull => {
                vec![Advice::Words(format!(
                    "Make room in {place} and run again: what was stored is kept"
                ))]
            }
            Self::Service { source, .. } => vec![source.cause.advice()],
            _ => Vec::new(),
        }
    }
}
