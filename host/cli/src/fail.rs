//! Turns errors into words: what happened, why, and what to do next.

use crate::advice;
use crate::exit::exit_code;
use crate::view::View;
use holdfast_base::advice::Advice;
use holdfast_base::error::{Describe, Kind, error_chain, kind_of_io, list_causes};
use holdfast_jobs::JobError;
use holdfast_jobs::config::ConfigError;
use holdfast_jobs::files::FileError;
use holdfast_jobs::plugins::PluginError;
use holdfast_jobs::secrets::SecretError;
use holdfast_jobs::select::SelectError;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command did not do what was typed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The work failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// What was typed cannot be done.
    #[error("{message}")]
    Usage {
        /// Why.
        message: String,
        /// What to type instead.
        hint: Option<&'static str>,
    },
    /// The system refused something that has no name.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// Something failed because the command was interrupted.
    #[error(transparent)]
    Interrupted(Box<Failure>),
    /// Nobody answered a question before the command was interrupted.
    #[error("the run was interrupted")]
    Unanswered,
}

macro_rules! from_below {
    ($($error:ty),+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Job(error.into())
            }
        })+
    };
}

from_below!(
    ConfigError,
    FileError,
    PluginError,
    SecretError,
    SelectError
);

impl Failure {
    /// Refuses what was typed.
    pub(crate) fn usage(message: impl Into<String>, hint: Option<&'static str>) -> Self {
        let message = message.into();
        Self::Usage { message, hint }
    }

    /// Makes an error of what the system answered.
    pub(crate) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

impl Describe for Failure {
    fn kind(&self) -> Kind {
        match self {
            Self::Job(error) => error.kind(),
            Self::Usage { .. } => Kind::Usage,
            Self::System { source, .. } => kind_of_io(source),
            Self::Interrupted(_) | Self::Unanswered => Kind::Interrupted,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Job(error) => error.advice(),
            Self::Usage { hint, .. } => hint
                .iter()
                .map(|hint| Advice::Words((*hint).to_owned()))
                .collect(),
            Self::System { .. } | Self::Interrupted(_) | Self::Unanswered => Vec::new(),
        }
    }
}

/// Reports an error and returns its exit code.
pub(crate) fn report_failure(error: &Failure, view: &View) -> ExitCode {
    let code = exit_code(error.kind());
    view.failure(
        &error.to_string(),
        &list_causes(error),
        &list_hints(error),
        code,
    );
    ExitCode::from(code)
}

/// Returns what to do next.
pub(crate) fn list_hints(error: &(impl Describe + 'static)) -> Vec<String> {
    let own: Vec<String> = error.advice().iter().map(advice::spell).collect();
    if own.is_empty() && is_refused(error) {
        let rights = "Run holdfast as a user that may do this, or let this user do it";
        return vec![rights.to_owned()];
    }
    own
}

/// Returns whether the system refused something for lack of rights.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut systems = error_chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    systems.any(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Reports what is wrong with the command line, or gives the help that was asked for.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let wants_json = std::env::args_os().any(|word| word == "--json");
    if error.use_stderr() && wants_json {
        let mut parts = text.trim().split("\n\n").map(str::trim);
        let message = parts.next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let hints: Vec<String> = parts.map(str::to_owned).collect();
        let json = crate::view::failure_json(message, &[], &hints, exit_code(Kind::Usage));
        let _ = writeln!(io::stdout().lock(), "{json}");
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
