//! Asked, granted and narrowed: what a plugin may do in a job.
//!
//! - What is effective is asked for by the plugin's manifest, granted by the operator at install,
//!   and named by the job. Each step can only take away.
//! - A denial says which step it failed at, and what to write where to allow it.

use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::manifest::{Access, Ask, Manifest};
use crate::pattern;
use holdfast_base::error::Hint;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The operator's yes, for one installed plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grant {
    /// What was asked for and granted.
    #[serde(default)]
    pub capabilities: Vec<Ask>,
    /// If any are named, only these programs may be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_commands: Vec<String>,
}

impl Grant {
    /// Returns what the manifest asks for beyond what was granted: with any of it, a new yes is
    /// needed.
    #[must_use]
    pub fn lacks<'a>(&self, manifest: &'a Manifest) -> Vec<&'a Ask> {
        manifest
            .capabilities
            .iter()
            .filter(|ask| !self.covers(ask))
            .collect()
    }

    fn covers(&self, ask: &Ask) -> bool {
        self.capabilities
            .iter()
            .any(|granted| is_within(ask, granted))
    }
}

/// Returns whether a yes to `granted` is also one to `ask`.
fn is_within(ask: &Ask, granted: &Ask) -> bool {
    if ask.from_setting() != granted.from_setting() {
        return false;
    }
    match (granted, ask) {
        (Ask::Trees { access: held, .. }, Ask::Trees { access: wanted, .. }) => held >= wanted,
        (
            Ask::Process { commands: held, .. },
            Ask::Process {
                commands: wanted, ..
            },
        ) => wanted.iter().all(|command| held.contains(command)),
        (Ask::Secrets { reveal: held, .. }, Ask::Secrets { reveal: wanted, .. }) => held >= wanted,
        (Ask::Net { .. }, Ask::Net { .. })
        | (Ask::Http { .. }, Ask::Http { .. })
        | (Ask::State { .. }, Ask::State { .. }) => true,
        _ => false,
    }
}

/// What a job takes away: its table `[job.NAME.allow]`. What is not given stays as it was granted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Narrowing {
    /// Patterns of command lines: `pg_dump --format=custom *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
    /// Directories that trees must be, or lie below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<PathBuf>>,
    /// Secrets, by the name of the setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
}

/// A directory tree that may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeRule {
    /// The name that the job's settings give it.
    pub name: String,
    /// Where it is; a restore to another place changes this and not the name.
    pub path: PathBuf,
    /// How it may be used.
    pub access: Access,
}

/// A command that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRule {
    /// The program, as the guest names it.
    pub program: String,
    /// The arguments, if only these are allowed.
    pub arguments: Option<Vec<String>>,
}

/// A secret that may be handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRule {
    /// Its name: that of the setting.
    pub name: String,
    /// Whether the guest may see it.
    pub reveal: bool,
}

/// What a plugin may do in one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective {
    /// Directory trees.
    pub trees: Vec<TreeRule>,
    /// Commands.
    pub commands: Vec<CommandRule>,
    /// Patterns of command lines, if the job allows only these.
    pub command_patterns: Option<Vec<String>>,
    /// Secrets.
    pub secrets: Vec<SecretRule>,
    /// Whether there is durable state.
    pub state: bool,
    /// What was asked for and never granted: a call is refused before it begins.
    pub lacking: Vec<Ask>,
}

/// Returns what is effective in a job with these settings, which were checked.
#[must_use]
pub fn effective(manifest: &Manifest, grant: &Grant, settings: &Map<String, Value>) -> Effective {
    let mut effective = Effective::default();
    for ask in &manifest.capabilities {
        if grant.covers(ask) {
            let named = texts(ask.from_setting().and_then(|setting| settings.get(setting)));
            effective.take_in(ask, grant, named);
        } else {
            effective.lacking.push(ask.clone());
        }
    }
    effective
}

impl Effective {
    fn take_in(&mut self, ask: &Ask, grant: &Grant, named: Vec<String>) {
        let may_run = |program: &String| {
            grant.only_commands.is_empty() || grant.only_commands.contains(program)
        };
        match ask {
            Ask::Trees { access, .. } => {
                let rule = |name| TreeRule {
                    path: PathBuf::from(&name),
                    name,
                    access: *access,
                };
                self.trees.extend(named.into_iter().map(rule));
            }
            Ask::Process {
                commands,
                from_setting,
                ..
            } => {
                let rule = |program: &String| CommandRule {
                    program: program.clone(),
                    arguments: None,
                };
                self.commands
                    .extend(commands.iter().filter(|program| may_run(program)).map(rule));
                let mut line = named.into_iter();
                if let (Some(_), Some(program)) = (from_setting, line.next())
                    && may_run(&program)
                {
                    self.commands.push(CommandRule {
                        program,
                        arguments: Some(line.collect()),
                    });
                }
            }
            Ask::Secrets {
                from_setting,
                reveal,
                ..
            } => {
                if !named.is_empty() {
                    self.secrets.push(SecretRule {
                        name: from_setting.clone(),
                        reveal: *reveal,
                    });
                }
            }
            Ask::State { .. } => self.state = true,
            // Not available in this version: nothing to make effective.
            Ask::Net { .. } | Ask::Http { .. } => {}
        }
    }

    /// Takes away what the job does not allow.
    #[must_use]
    pub fn narrowed(mut self, narrowing: &Narrowing) -> Self {
        if let Some(paths) = &narrowing.paths {
            self.trees
                .retain(|rule| paths.iter().any(|path| rule.path.starts_with(path)));
        }
        if let Some(secrets) = &narrowing.secrets {
            self.secrets.retain(|rule| secrets.contains(&rule.name));
        }
        if narrowing.commands.is_some() {
            self.command_patterns.clone_from(&narrowing.commands);
        }
        self
    }

    /// Returns the tree of this name, if it may be used so.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn tree(&self, by: &Asker<'_>, name: &str, access: Access) -> Result<&TreeRule, Denial> {
        let deed = match access {
            Access::Read => format!("to read directory `{name}`"),
            Access::Write => format!("to write to directory `{name}`"),
        };
        match self.trees.iter().find(|rule| rule.name == name) {
            Some(rule) if rule.access >= access => Ok(rule),
            Some(_) => Err(by.denial(deed, Remedy::NeverAsked)),
            None => {
                let line = format!("paths = [{}]", quoted(name));
                Err(by.denial(deed, Remedy::Allow(line)))
            }
        }
    }

    /// Checks a command line.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn command(
        &self,
        by: &Asker<'_>,
        program: &str,
        arguments: &[String],
    ) -> Result<(), Denial> {
        let words: Vec<&str> = std::iter::once(program)
            .chain(arguments.iter().map(String::as_str))
            .collect();
        let line = words.join(" ");
        let deny = |remedy| by.denial(format!("to run `{line}`"), remedy);
        let rules: Vec<_> = self
            .commands
            .iter()
            .filter(|rule| rule.program == program)
            .collect();
        if rules.is_empty() {
            return Err(deny(Remedy::AllowCommand(program.to_owned())));
        }
        if !rules.iter().any(|rule| {
            rule.arguments
                .as_deref()
                .is_none_or(|only| only == arguments)
        }) {
            return Err(deny(Remedy::NeverAsked));
        }
        let is_allowed = |only: &Vec<String>| only.iter().any(|p| pattern::matches(p, &words));
        if self.command_patterns.as_ref().is_none_or(is_allowed) {
            return Ok(());
        }
        Err(deny(Remedy::Allow(format!(
            "commands = [{}]",
            quoted(&line)
        ))))
    }

    /// Returns the rule for a secret.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn secret(&self, by: &Asker<'_>, name: &str) -> Result<&SecretRule, Denial> {
        self.secrets
            .iter()
            .find(|rule| rule.name == name)
            .ok_or_else(|| {
                let line = format!("secrets = [{}]", quoted(name));
                by.denial(format!("to use secret `{name}`"), Remedy::Allow(line))
            })
    }

    /// Checks that a secret may be seen by the guest itself.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn reveal(&self, by: &Asker<'_>, name: &str) -> Result<(), Denial> {
        if self.secret(by, name)?.reveal {
            return Ok(());
        }
        let deed = format!("to see the content of secret `{name}`");
        Err(by.denial(deed, Remedy::NeverAsked))
    }

    /// Checks that there is durable state.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn state(&self, by: &Asker<'_>) -> Result<(), Denial> {
        if self.state {
            return Ok(());
        }
        let deed = "to keep values between runs".to_owned();
        Err(by.denial(deed, Remedy::NeverAsked))
    }

    /// Returns the first request that was never granted.
    #[must_use]
    pub fn first_lacking(&self, by: &Asker<'_>) -> Option<Denial> {
        let ask = self.lacking.first()?;
        Some(by.denial(format!("to {}", ask.words()), Remedy::Install))
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
    fn denial(&self, deed: String, remedy: Remedy) -> Denial {
        Denial {
            plugin: self.plugin.to_owned(),
            job: self.job.to_owned(),
            deed,
            remedy,
        }
    }
}

/// What would allow what was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A line in the job's `allow` table.
    Allow(String),
    /// Another yes at install, for this program.
    AllowCommand(String),
    /// A yes at install.
    Install,
    /// Nothing: it is not what the manifest asks for and the settings name.
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
    /// What it asked to do.
    pub deed: String,
    /// What would allow it.
    pub remedy: Remedy,
}

impl Denial {
    fn whose(&self) -> String {
        match self.remedy {
            Remedy::Allow(_) => format!("job `{}` does not allow", self.job),
            Remedy::AllowCommand(_) | Remedy::Install => {
                "was not granted when it was installed".into()
            }
            Remedy::NeverAsked => "neither its manifest nor the job's settings name".into(),
        }
    }

    /// Returns what to do next.
    #[must_use]
    pub fn hint(&self) -> Hint {
        let plugin = &self.plugin;
        Hint(match &self.remedy {
            Remedy::Allow(line) => format!(
                "To allow it, name it in the settings of job `{0}`, or where the job has a table [job.{0}.allow], there:\n  {line}",
                self.job
            ),
            Remedy::AllowCommand(program) => {
                format!(
                    "To allow it: holdfast plugin install {plugin}.wasm --allow-command {program}"
                )
            }
            Remedy::Install => format!("To grant it: holdfast plugin install {plugin}.wasm"),
            Remedy::NeverAsked => {
                format!(
                    "No grant can allow it: see what the manifest asks for with `holdfast plugin show {plugin}`"
                )
            }
        })
    }
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self {
            kind: FailureKind::Denied,
            message: denial.to_string(),
            hint: Some(denial.hint().0),
        }
    }
}

/// Writes a text as TOML does.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(values)) => values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
