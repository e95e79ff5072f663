//! What can go wrong when a repository is looked after.

use crate::read::StoredError;
use crate::read::stored_error::wrap_stored_error;
use crate::upkeep::frozen::Frozen;
use crate::write::WriteError;
use holdfast_base::advice::{Advice, KeyAdvice, SnapshotAdvice};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::SnapshotId;
use holdfast_base::size::ByteSize;
use holdfast_base::time::Instant;
use holdfast_store::Name;

/// What can go wrong when a repository is looked after.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// What is stored failed.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// Writing failed.
    #[error(transparent)]
    Write(WriteError),
    /// What is asked of the operators' keys cannot be.
    #[error(transparent)]
    Operators(#[from] OperatorsError),
    /// A snapshot is held.
    #[error("snapshot `{snapshot}` is held: {reason}")]
    Held {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Why it is held.
        reason: String,
    },
    /// A snapshot that is to be released is not held.
    #[error("snapshot `{snapshot}` is not held")]
    NotHeld {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// A snapshot that is to be brought back is not forgotten.
    #[error("snapshot `{snapshot}` is not forgotten")]
    NotForgotten {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// Collection has begun to remove a snapshot that somebody wants to keep.
    #[error("it is too late for snapshot `{snapshot}`: collection is removing it")]
    TooLate {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// Snapshots need chunks that are not there, so that nobody can tell what is superfluous.
    #[error("{chunks} chunks that snapshots need are in no pack that is there")]
    Incomplete {
        /// How many.
        chunks: u64,
    },
    /// The index has fewer rows than it says, so that nobody can tell what is superfluous.
    #[error("the run has already failed: the index has fewer rows than it says")]
    MissingRow,
    /// There is no such session, or it has ended.
    #[error("there is no open session `{session}`")]
    NoSession {
        /// What was asked for.
        session: SnapshotId,
    },
    /// A store's listings cannot be relied on.
    #[error(
        "{place} does not always list what was just created: collection could remove what is needed"
    )]
    UnreliableListings {
        /// The store.
        place: String,
    },
    /// The store's clock and this machine's are too far apart.
    #[error("it is {here} on this machine and {there} in the store: one of the clocks is wrong")]
    ClocksDiffer {
        /// This machine's time.
        here: Instant,
        /// The store's.
        there: Instant,
    },
    /// Both repositories of a copy are the same.
    #[error("{place} cannot be copied into itself")]
    SameRepository {
        /// The store.
        place: String,
    },
    /// A second repository was named that is the first.
    #[error("{place} is the repository that is to be repaired")]
    SecondIsFirst {
        /// The store.
        place: String,
    },
    /// A second repository was named that has nothing in common with the first.
    #[error("the repository in {place} has other keys: its chunks have other names")]
    SecondHasOtherKeys {
        /// The store.
        place: String,
    },
    /// An object has changed since the repair looked at it.
    #[error("the run has already failed: `{object}` has changed during the repair")]
    Changed {
        /// The object.
        object: Name,
    },
    /// What is read of an object differs from one time to the next.
    #[error(
        "the run has already failed: what is read of `{object}` differs from one time to the next"
    )]
    Unsteady {
        /// The object.
        object: Name,
    },
    /// A damaged object could not be copied before it is replaced.
    #[error(
        "the run has already failed: copies of `{object}` in {} do not come back as they were written",
        crate::ground::names::QUARANTINE
    )]
    CopyDiffers {
        /// The object.
        object: Name,
    },
    /// Packs that are needed cannot be read yet.
    #[error("{}", describe_cold(frozen, place, *is_all))]
    Cold {
        /// How many, and how far it is with them.
        frozen: Frozen,
        /// The store.
        place: String,
        /// Whether these are all that are needed.
        is_all: bool,
    },
}

/// What is asked of the operators' keys, and cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorsError {
    /// It is not written down who can open the repository.
    #[error(
        "it is not recorded who can open this repository, so that nobody can be added or taken out"
    )]
    Unrecorded,
    /// Who is to be added can open it.
    #[error("`{recipient}` can open the repository already")]
    AlreadyAdded {
        /// The recipient.
        recipient: String,
    },
    /// Who is to be taken out cannot open it.
    #[error("nobody who can open the repository is called `{wanted}`")]
    NoSuchOperator {
        /// What was asked for.
        wanted: String,
    },
    /// It is not clear who is to be taken out.
    #[error("`{wanted}` could be any of {count} recipients")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// How many recipients begin with it.
        count: usize,
    },
    /// Nobody would be left.
    #[error("`{wanted}` is the last who can open the repository: without it nobody could")]
    LastOperator {
        /// What was asked for.
        wanted: String,
    },
    /// A repository cannot follow one with other keys.
    #[error("the two repositories are of no trust group: neither was made with the other's keys")]
    NoTrustGroup,
    /// A repository cannot follow one that has not gone on.
    #[error("the other repository has no newer epoch than this one")]
    NoNewerEpoch,
    /// Packs that travelled would be sealed to a key that nobody has in the other repository.
    #[error("both were rotated, each by itself: a new store can be made with the other's keys")]
    BothRotated,
}

wrap_stored_error!(UpkeepError: Stored, Write);

impl From<WriteError> for UpkeepError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stored(error) => Self::Stored(error),
            error => Self::Write(error),
        }
    }
}

fn describe_cold(frozen: &Frozen, place: &str, is_all: bool) -> String {
    let Frozen { packs, asked, .. } = *frozen;
    let bytes = ByteSize(frozen.bytes);
    let how = if asked == packs {
        "are being thawed".to_owned()
    } else if asked == 0 {
        "lie in a cold storage class".to_owned()
    } else {
        format!("lie in a cold storage class, and {asked} of them are being thawed")
    };
    let more = if is_all {
        ""
    } else {
        ". They tell what else is needed"
    };
    format!("{packs} packs ({bytes}) in {place} that this needs {how}{more}")
}

impl Describe for UpkeepError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stored(error) => error.kind(),
            Self::Write(error) => error.kind(),
            Self::Operators(_)
            | Self::NotHeld { .. }
            | Self::NotForgotten { .. }
            | Self::NoSession { .. }
            | Self::SameRepository { .. }
            | Self::SecondIsFirst { .. } => Kind::Usage,
            Self::Held { .. } => Kind::Denied,
            Self::SecondHasOtherKeys { .. } => Kind::Key,
            Self::Incomplete { .. } => Kind::Damaged,
            Self::ClocksDiffer { .. } | Self::Cold { .. } => Kind::Temporary,
            Self::TooLate { .. }
            | Self::MissingRow
            | Self::UnreliableListings { .. }
            | Self::Changed { .. }
            | Self::Unsteady { .. }
            | Self::CopyDiffers { .. } => Kind::Failed,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let words = |words: &str| vec![Advice::Words(words.into())];
        match self {
            Self::Stored(error) => error.advice(),
            Self::Write(error) => error.advice(),
            Self::Operators(OperatorsError::Unrecorded) => {
                vec![KeyAdvice::BeginEpochForEverybody.into()]
            }
            Self::Operators(_) => vec![KeyAdvice::ListOperators.into()],
            Self::Held { snapshot, .. } => vec![
                SnapshotAdvice::ReleaseHold {
                    snapshot: snapshot.short(),
                }
                .into(),
            ],
            Self::NotHeld { .. } => vec![SnapshotAdvice::ListHeldSnapshots.into()],
            Self::NotForgotten { .. } => {
                vec![SnapshotAdvice::ListRestorableSnapshots.into()]
            }
            Self::Incomplete { .. } => vec![SnapshotAdvice::CheckData.into()],
            Self::NoSession { .. } => vec![SnapshotAdvice::ListOpenSessions.into()],
            Self::ClocksDiffer { .. } => {
                words("Set the clocks right and run it again: nothing was removed")
            }
            Self::SecondHasOtherKeys { .. } => {
                words("Name a mirror of this repository, or one that was made with its keys")
            }
            Self::Cold { frozen, .. } => vec![frozen.advice()],
            _ => Vec::new(),
        }
    }
}
