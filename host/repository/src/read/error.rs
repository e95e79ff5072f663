//! What can go wrong when a snapshot is read.

use crate::objects::error::{ObjectError, wrap_object_error};
use holdfast_base::advice::{Advice, SnapshotAdvice};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::ChunkId;

/// What can go wrong when a snapshot is read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// An object of the repository failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Something that a snapshot needs is not listed anywhere.
    #[error("chunk {chunk} is in no pack that the index lists")]
    MissingChunk {
        /// The chunk.
        chunk: ChunkId,
    },
    /// There is no such entry.
    #[error("there is no entry `{path}` in the snapshot")]
    NoEntry {
        /// What was asked for.
        path: String,
    },
}

wrap_object_error!(ReadError: Object);

impl Describe for ReadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Object(error) => error.kind(),
            Self::MissingChunk { .. } => Kind::Damaged,
            Self::NoEntry { .. } => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Object(error) => error.advice(),
            Self::MissingChunk { .. } => {
                vec![SnapshotAdvice::CheckData.into()]
            }
            Self::NoEntry { .. } => vec![SnapshotAdvice::ListEntries.into()],
        }
    }
}
