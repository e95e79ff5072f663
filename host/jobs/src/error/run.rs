//! Why a run did not make its snapshot.

use holdfast_base::advice::{Advice, JobAdvice};
use holdfast_base::error::{Describe, Kind};

/// Why a run did not make its snapshot.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another run holds the job.
    #[error("another run of job `{job}` is going on")]
    Busy {
        /// The job.
        job: String,
    },
    /// Another run copies the job's snapshots.
    #[error("another run copies the snapshots of job `{job}`")]
    BusyCopying {
        /// The job.
        job: String,
    },
    /// Another collection holds the repository.
    #[error("another gc of {place} is going on")]
    BusyCollecting {
        /// The store.
        place: String,
    },
    /// A source reported success and gave nothing.
    #[error("the source reported success, but put nothing into the snapshot")]
    Empty,
    /// The run took longer than its job allows.
    #[error("the run took longer than its job allows ({place})")]
    Timeout {
        /// The place of the limit in the configuration.
        place: String,
    },
    /// A word cannot be a tag.
    #[error("`{}` is no tag: {}", tag.escape_default(), crate::config::TAG_RULE)]
    InvalidTag {
        /// The word.
        tag: String,
    },
    /// No verifier is named, by the job or otherwise.
    #[error("job `{job}` names no verifier")]
    NoVerifier {
        /// The job.
        job: String,
    },
}

impl Describe for RunError {
    fn kind(&self) -> Kind {
        match self {
            Self::Busy { .. } | Self::BusyCopying { .. } | Self::BusyCollecting { .. } => {
                Kind::Busy
            }
            Self::Empty => Kind::Failed,
            Self::Timeout { .. } => Kind::Temporary,
            Self::InvalidTag { .. } | Self::NoVerifier { .. } => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let words = match self {
            Self::Busy { .. } => return vec![JobAdvice::AwaitRun.into()],
            Self::NoVerifier { .. } => return vec![JobAdvice::NameVerifier.into()],
            Self::BusyCopying { .. } => "It takes this snapshot along, or the next run does",
            Self::BusyCollecting { .. } => "Wait for it to end",
            Self::Timeout { .. } => "Give it more time: timeout-minutes",
            Self::Empty | Self::InvalidTag { .. } => return Vec::new(),
        };
        vec![Advice::Words(words.to_owned())]
    }
}
