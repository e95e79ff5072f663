//! What can go wrong with an object: in the store, under its seal, or in its bytes.
//!
//! Errors of the floors above wrap [`ObjectError`] and say so by [`ObjectFault`]. So the questions that decide what is
//! repaired, read around or tried again are answered here, and a floor cannot answer one of them differently.

use crate::format::FormatError;
use crate::format::pack::FrameError;
use crate::ground::chance::EntropyError;
use crate::ground::seal::SealError;
use crate::keys::KeyError;
use holdfast_base::advice::{Advice, KeyAdvice, SnapshotAdvice};
use holdfast_base::cancel::Cancel;
use holdfast_base::error::{Describe, Kind, kind_of_io};
use holdfast_base::id::{PackId, SnapshotId};
use holdfast_base::parallel::Stopped;
use holdfast_store::name::NameError;
use holdfast_store::{Cause, Name, StoreError};
use std::fmt;
use std::io;

/// What can go wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Bytes are not what they should be.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A frame cannot be made or expanded.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The system has no random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// An object is not what it should be.
    #[error("object `{object}` is damaged")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        source: Box<ObjectError>,
    },
    /// An object has another hash than its name says.
    #[error("it does not have the content that its name says")]
    HashMismatch {
        /// The hash in its name.
        expected: blake3::Hash,
        /// The hash of what is stored.
        found: blake3::Hash,
    },
    /// An object holds something else than belongs under its name.
    #[error("it does not have the content that its name says")]
    ContentMismatch,
    /// A host has forgotten, or would forget, what another host made.
    #[error("snapshot `{snapshot}` was made by host {made_by}: host {host} cannot forget it")]
    NotOwn {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Who made it.
        made_by: String,
        /// Who would forget it.
        host: String,
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
    ReadBackFailed {
        /// The object.
        object: String,
        /// What is wrong with it.
        source: Box<ObjectError>,
    },
    /// Another object has the random name that an object was to get.
    #[error("object `{object}` is there already")]
    Taken {
        /// The object.
        object: Name,
    },
    /// No epoch is there, so that no operator can open anything.
    #[error("the repository in {place} has lost its epochs")]
    NoEpoch {
        /// The store.
        place: String,
    },
    /// Somebody else changed who can open the repository, or its epoch, at the same moment.
    #[error("somebody else has changed the keys of the repository in this moment")]
    KeysChanged,
    /// Collection, or somebody by hand, has removed what a run relied on.
    #[error("{}", describe_overtaken(pack.as_ref()))]
    Overtaken {
        /// A pack that is gone, or about to be; none if the run's sessions were ended again and again.
        pack: Option<PackId>,
    },
    /// Listings of the same objects differ.
    #[error("listings of `{area}`, one right after the other, differ")]
    Disagree {
        /// What was listed.
        area: &'static str,
    },
    /// The code that makes parity refused its cells.
    #[error("the parity code refused its cells")]
    ParityCode(#[source] reed_solomon_simd::Error),
    /// The system refused something on this machine.
    #[error("cannot {step}")]
    Io {
        /// What was tried.
        step: IoStep,
        /// What the system answered.
        source: io::Error,
    },
    /// A stage of the work is no longer there, because it failed or panicked.
    #[error("the run has already failed: {0}")]
    StageEnded(Stage),
    /// The run was cancelled.
    #[error("the run was cancelled")]
    Cancelled,
}

/// What was tried on this machine when the system refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IoStep {
    /// Looking a chunk up in the local copy of the index.
    ReadIndex,
    /// Merging tables of the local copy of the index.
    MergeIndex,
    /// Sorting a segment for the local copy of the index.
    SortIndex,
    /// Compressing an index segment.
    CompressSegment,
    /// Compressing a small object.
    CompressObject(Name),
    /// Writing a pack into the store's upload.
    WritePack,
    /// Writing parity into the store's upload.
    WriteParity,
    /// Writing a pack that parity has mended.
    WriteMended,
    /// Writing a pack that was whole elsewhere.
    WriteHealed,
    /// Writing the copy of a damaged object.
    WriteCopy(Name),
    /// Reading a pack that the key does not open.
    ReadPack,
    /// Reading the file of an entry.
    ReadEntry(String),
}

impl fmt::Display for IoStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadIndex => f.write_str("read the local copy of the index"),
            Self::MergeIndex => f.write_str("merge the index"),
            Self::SortIndex => f.write_str("sort a part of the index"),
            Self::CompressSegment => f.write_str("compress an index segment"),
            Self::CompressObject(name) => write!(f, "compress `{name}`"),
            Self::WritePack => f.write_str("write a pack"),
            Self::WriteParity => f.write_str("write parity"),
            Self::WriteMended => f.write_str("write a mended pack"),
            Self::WriteHealed => f.write_str("write a healed pack"),
            Self::WriteCopy(name) => write!(f, "write `{name}`"),
            Self::ReadPack => f.write_str("read it"),
            Self::ReadEntry(path) => write!(f, "read `{path}`"),
        }
    }
}

impl IoStep {
    /// Returns what makes an error of this step from what the system answered.
    pub(crate) fn failed(self) -> impl FnOnce(io::Error) -> ObjectError {
        move |source| ObjectError::Io { step: self, source }
    }
}

/// A stage of the work that others hand something to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Makes packs durable.
    Storing,
    /// Fills packs with frames.
    Packing,
    /// Reads, cuts and compresses.
    Working,
    /// Puts entries into their order.
    Sequencing,
    /// One of the threads of a run, whichever it was.
    Pipeline,
    /// One of the threads that write chunks into new packs.
    Rewriting,
    /// The stream of an entry that was ended before.
    Stream,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storing => "packs can no longer be stored",
            Self::Packing => "packs can no longer be made",
            Self::Working => "the workers have ended",
            Self::Sequencing => "the sequencer has ended",
            Self::Pipeline => "a thread of the pipeline ended",
            Self::Rewriting => "a thread of the rewriting ended",
            Self::Stream => "no stream",
        })
    }
}

fn describe_overtaken(pack: Option<&PackId>) -> String {
    match pack {
        Some(pack) => format!("pack {pack}, which this run relied on, was removed while it ran"),
        None => "collection has ended this run: it took it for one that is dead".to_owned(),
    }
}

impl From<NameError> for ObjectError {
    fn from(error: NameError) -> Self {
        Self::Format(FormatError::invalid("object name", error.to_string()))
    }
}

impl From<Stopped<Self>> for ObjectError {
    fn from(stopped: Stopped<Self>) -> Self {
        match stopped {
            Stopped::Cancelled => Self::Cancelled,
            Stopped::Failed(error) => error,
        }
    }
}

impl ObjectError {
    /// Names the object that is damaged, if damage is what this error means.
    #[must_use]
    pub fn in_object(self, object: impl Into<String>) -> Self {
        match self {
            Self::Format(FormatError::Newer { .. }) => self,
            Self::Format(_)
            | Self::Frame(_)
            | Self::HashMismatch { .. }
            | Self::ContentMismatch
            | Self::Seal(SealError::Damaged { .. }) => self.damaged(object),
            Self::Store(ref error) if error.kind() == Kind::Damaged => self.damaged(object),
            other => other,
        }
    }

    /// Does the same for an object that is sealed to a key which is certainly the right one.
    #[must_use]
    pub(crate) fn in_sealed(self, object: impl Into<String>) -> Self {
        match self {
            Self::Seal(SealError::WrongKey) => self.damaged(object),
            other => other.in_object(object),
        }
    }

    /// Names the object that was stored and could not be opened again.
    #[must_use]
    pub(crate) fn read_back_failed(self, object: &Name) -> Self {
        Self::ReadBackFailed {
            object: object.to_string(),
            source: Box::new(self),
        }
    }

    /// Names the object that is damaged.
    #[must_use]
    pub(crate) fn damaged(self, object: impl Into<String>) -> Self {
        Self::Damaged {
            object: object.into(),
            source: Box::new(self),
        }
    }
}

/// Ends what was cancelled.
///
/// # Errors
/// It was.
pub(crate) fn ensure_not_cancelled(cancel: &Cancel) -> Result<(), ObjectError> {
    if cancel.is_raised() {
        return Err(ObjectError::Cancelled);
    }
    Ok(())
}

/// Makes sure that an object has the hash that its name says.
///
/// # Errors
/// It has another.
pub(crate) fn require_hash(found: blake3::Hash, expected: [u8; 32]) -> Result<(), ObjectError> {
    let expected = blake3::Hash::from_bytes(expected);
    if found == expected {
        return Ok(());
    }
    Err(ObjectError::HashMismatch { expected, found })
}

/// An error that an object may lie below.
pub trait ObjectFault: Describe {
    /// Returns what went wrong with an object, if that is what failed.
    fn object_error(&self) -> Option<&ObjectError>;

    /// Returns whether something that is stored is damaged or gone.
    fn is_damage(&self) -> bool {
        self.kind() == Kind::Damaged
    }

    /// Returns whether this is about what a key signed after it was revoked: such a thing counts for nothing.
    fn is_revoked(&self) -> bool {
        match self.object_error() {
            Some(ObjectError::Format(FormatError::Revoked { .. })) => true,
            Some(ObjectError::Damaged { source, .. }) => source.is_revoked(),
            _ => false,
        }
    }

    /// Returns whether an object lies in a cold class, and has to be thawed first.
    fn is_cold(&self) -> bool {
        matches!(self.object_error(), Some(ObjectError::Store(error)) if matches!(error.cause(), Some(Cause::Cold)))
    }

    /// Returns whether a service gave nothing, which says nothing of what it holds.
    fn is_unserved(&self) -> bool {
        matches!(self.object_error(), Some(ObjectError::Store(error))
            if error.cause().is_some() && error.kind() == Kind::Temporary)
    }

    /// Returns whether the object that this is about is not there.
    fn is_absence(&self) -> bool {
        match self.object_error() {
            Some(ObjectError::Store(error)) => error.is_absent(),
            Some(ObjectError::Damaged { source, .. }) => source.is_absence(),
            _ => false,
        }
    }

    /// Returns the damaged object that this is about, if it is about one.
    fn object(&self) -> Option<&str> {
        match self.object_error() {
            Some(ObjectError::Damaged { object, .. }) => Some(object),
            _ => None,
        }
    }
}

impl ObjectFault for ObjectError {
    fn object_error(&self) -> Option<&ObjectError> {
        Some(self)
    }
}

impl Describe for ObjectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) | Self::Unanswered { source: error, .. } => error.kind(),
            Self::Key(error) => error.kind(),
            Self::Seal(SealError::WrongKey | SealError::Unusable { .. }) => Kind::Key,
            Self::Seal(SealError::Encryptor { .. }) => Kind::Failed,
            Self::Seal(SealError::Io(source)) | Self::Io { source, .. } => kind_of_io(source),
            Self::Entropy(EntropyError(source)) => kind_of_io(source),
            Self::Format(FormatError::Newer { .. }) => Kind::Usage,
            Self::Seal(SealError::Damaged { .. })
            | Self::Format(_)
            | Self::Frame(_)
            | Self::Damaged { .. }
            | Self::HashMismatch { .. }
            | Self::ContentMismatch
            | Self::NoEpoch { .. } => Kind::Damaged,
            Self::NotOwn { .. } => Kind::Denied,
            Self::Taken { .. } => Kind::Usage,
            Self::ReadBackFailed { source, .. } => match source.kind() {
                Kind::Damaged | Kind::Key => Kind::Failed,
                other => other,
            },
            Self::KeysChanged | Self::Overtaken { .. } | Self::Disagree { .. } => Kind::Temporary,
            Self::ParityCode(_) | Self::StageEnded(_) => Kind::Failed,
            Self::Cancelled => Kind::Interrupted,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let words = |words: &str| vec![Advice::Words(words.into())];
        match self {
            Self::NotOwn { made_by, .. } => vec![
                SnapshotAdvice::ForgetOnHost {
                    host: made_by.clone(),
                }
                .into(),
            ],
            Self::Disagree { .. } => words(
                "Nothing was decided on it; run it again. Where it stays so, the store's listings cannot be relied on",
            ),
            Self::NoEpoch { .. } => vec![KeyAdvice::OpenWithoutOperator.into()],
            Self::Unanswered { .. } => {
                vec![SnapshotAdvice::ListSnapshotsLater.into()]
            }
            Self::Overtaken { .. } => words("Run it again: it stores anew what is gone"),
            Self::KeysChanged => vec![KeyAdvice::ReviewOperators.into()],
            Self::ReadBackFailed { .. } => words(
                "Look at the memory and the disks of this machine and of the store before you run it again",
            ),
            Self::Store(error) => error.advice(),
            Self::Key(error) => error.advice(),
            Self::Damaged { .. } => vec![SnapshotAdvice::CheckData.into()],
            Self::Format(FormatError::Newer { .. }) => {
                words("Use the version of holdfast that wrote it, or a newer one")
            }
            Self::Io { source, .. } | Self::Seal(SealError::Io(source)) => advice_of_stream(source),
            _ => Vec::new(),
        }
    }
}

/// Returns what a store advises, if it was a stream into it that failed.
fn advice_of_stream(error: &io::Error) -> Vec<Advice> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.map_or_else(Vec::new, StoreError::advice)
}

/// Lets a floor's error take in whatever an [`ObjectError`] takes in, and says in which variants one may lie.
macro_rules! wrap_object_error {
    ($upper:ident: $($variant:ident),*) => {
        $crate::objects::error::wrap_causes!($upper as $crate::objects::error::ObjectError:
            holdfast_store::StoreError, $crate::keys::KeyError, $crate::ground::seal::SealError,
            $crate::format::FormatError, $crate::format::pack::FrameError, $crate::ground::chance::EntropyError,
            holdfast_store::name::NameError);

        impl From<holdfast_base::parallel::Stopped<Self>> for $upper {
            fn from(stopped: holdfast_base::parallel::Stopped<Self>) -> Self {
                use holdfast_base::parallel::Stopped;
                match stopped {
                    Stopped::Cancelled => $crate::objects::error::ObjectError::Cancelled.into(),
                    Stopped::Failed(error) => error,
                }
            }
        }

        impl $crate::objects::error::ObjectFault for $upper {
            fn object_error(&self) -> Option<&$crate::objects::error::ObjectError> {
                $(if let Self::$variant(error) = self {
                    return error.object_error();
                })*
                None
            }
        }
    };
}

/// Lets an error take in causes as another error that it takes in.
macro_rules! wrap_causes {
    ($upper:ident as $middle:ty: $($cause:ty),*) => {
        $(impl From<$cause> for $upper {
            fn from(error: $cause) -> Self {
                Self::from(<$middle>::from(error))
            }
        })*
    };
}

pub(crate) use {wrap_causes, wrap_object_error};
