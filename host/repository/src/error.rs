//! What can go wrong in a repository.

use crate::format::FormatError;
use crate::ground::seal::SealError;
use crate::keys::KeyError;
use crate::pipeline::compress::CompressError;
use crate::upkeep::thaw::Frozen;
use holdfast_base::advice::Advice;
use holdfast_base::error::{Describe, Kind, kind_of_io};
use holdfast_base::id::SnapshotId;
use holdfast_base::parallel::Stopped;
use holdfast_base::size::ByteSize;
use holdfast_base::time::Instant;
use holdfast_store::name::NameError;
use holdfast_store::{Cause, Name, StoreError};
use std::io;

/// What can go wrong in a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// An object is not what it should be.
    #[error("object `{object}` is damaged")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        source: Box<RepositoryError>,
    },
    /// Bytes are not what they should be.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A frame cannot be made or expanded.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// An object does not have the content that its name says.
    #[error("it does not have the content that its name says")]
    Renamed,
    /// Something that a snapshot needs is not listed anywhere.
    #[error("chunk {chunk} is in no pack that the index lists")]
    MissingChunk {
        /// The chunk.
        chunk: holdfast_base::id::ChunkId,
    },
    /// There is no such snapshot.
    #[error("there is no snapshot `{wanted}`")]
    NoSnapshot {
        /// What was asked for.
        wanted: String,
    },
    /// A snapshot is held.
    #[error("snapshot `{snapshot}` is held: {reason}")]
    Held {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Why it is held.
        reason: String,
    },
    /// A host's key is to forget, or has forgotten, what another host made.
    #[error("snapshot `{snapshot}` was made by host {made_by}: host {host} cannot forget it")]
    NotOwn {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Who made it.
        made_by: String,
        /// Who would forget it.
        host: String,
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
    /// Listings of the same objects differ.
    #[error("listings of `{area}`, one right after the other, differ")]
    Disagree {
        /// What was listed.
        area: &'static str,
    },
    /// There is no such entry.
    #[error("there is no entry `{path}` in the snapshot")]
    NoEntry {
        /// What was asked for.
        path: String,
    },
    /// The same entry was added twice.
    #[error("entry `{path}` was added twice")]
    Twice {
        /// The entry.
        path: String,
    },
    /// A limit was reached.
    #[error("{what} is more than a snapshot may hold")]
    TooMuch {
        /// Of what.
        what: String,
    },
    /// The system refused something on this machine.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The store failed in the one moment in which its answer matters.
    #[error("the store failed while `{object}` was created, and it is not known whether it exists")]
    Unanswered {
        /// The object.
        object: String,
        /// What the store answered when it was asked again.
        source: StoreError,
    },
    /// What was stored does not come back.
    #[error("object `{object}` was stored, and does not come back as it was")]
    Unproven {
        /// The object.
        object: String,
        /// What is wrong with it.
        source: Box<RepositoryError>,
    },
    /// No epoch is there, so that no operator can open anything.
    #[error("the repository in {place} has lost its epochs")]
    NoEpoch {
        /// The store.
        place: String,
    },
    /// Objects are there, and the one that says what they are is not.
    #[error("{place} holds what is left of a repository: its object `format` is missing")]
    Headless {
        /// The store.
        place: String,
    },
    /// Collection, or somebody by hand, has removed what a run relied on.
    #[error("{}", overtaken(pack.as_ref()))]
    Overtaken {
        /// A pack that is gone, or about to be; none where the run's sessions were ended again and again.
        pack: Option<holdfast_base::id::PackId>,
    },
    /// What snapshots need is not all there, so that nobody can tell what is superfluous.
    #[error("{chunks} chunks that snapshots need are in no pack that is there")]
    Incomplete {
        /// How many.
        chunks: u64,
    },
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
    Forgetful {
        /// The store.
        place: String,
    },
    /// Both repositories of a copy are the same.
    #[error("{place} cannot be copied into itself")]
    SameRepository {
        /// The store.
        place: String,
    },
    /// The store's clock and this machine's are too far apart.
    #[error("it is {here} on this machine and {there} in the store: one of the clocks is wrong")]
    Skewed {
        /// This machine's time.
        here: Instant,
        /// The store's.
        there: Instant,
    },
    /// Collection has begun to remove a snapshot that somebody wants to keep.
    #[error("it is too late for snapshot `{snapshot}`: collection is removing it")]
    TooLate {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// Somebody else changed who can open the repository, or its epoch, at the same moment.
    #[error("somebody else has changed the keys of the repository in this moment")]
    KeysChanged,
    /// The store shows only announcements that are older than one this machine has seen.
    #[error(
        "the store has lost announcement {number} of the operators, or hides it: nothing is written"
    )]
    Hidden {
        /// The newest one that was seen.
        number: u32,
    },
    /// It is not written down who can open the repository.
    #[error(
        "it is not recorded who can open this repository, so that nobody can be added or taken out"
    )]
    Unrecorded,
    /// What is asked of the operators' keys cannot be.
    #[error("{message}")]
    Operators {
        /// What cannot be.
        message: String,
    },
    /// A second repository was named that is the first.
    #[error("{place} is the repository that is to be repaired")]
    Itself {
        /// The store.
        place: String,
    },
    /// A second repository was named that has nothing in common with the first.
    #[error("the repository in {place} has other keys: its chunks have other names")]
    Stranger {
        /// The store.
        place: String,
    },
    /// Packs that are needed cannot be read yet.
    #[error("{}", cold(frozen, place, *is_all))]
    Cold {
        /// How many, and how far it is with them.
        frozen: Frozen,
        /// The store.
        place: String,
        /// Whether these are all that are needed.
        is_all: bool,
    },
    /// The run was cancelled.
    #[error("the run was cancelled")]
    Cancelled,
    /// An earlier failure ended the run.
    #[error("the run has already failed: {0}")]
    Failed(String),
}

impl From<Stopped<Self>> for RepositoryError {
    fn from(stopped: Stopped<Self>) -> Self {
        match stopped {
            Stopped::Cancelled => Self::Cancelled,
            Stopped::Failed(error) => error,
        }
    }
}

fn overtaken(pack: Option<&holdfast_base::id::PackId>) -> String {
    match pack {
        Some(pack) => format!("pack {pack}, which this run relied on, was removed while it ran"),
        None => "collection has ended this run: it took it for one that is dead".to_owned(),
    }
}

fn cold(frozen: &Frozen, place: &str, is_all: bool) -> String {
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

impl From<NameError> for RepositoryError {
    fn from(error: NameError) -> Self {
        Self::Format(FormatError::invalid("object name", error.to_string()))
    }
}

impl RepositoryError {
    /// Says which object an error concerns, and that it is damaged, where that is what it means.
    #[must_use]
    pub fn in_object(self, object: impl Into<String>) -> Self {
        match self {
            Self::Format(FormatError::Newer { .. }) => self,
            Self::Format(_) | Self::Compress(_) | Self::Renamed => self.damaged(object),
            Self::Seal(SealError::Damaged { .. }) => self.damaged(object),
            Self::Store(ref error) if error.kind() == Kind::Damaged => self.damaged(object),
            other => other,
        }
    }

    /// Says the same of an object that is sealed to a key which is certainly the right one.
    #[must_use]
    pub(crate) fn in_sealed(self, object: impl Into<String>) -> Self {
        match self {
            Self::Seal(SealError::WrongKey) => self.damaged(object),
            other => other.in_object(object),
        }
    }

    /// Says which object was stored and could not be opened again.
    #[must_use]
    pub fn unproven(self, object: &Name) -> Self {
        Self::Unproven {
            object: object.to_string(),
            source: Box::new(self),
        }
    }

    pub(crate) fn damaged(self, object: impl Into<String>) -> Self {
        Self::Damaged {
            object: object.into(),
            source: Box::new(self),
        }
    }

    /// Returns whether this is about what a key signed after it was revoked: such a thing counts for nothing.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        match self {
            Self::Format(FormatError::Revoked { .. }) => true,
            Self::Damaged { source, .. } => source.is_revoked(),
            _ => false,
        }
    }

    /// Returns whether something that is stored is damaged or gone.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.kind() == Kind::Damaged
    }

    /// Returns whether an object lies in a cold class, and has to be thawed first.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error.cause(), Some(Cause::Cold)),
            Self::Cold { .. } => true,
            _ => false,
        }
    }

    /// Returns whether a service gave nothing, which says nothing of what it holds.
    #[must_use]
    pub fn is_unserved(&self) -> bool {
        match self {
            Self::Store(error) => error.cause().is_some() && error.kind() == Kind::Temporary,
            _ => false,
        }
    }

    /// Returns the damaged object that this is about, if it is about one.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        match self {
            Self::Damaged { object, .. } => Some(object),
            _ => None,
        }
    }

    /// Returns whether the object that this is about is not there.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Store(error) => error.is_absent(),
            Self::Damaged { source, .. } => source.is_absence(),
            _ => false,
        }
    }

    /// Makes an error of the system on this machine.
    #[must_use]
    pub fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }
}

impl Describe for RepositoryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Absent { .. } => Kind::NoRepository,
            Self::Exists { .. }
            | Self::NoSession { .. }
            | Self::SameRepository { .. }
            | Self::NoSnapshot { .. }
            | Self::NotHeld { .. }
            | Self::NotForgotten { .. }
            | Self::NoEntry { .. } => Kind::Usage,
            Self::Held { .. } | Self::NotOwn { .. } => Kind::Denied,
            Self::Disagree { .. } => Kind::Temporary,
            Self::KeysChanged => Kind::Temporary,
            Self::Hidden { .. } => Kind::Damaged,
            Self::Unrecorded | Self::Operators { .. } => Kind::Usage,
            Self::Headless { .. } | Self::NoEpoch { .. } => Kind::Damaged,
            Self::Store(error) | Self::Unanswered { source: error, .. } => error.kind(),
            Self::Key(error) => error.kind(),
            Self::Seal(SealError::WrongKey | SealError::Unusable { .. }) => Kind::Key,
            Self::Seal(SealError::Damaged { .. })
            | Self::Damaged { .. }
            | Self::Compress(_)
            | Self::Renamed
            | Self::MissingChunk { .. }
            | Self::Incomplete { .. } => Kind::Damaged,
            Self::Format(FormatError::Newer { .. }) => Kind::Usage,
            Self::Format(_) => Kind::Damaged,
            Self::Seal(SealError::Io(source)) | Self::Io { source, .. } => kind_of_io(source),
            Self::Seal(SealError::Encryptor { .. })
            | Self::Twice { .. }
            | Self::TooMuch { .. }
            | Self::TooLate { .. }
            | Self::Forgetful { .. }
            | Self::Failed(_) => Kind::Failed,
            Self::Unproven { source, .. } => match source.kind() {
                Kind::Damaged | Kind::Key => Kind::Failed,
                other => other,
            },
            Self::Overtaken { .. } | Self::Skewed { .. } | Self::Cold { .. } => Kind::Temporary,
            Self::Itself { .. } => Kind::Usage,
            Self::Stranger { .. } => Kind::Key,
            Self::Cancelled => Kind::Interrupted,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Absent { .. } => vec![Advice::Words("Create one: holdfast init STORE".into())],
            Self::NoSession { .. } => vec![Advice::Words("See which are open: holdfast gc --dry-run".into())],
            Self::NoSnapshot { .. } => vec![Advice::Words("See what there is: holdfast list".into())],
            Self::Held { snapshot, .. } => vec![Advice::Words(format!(
                "Nothing but its end overrides a hold: holdfast release {}", snapshot.short()
            ))],
            Self::NotOwn { made_by, .. } => vec![Advice::Words(format!(
                "Forget it on {made_by}, or as an operator: --identity FILE"
            ))],
            Self::NotHeld { .. } => vec![Advice::Words("See what is held: holdfast list".into())],
            Self::NotForgotten { .. } => vec![Advice::Words("See what can be brought back: holdfast list --forgotten".into())],
            Self::Disagree { .. } => vec![Advice::Words(
                "Nothing was decided on it; run it again. Where it stays so, the store's listings cannot be relied on".into(),
            )],
            Self::NoEntry { .. } => vec![Advice::Words("See what there is: holdfast ls SNAPSHOT; or find it at any depth: holdfast find NAME".into())],
            Self::Exists { .. } => vec![Advice::Words(
                "Make its write key again, if that is what is missing: holdfast key recover STORE --identity FILE"
                    .into(),
            )],
            Self::Headless { .. } => vec![Advice::Words(
                "Bring `format` back from a copy of the repository; it is small and never changes".into(),
            )],
            Self::NoEpoch { .. } => vec![Advice::Words(
                "A write or read key still opens what it could: leave `--identity` out, or give `--key FILE`"
                    .into(),
            )],
            Self::Unanswered { .. } => vec![Advice::Words(
                "See whether it exists, when the store works again: holdfast list".into(),
            )],
            Self::Skewed { .. } => vec![Advice::Words(
                "Set the clocks right and run it again: nothing was removed".into(),
            )],
            Self::Overtaken { .. } => vec![Advice::Words(
                "Run it again: it stores anew what is gone".into(),
            )],
            Self::Cold { frozen, .. } => vec![Advice::Words(frozen.hint().into())],
            Self::KeysChanged => vec![Advice::Words("Look, and try again: holdfast key recipients".into())],
            Self::Hidden { .. } => vec![Advice::Words(
                "Was the store brought back from an older copy? Then begin a new epoch: holdfast rotate --identity FILE"
                    .into(),
            )],
            Self::Unrecorded => vec![Advice::Words(
                "Begin a new epoch, and name everybody: holdfast rotate --recipient age1… --identity FILE"
                    .into(),
            )],
            Self::Operators { .. } => {
                vec![Advice::Words("See who can open it: holdfast key recipients".into())]
            }
            Self::Stranger { .. } => vec![Advice::Words(
                "Name a mirror of this repository, or one that was made with its keys".into(),
            )],
            Self::Unproven { .. } => vec![Advice::Words(
                "Look at the memory and the disks of this machine and of the store before you run it again"
                    .into(),
            )],
            Self::Store(error) => error.advice(),
            Self::Key(error) => error.advice(),
            Self::Damaged { .. } | Self::MissingChunk { .. } | Self::Incomplete { .. } => {
                vec![Advice::Words(
                    "See how far the damage goes: holdfast check --data".into(),
                )]
            }
            Self::Format(FormatError::Newer { .. }) => {
                vec![Advice::Words(
                    "Use the version of holdfast that wrote it, or a newer one".into(),
                )]
            }
            other => hints_of_stream(other),
        }
    }
}

/// Returns what a store says is to be done, where it was a stream into it that failed.
fn hints_of_stream(error: &RepositoryError) -> Vec<Advice> {
    let (RepositoryError::Io { source, .. } | RepositoryError::Seal(SealError::Io(source))) = error
    else {
        return Vec::new();
    };
    let inner = source.get_ref().and_then(|inner| inner.downcast_ref());
    inner.map_or_else(Vec::new, StoreError::advice)
}
