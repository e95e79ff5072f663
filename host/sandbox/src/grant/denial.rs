//! What was denied, to whom, and which step refused.
//!
//! All of it is data: `jobs` knows how tables of the configuration are written, and the command
//! line knows how commands are typed.

use crate::manifest::Ask;
use holdfast_base::advice::{Advice, Allowed, PluginAdvice, PluginInJob, PluginRole, SettingValue};
use std::fmt;
use std::path::PathBuf;

/// Who asks, and in which job.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The job.
    pub job: &'a str,
}

impl Asker<'_> {
    /// Returns the asker with what it does in the job.
    #[must_use]
    pub fn with_role(&self, role: PluginRole) -> PluginInJob {
        PluginInJob {
            plugin: self.plugin.to_owned(),
            job: self.job.to_owned(),
            role,
        }
    }
}

/// What a plugin asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To read a directory tree, by the name that the settings give it.
    ReadTree(String),
    /// To write to a directory tree.
    WriteTree(String),
    /// To open a tree that a link leads out of the directory that it must lie in.
    LeaveDirectory {
        /// The tree.
        tree: String,
        /// The directory that it must lie in.
        within: PathBuf,
    },
    /// To run a command line.
    RunCommand(String),
    /// To hand on a secret.
    UseSecret(String),
    /// To see a secret.
    RevealSecret(String),
    /// To keep values between runs.
    KeepState,
    /// Something that its manifest asks for.
    Capability(Ask),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadTree(name) => write!(f, "to read directory `{name}`"),
            Self::WriteTree(name) => write!(f, "to write to directory `{name}`"),
            Self::LeaveDirectory { tree, within } => write!(
                f,
                "to open directory `{tree}`, from where a link leads out of `{}`",
                within.display()
            ),
            Self::RunCommand(line) => write!(f, "to run `{line}`"),
            Self::UseSecret(name) => write!(f, "to use secret `{name}`"),
            Self::RevealSecret(name) => write!(f, "to see the content of secret `{name}`"),
            Self::KeepState => f.write_str("to keep values between runs"),
            Self::Capability(ask) => write!(f, "to {}", ask.describe()),
        }
    }
}

/// Which step refused, and what it would have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeniedBy {
    /// The manifest does not ask for it: nothing can allow it.
    Manifest,
    /// It was not granted at install.
    Grant {
        /// The programs to grant if only some are granted, each as a pattern.
        programs: Vec<String>,
    },
    /// The job's settings do not name it.
    Settings {
        /// The setting that would name it.
        setting: String,
        /// What it would have to say.
        value: SettingValue,
    },
    /// The job takes it away.
    Narrowing {
        /// What the job would have to allow.
        what: Allowed,
        /// All that it would have to allow, new and old.
        values: Vec<String>,
    },
}

/// Says what was denied, to whom, and which step refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{}` asked {request}, which {}", .owner.plugin, self.describe_step())]
pub struct Denial {
    /// Who asked.
    pub owner: PluginInJob,
    /// What it asked to do.
    pub request: Request,
    /// Which step refused.
    pub denied_by: DeniedBy,
}

impl Denial {
    fn describe_step(&self) -> String {
        let job = &self.owner.job;
        match self.denied_by {
            DeniedBy::Manifest => "neither its manifest nor the job's settings name".into(),
            DeniedBy::Grant { .. } => "was not granted when it was installed".into(),
            DeniedBy::Settings { .. } => format!("the settings of job `{job}` do not name"),
            DeniedBy::Narrowing { .. } => format!("job `{job}` does not allow"),
        }
    }

    /// Returns what would allow it.
    #[must_use]
    pub fn advice(&self) -> Advice {
        let owner = self.owner.clone();
        match self.denied_by.clone() {
            DeniedBy::Manifest => PluginAdvice::ShowRequests {
                plugin: owner.plugin,
            }
            .into(),
            DeniedBy::Grant { programs } => PluginAdvice::GrantPlugin {
                plugin: owner.plugin,
                programs,
            }
            .into(),
            DeniedBy::Settings { setting, value } => PluginAdvice::NameInSettings {
                owner,
                setting,
                value,
            }
            .into(),
            DeniedBy::Narrowing { what, values } => PluginAdvice::AllowInJob {
                owner,
                what,
                values,
            }
            .into(),
        }
    }
}
