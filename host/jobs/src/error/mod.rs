//! What can go wrong in a command: the errors of the floors below, and what only a command knows.

/// Why somebody cannot open a repository, or cannot be let open it.
pub mod access;
/// Why something is not kept as long as was asked, or cannot be forgotten.
pub mod keep;
/// Why a run did not make its snapshot.
pub mod run;
/// Why no recovery sheet can be made.
pub mod sheet;

use crate::config::ConfigError;
use crate::files::FileError;
use crate::keys::CredentialError;
use crate::plugins::PluginError;
use crate::secrets::SecretError;
use crate::select::SelectError;
use access::AccessError;
use holdfast_base::advice::{Advice, JobAdvice};
use holdfast_base::error::{Describe, Kind, kind_of_io};
use holdfast_repository::keys::KeyError;
use holdfast_repository::seal::SealError;
use holdfast_repository::{
    ObjectError, OpenError, ReadError, RepositoryError, SnapshotError, UpkeepError, WriteError,
};
use holdfast_sandbox::CallError;
use holdfast_store::StoreError;
use keep::KeepError;
use run::RunError;
use sheet::SheetError;
use std::io;

/// What can go wrong in a command.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of this machine cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A key or an identity cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A plugin cannot be used.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A plugin failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// It is not clear which snapshot or entry is meant.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Somebody cannot open the repository.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A run did not make its snapshot.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Something is not kept, or not forgotten, as was asked.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// No recovery sheet can be made.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// A backup failed.
    #[error("backup `{job}` failed, nothing was committed")]
    Backup {
        /// The job.
        job: String,
        /// Why.
        source: Box<JobError>,
    },
    /// What a restore would replace cannot be saved.
    #[error(
        "what job `{job}` backs up could not be saved before it is restored; nothing was changed"
    )]
    SafetyBackup {
        /// The job.
        job: String,
        /// Why.
        source: Box<JobError>,
    },
    /// A restore is to go to what is no directory.
    #[error("`{path}` is no directory")]
    NoDirectory {
        /// What was named.
        path: String,
    },
    /// A source is asked for patterns.
    #[error("a source takes paths, not patterns")]
    PatternsForSource,
    /// The content of an entry cannot be read, for a reason that no repository gives.
    #[error("cannot read the entry")]
    ReadEntry(#[source] io::Error),
}

/// Lets a command's error take in what a floor of the repository fails with.
macro_rules! from_repository {
    ($($floor:ty),*) => {
        $(impl From<$floor> for JobError {
            fn from(error: $floor) -> Self {
                Self::Repository(error.into())
            }
        })*
    };
}

from_repository!(
    KeyError,
    SealError,
    StoreError,
    ObjectError,
    OpenError,
    ReadError,
    SnapshotError,
    WriteError,
    UpkeepError
);

impl JobError {
    /// Returns the error that this one only passes on.
    fn inner(&self) -> Option<&dyn Describe> {
        Some(match self {
            Self::Config(error) => error,
            Self::File(error) => error,
            Self::Secret(error) => error,
            Self::Credential(error) => error,
            Self::Plugin(error) => error,
            Self::Call(error) => error,
            Self::Repository(error) => error,
            Self::Select(error) => error,
            Self::Access(error) => error,
            Self::Run(error) => error,
            Self::Keep(error) => error,
            Self::Sheet(error) => error,
            Self::Backup { source, .. } | Self::SafetyBackup { source, .. } => &**source,
            Self::NoDirectory { .. } | Self::PatternsForSource | Self::ReadEntry(_) => return None,
        })
    }
}

impl Describe for JobError {
    fn kind(&self) -> Kind {
        match self {
            // A source that says "damaged" speaks of what it read, not of the repository.
            Self::Backup { source, .. } | Self::SafetyBackup { source, .. }
                if matches!(**source, Self::Call(_)) && source.kind() == Kind::Damaged =>
            {
                Kind::Failed
            }
            Self::ReadEntry(error) => kind_of_io(error),
            other => other.inner().map_or(Kind::Usage, Describe::kind),
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let mut advice = self.inner().map(Describe::advice).unwrap_or_default();
        match self {
            Self::SafetyBackup { .. } => advice.push(JobAdvice::SkipSafetyBackup.into()),
            Self::NoDirectory { .. } => advice.push(JobAdvice::NameTargetDirectory.into()),
            _ => {}
        }
        advice
    }
}
