//! What can go wrong.

use crate::config::ConfigError;
use holdfast_base::advice::Advice;
use holdfast_base::cancel::Reason;
use holdfast_base::error::{Describe, Kind, kind_of_io};
use holdfast_repository::RepositoryError;
use holdfast_repository::keys::KeyError;
use holdfast_sandbox::engine::LoadError;
use holdfast_sandbox::{CallError, ComponentError};
use holdfast_store::StoreError;
use std::io;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A plugin cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A plugin's file cannot be used.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// A file that was named as a plugin is none that can be used.
    #[error("`{path}` is no plugin that can be used")]
    NoPlugin {
        /// The file.
        path: String,
        /// Why.
        source: ComponentError,
    },
    /// A plugin failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A backup failed.
    #[error("backup `{job}` failed, nothing was committed")]
    Backup {
        /// The job.
        job: String,
        /// Why.
        source: Box<JobError>,
    },
    /// A source reported success and gave nothing.
    #[error("the source reported success, but put nothing into the snapshot")]
    Empty,
    /// A plugin is not installed.
    #[error("{}plugin `{name}` is not installed", at(.place.as_deref()))]
    NotInstalled {
        /// Where the configuration names it.
        place: Option<String>,
        /// Its name.
        name: String,
        /// The one that was probably meant.
        near: Option<String>,
    },
    /// A plugin asks for more than it was granted.
    #[error("plugin `{name}` asks for more than it was granted: {asks}")]
    NotGranted {
        /// Its name.
        name: String,
        /// What it asks for.
        asks: String,
    },
    /// Another run holds the job.
    #[error("another run of job `{job}` is going on")]
    Busy {
        /// The job.
        job: String,
    },
    /// What a restore would replace cannot be saved.
    #[error(
        "what job `{job}` backs up could not be saved before it is restored; nothing was changed"
    )]
    NotSaved {
        /// The job.
        job: String,
        /// Why.
        source: Box<JobError>,
    },
    /// Another run copies the job's snapshots.
    #[error("another run copies the snapshots of job `{job}`")]
    BusyCopying {
        /// The job.
        job: String,
    },
    /// Another collection holds the repository.
    #[error("another gc of {place} is going on")]
    Collecting {
        /// The store.
        place: String,
    },
    /// A key reads too little for what is wanted.
    #[error("{message}")]
    KeyReadsTooLittle {
        /// What is wanted.
        message: String,
        /// What to do next.
        hint: &'static str,
    },
    /// A key file cannot be used.
    #[error("cannot use key file `{path}`")]
    Key {
        /// The file.
        path: String,
        /// Why.
        source: KeyError,
    },
    /// What the operator gave does not open the repository.
    #[error("{what} does not open the repository in {place}")]
    NotTheirs {
        /// What was given.
        what: &'static str,
        /// The store.
        place: String,
    },
    /// A file that is to be made is there already.
    #[error("`{path}` is there already, and keys are never overwritten")]
    InTheWay {
        /// The file.
        path: String,
    },
    /// A key file cannot be read.
    #[error("cannot read key file `{path}`")]
    KeyFile {
        /// The file.
        path: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A secret cannot be had.
    #[error("cannot get secret `{reference}`: {detail}")]
    Secret {
        /// Where it was looked for.
        reference: String,
        /// Why.
        detail: String,
    },
    /// What should refer to a secret does not.
    #[error("this refers to no secret: {}", crate::config::reference::FORMS)]
    NoReference,
    /// An operator's identity cannot be read.
    #[error("cannot read identity `{path}`")]
    Identity {
        /// The file.
        path: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The run took longer than its job allows.
    #[error("the run took longer than its job allows ({place})")]
    TooLong {
        /// Where the job says so.
        place: String,
    },
    /// The system refused something on this machine.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The newest snapshot is wanted, and it may be one that cannot be read.
    #[error("it is not known which snapshot `{wanted}` is: one cannot be read")]
    Unclear {
        /// What was asked for.
        wanted: String,
        /// What cannot be read.
        source: RepositoryError,
    },
    /// Something failed because the command was interrupted.
    #[error(transparent)]
    Interrupted(Box<JobError>),
    /// The command line asks for something that cannot be.
    #[error("{message}")]
    Usage {
        /// What cannot be.
        message: String,
        /// What can.
        hint: Option<String>,
    },
    /// The run was ended.
    #[error("the run {}", match .0 {
        Reason::Interrupted => "was interrupted",
        Reason::Deadline => "ran out of time",
        Reason::Failed => "failed elsewhere",
    })]
    Cancelled(Reason),
}

impl JobError {
    /// Makes an error of the system on this machine.
    pub fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// Makes an error about the command line.
    #[must_use]
    pub fn usage(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.map(str::to_owned),
        }
    }
}

/// Puts a place in front of what is wrong there.
fn at(place: Option<&str>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Repository(error.into())
    }
}

impl Describe for JobError {
    fn kind(&self) -> Kind {
        match self {
            Self::Config(error) => error.kind(),
            Self::Usage { .. } | Self::NotInstalled { .. } | Self::InTheWay { .. } => Kind::Usage,
            Self::Repository(error) | Self::Unclear { source: error, .. } => error.kind(),
            Self::Load(error) => error.kind(),
            Self::Component(error) | Self::NoPlugin { source: error, .. } => error.kind(),
            Self::Call(error) => error.kind(),
            Self::Backup { source, .. } | Self::NotSaved { source, .. } => match source.kind() {
                // A source that says "damaged" speaks of what it read, not of the repository.
                Kind::Damaged if matches!(**source, Self::Call(_)) => Kind::Failed,
                kind => kind,
            },
            Self::Empty => Kind::Failed,
            Self::NotGranted { .. } => Kind::Denied,
            Self::Busy { .. } | Self::BusyCopying { .. } | Self::Collecting { .. } => Kind::Busy,
            Self::Key { .. }
            | Self::KeyReadsTooLittle { .. }
            | Self::KeyFile { .. }
            | Self::NotTheirs { .. }
            | Self::Identity { .. }
            | Self::NoReference
            | Self::Secret { .. } => Kind::Key,
            Self::TooLong { .. } => Kind::Temporary,
            Self::Io { source, .. } => kind_of_io(source),
            Self::Interrupted(_) | Self::Cancelled(Reason::Interrupted) => Kind::Interrupted,
            Self::Cancelled(Reason::Deadline) => Kind::Temporary,
            Self::Cancelled(Reason::Failed) => Kind::Failed,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let text = match self {
            Self::Config(error) => return error.advice(),
            Self::Repository(error) => return error.advice(),
            Self::Load(error) => return error.advice(),
            Self::Component(error) | Self::NoPlugin { source: error, .. } => return error.advice(),
            Self::Call(error) => return error.advice(),
            Self::Backup { source, .. } => return source.advice(),
            Self::NotInstalled { name, near, .. } => {
                let install = format!("Install it: holdfast plugin install {name}.wasm");
                let near = near.as_ref().map(|near| format!("Did you mean `{near}`?"));
                return near
                    .into_iter()
                    .chain([install])
                    .map(Advice::Words)
                    .collect();
            }
            Self::NotGranted { name, .. } => {
                format!("Look at what it asks for, and say yes: holdfast plugin grant {name}")
            }
            Self::KeyReadsTooLittle { hint, .. } => (*hint).to_owned(),
            Self::Collecting { .. } => "Wait for it to end".to_owned(),
            Self::NotSaved { source, .. } => {
                let mut hints = source.advice();
                let words = "If it is not worth saving, or on a new machine: --no-safety-backup";
                hints.push(Advice::Words(words.to_owned()));
                return hints;
            }
            Self::BusyCopying { .. } => {
                "It takes this snapshot along, or the next run does".to_owned()
            }
            Self::Busy { .. } => {
                "Wait for it to end, or see what it does: holdfast history".to_owned()
            }
            Self::KeyFile { path, source } if source.kind() == io::ErrorKind::NotFound => format!(
                "Bring `{path}` back from where it was exported to, or make it again from an operator's \
                 identity: holdfast key recover STORE --identity FILE"
            ),
            Self::NotTheirs { .. } => {
                "It opens with what `init` sealed it to: an operator's identity \
                                       (--identity FILE), or a passphrase (--passphrase)"
                    .to_owned()
            }
            Self::Key { source, .. } => return source.advice(),
            Self::TooLong { .. } => "Give it more time: timeout-minutes".to_owned(),
            Self::InTheWay { path } => format!(
                "Move `{path}` away if it belongs to another repository; or name another file"
            ),
            Self::Unclear { wanted, .. } => {
                let job = wanted.split('@').next().unwrap_or(wanted);
                format!(
                    "See which ones can be read, and name one by its id, such as {job}@ID: holdfast list"
                )
            }
            Self::Usage {
                hint: Some(hint), ..
            } => hint.clone(),
            _ => return Vec::new(),
        };
        vec![Advice::Words(text)]
    }
}
