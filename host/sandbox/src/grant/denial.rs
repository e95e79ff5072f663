//! What is denied, and what would allow it: the very line or command, wherever there is one.

use crate::bindings::v1::shared::types::{Failure, FailureKind};
use holdfast_base::advice::Advice;
use serde_json::Value;

/// What part a plugin has in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// It makes the backup.
    #[default]
    Source,
    /// It judges the backup.
    Verifier,
}

impl Part {
    /// Returns the table of the plugin's settings.
    #[must_use]
    pub fn settings_table(self, job: &str, plugin: &str) -> String {
        match self {
            Self::Source => format!("[job.{job}.with]"),
            Self::Verifier => format!("[job.{job}.verify-with.{plugin}]"),
        }
    }

    /// Returns the table that says how a program is run.
    #[must_use]
    pub fn command_table(self, job: &str, plugin: &str, program: &str) -> String {
        let program = key(program);
        match self {
            Self::Source => format!("[job.{job}.command.{program}]"),
            Self::Verifier => format!("[job.{job}.verify-command.{plugin}.{program}]"),
        }
    }

    /// Returns the table that narrows what the plugin may do.
    #[must_use]
    pub fn allow_table(self, job: &str, plugin: &str) -> String {
        match self {
            Self::Source => format!("[job.{job}.allow]"),
            Self::Verifier => format!("[job.{job}.verify-allow.{plugin}]"),
        }
    }
}

/// Who asks, and in which job.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The job.
    pub job: &'a str,
}

impl Asker<'_> {
    pub(super) fn denial(&self, part: Part, deed: String, remedy: Remedy) -> Denial {
        Denial {
            plugin: self.plugin.to_owned(),
            job: self.job.to_owned(),
            part,
            deed,
            remedy,
        }
    }
}

/// What would allow what was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A line in the job's settings.
    Setting(String),
    /// A line in the job's `allow` table.
    Allow(String),
    /// Another yes: the command to type.
    Grant(String),
    /// Nothing: it is not what the manifest asks for.
    NeverAsked,
}

/// Says what was denied, to whom, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}` asked {deed}, which {}", self.whose())]
pub struct Denial {
    /// The plugin.
    pub plugin: String,
    /// The job.
    pub job: String,
    /// What part the plugin has in it.
    pub part: Part,
    /// What it asked to do.
    pub deed: String,
    /// What would allow it.
    pub remedy: Remedy,
}

impl Denial {
    fn whose(&self) -> String {
        match self.remedy {
            Remedy::Setting(_) => format!("the settings of job `{}` do not name", self.job),
            Remedy::Allow(_) => format!("job `{}` does not allow", self.job),
            Remedy::Grant(_) => "was not granted when it was installed".into(),
            Remedy::NeverAsked => "neither its manifest nor the job's settings name".into(),
        }
    }

    /// Returns what to do next.
    #[must_use]
    pub fn hint(&self) -> Advice {
        let (job, plugin) = (&self.job, &self.plugin);
        Advice::Words(match &self.remedy {
            Remedy::Setting(line) => {
                let table = self.part.settings_table(job, plugin);
                format!("To allow it, write into {table}: {line}")
            }
            Remedy::Allow(line) => {
                let table = self.part.allow_table(job, plugin);
                format!("To allow it, write into {table}: {line}")
            }
            Remedy::Grant(command) => format!("To grant it: {command}"),
            Remedy::NeverAsked => format!(
                "No grant can allow it: see what the manifest asks for with `holdfast plugin show {plugin}`"
            ),
        })
    }
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self {
            kind: FailureKind::Denied,
            message: denial.to_string(),
            hint: Some(denial.hint().to_string()),
        }
    }
}

/// Writes a key as TOML does.
fn key(name: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(is_bare) {
        return name.to_owned();
    }
    quoted(name)
}

/// Writes a text as TOML does.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
