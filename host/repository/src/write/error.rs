//! What can go wrong while a snapshot is written.

use crate::read::StoredError;
use crate::read::stored_error::wrap_stored_error;
use holdfast_base::advice::Advice;
use holdfast_base::error::{Describe, Kind};

/// What can go wrong while a snapshot is written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What is stored failed.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// The name of an entry or a tree is taken: what has both could not be restored.
    #[error("`{path}` cannot be added: `{held}` is in the snapshot already")]
    NameTaken {
        /// What was to be added.
        path: String,
        /// What has its name, holds it, or would lie in it.
        held: String,
    },
    /// The path, the attributes and the kind of an entry are too long together.
    #[error("what belongs to `{path}` is more than a snapshot may hold")]
    EntryTooLarge {
        /// The entry.
        path: String,
    },
    /// The system is short of something, and would refuse whatever comes next.
    #[error("cannot read `{path}`: this machine is short of something: {source}")]
    Short {
        /// What it refused first.
        path: String,
        /// What it answered.
        source: std::io::Error,
    },
    /// A device fails to read what it holds.
    #[error(
        "{failures} of {entries} entries cannot be read, because a device fails: a snapshot without them would pass for a whole one"
    )]
    DeviceFails {
        /// Entries that could not be read.
        failures: u64,
        /// All entries.
        entries: u64,
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

wrap_stored_error!(WriteError: Stored);

impl Describe for WriteError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stored(error) => error.kind(),
            Self::Short { .. } | Self::DeviceFails { .. } => Kind::Temporary,
            Self::NameTaken { .. }
            | Self::EntryTooLarge { .. }
            | Self::FactsTooLarge
            | Self::StreamLeftOpen
            | Self::AlreadyFailed { .. } => Kind::Failed,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Stored(error) => error.advice(),
            _ => Vec::new(),
        }
    }
}
