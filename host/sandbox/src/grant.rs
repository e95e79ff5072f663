//! Asked, granted and narrowed: what a plugin may do in a job.
//!
//! - What is effective is asked for by the plugin's manifest, granted by the operator at install,
//!   and named by the job. Each step can only take away.
//! - A denial says which step it failed at, and what to write where to allow it.

/// What is denied, and what would allow it.
mod denial;
/// What a job takes away.
mod narrow;
/// How granted commands are run.
mod terms;

pub use denial::{Asker, Denial, Part, Remedy};
pub use narrow::{Narrowing, Unfit};
pub use terms::{ANY_PROGRAM, Terms, TermsTable};

use crate::manifest::{Access, Ask, Manifest, SettingType};
use crate::pattern;
use denial::quoted;
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

/// A directory tree that may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeRule {
    /// The name that the job's settings give it.
    pub name: String,
    /// Where it is; a restore to another place changes this and not the name.
    pub path: PathBuf,
    /// How it may be used.
    pub access: Access,
    /// The directory that it must lie in, wherever links lead.
    pub within: Option<PathBuf>,
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

/// A setting that names what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Naming {
    setting: String,
    is_list: bool,
    /// What the job names there now.
    named: Vec<String>,
}

/// The settings that name what was asked for, whatever they name now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Namings {
    trees: Vec<Naming>,
    commands: Vec<Naming>,
    secrets: Vec<String>,
}

/// What a plugin may do in one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective {
    /// Directory trees.
    pub trees: Vec<TreeRule>,
    /// Commands.
    pub commands: Vec<CommandRule>,
    /// Secrets.
    pub secrets: Vec<SecretRule>,
    /// Whether there is durable state.
    pub state: bool,
    /// What was asked for and never granted: a call is refused before it begins.
    pub lacking: Vec<Ask>,
    /// How commands are run.
    pub terms: Terms,
    /// What part the plugin has in the job, which decides where its tables are.
    pub part: Part,
    narrowing: Narrowing,
    namings: Namings,
    /// Programs that the plugin asks for, and the install did not grant.
    refused_programs: Vec<String>,
    /// The only programs that the install granted, where it granted only some.
    only_commands: Vec<String>,
}

/// Returns what is effective in a job with these settings, which were checked.
#[must_use]
pub fn effective(manifest: &Manifest, grant: &Grant, settings: &Map<String, Value>) -> Effective {
    let mut effective = Effective {
        only_commands: grant.only_commands.clone(),
        ..Effective::default()
    };
    for ask in &manifest.capabilities {
        if !grant.covers(ask) {
            effective.lacking.push(ask.clone());
            continue;
        }
        let named = texts(ask.from_setting().and_then(|setting| settings.get(setting)));
        effective.note_naming(ask, manifest, &named);
        effective.take_in(ask, named);
    }
    effective
}

impl Effective {
    fn note_naming(&mut self, ask: &Ask, manifest: &Manifest, named: &[String]) {
        let Some(setting) = ask.from_setting() else {
            return;
        };
        let mut declared = manifest.settings.iter().filter(|s| s.name == setting);
        let naming = Naming {
            setting: setting.to_owned(),
            is_list: declared.any(|s| s.r#type != SettingType::Path),
            named: named.to_vec(),
        };
        match ask {
            Ask::Trees { .. } => self.namings.trees.push(naming),
            Ask::Process { .. } => self.namings.commands.push(naming),
            Ask::Secrets { .. } => self.namings.secrets.push(naming.setting),
            Ask::Net { .. } | Ask::Http { .. } | Ask::State { .. } => {}
        }
    }

    fn take_in(&mut self, ask: &Ask, named: Vec<String>) {
        match ask {
            Ask::Trees { access, .. } => {
                let rule = |name| TreeRule {
                    path: PathBuf::from(&name),
                    name,
                    access: *access,
                    within: None,
                };
                self.trees.extend(named.into_iter().map(rule));
            }
            Ask::Process {
                commands,
                from_setting,
                ..
            } => {
                for program in commands {
                    self.take_command(program.clone(), None);
                }
                let mut line = named.into_iter();
                if let (Some(_), Some(program)) = (from_setting, line.next()) {
                    self.take_command(program, Some(line.collect()));
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

    fn take_command(&mut self, program: String, arguments: Option<Vec<String>>) {
        if self.only_commands.is_empty() || self.only_commands.contains(&program) {
            self.commands.push(CommandRule { program, arguments });
        } else {
            self.refused_programs.push(program);
        }
    }

    /// Returns the trees that may be opened.
    pub fn open_trees(&self) -> impl Iterator<Item = &TreeRule> {
        self.trees
            .iter()
            .filter(|rule| self.narrowing.admits_tree(&rule.path).is_some())
    }

    /// Returns the secrets that may be handed on.
    pub fn open_secrets(&self) -> impl Iterator<Item = &SecretRule> {
        self.secrets
            .iter()
            .filter(|rule| self.narrowing.admits_secret(&rule.name))
    }

    /// Returns the tree of this name, if it may be used so.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn tree(&self, by: &Asker<'_>, name: &str, access: Access) -> Result<TreeRule, Denial> {
        let deed = match access {
            Access::Read => format!("to read directory `{name}`"),
            Access::Write => format!("to write to directory `{name}`"),
        };
        let deny = |remedy| Err(by.denial(self.part, deed, remedy));
        match self.trees.iter().find(|rule| rule.name == name) {
            Some(rule) if rule.access < access => deny(Remedy::NeverAsked),
            Some(rule) => match self.narrowing.admits_tree(&rule.path) {
                Some(within) => Ok(TreeRule {
                    within: within.map(PathBuf::from),
                    ..rule.clone()
                }),
                None => deny(self.narrowing.path_line(name)),
            },
            None => deny(naming_tree(&self.namings.trees, name)),
        }
    }

    /// Returns why a tree that a link leads out of what the job allows is not opened.
    #[must_use]
    pub fn led_away(&self, by: &Asker<'_>, rule: &TreeRule) -> Denial {
        let within = rule.within.as_deref().unwrap_or(&rule.path);
        let deed = format!(
            "to open directory `{}`, from where a link leads out of `{}`",
            rule.name,
            within.display()
        );
        by.denial(self.part, deed, Remedy::NeverAsked)
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
        let line = pattern::exactly(program, arguments);
        let deny = |remedy| Err(by.denial(self.part, format!("to run `{line}`"), remedy));
        let of_program = |rule: &&CommandRule| rule.program == program;
        let mut rules = self.commands.iter().filter(of_program).peekable();
        if rules.peek().is_none() && self.refused_programs.iter().any(|name| name == program) {
            return deny(self.grant_of(by, program));
        }
        let is_named = |rule: &CommandRule| {
            rule.arguments
                .as_deref()
                .is_none_or(|only| only == arguments)
        };
        if !rules.any(is_named) {
            return deny(naming_command(&self.namings.commands, program, arguments));
        }
        if self.narrowing.admits_command(program, arguments) {
            return Ok(());
        }
        deny(self.narrowing.command_line(&line))
    }

    /// Returns the command that grants a program beside those that were granted.
    fn grant_of(&self, by: &Asker<'_>, program: &str) -> Remedy {
        let mut command = format!("holdfast plugin grant {}", by.plugin);
        for program in self
            .only_commands
            .iter()
            .map(String::as_str)
            .chain([program])
        {
            command.push_str(&format!(
                " --allow-command {}",
                pattern::exactly(program, &[])
            ));
        }
        Remedy::Grant(command)
    }

    /// Returns the rule for a secret.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn secret(&self, by: &Asker<'_>, name: &str) -> Result<&SecretRule, Denial> {
        let deny = |remedy| Err(by.denial(self.part, format!("to use secret `{name}`"), remedy));
        match self.secrets.iter().find(|rule| rule.name == name) {
            Some(rule) if self.narrowing.admits_secret(name) => Ok(rule),
            Some(_) => deny(self.narrowing.secret_line(name)),
            None if self.namings.secrets.iter().any(|known| known == name) => deny(
                Remedy::Setting(format!("{name} = {{ secret = \"file:/PATH\" }}")),
            ),
            None => deny(Remedy::NeverAsked),
        }
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
        Err(by.denial(self.part, deed, Remedy::NeverAsked))
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
        Err(by.denial(self.part, deed, Remedy::NeverAsked))
    }

    /// Returns the first request that was never granted.
    #[must_use]
    pub fn first_lacking(&self, by: &Asker<'_>) -> Option<Denial> {
        let ask = self.lacking.first()?;
        let remedy = Remedy::Grant(format!("holdfast plugin grant {}", by.plugin));
        Some(by.denial(self.part, format!("to {}", ask.words()), remedy))
    }
}

/// Returns the line of settings that names a directory beside those that are named.
fn naming_tree(namings: &[Naming], path: &str) -> Remedy {
    let Some(naming) = namings.first() else {
        return Remedy::NeverAsked;
    };
    let value = if naming.is_list {
        list(&[naming.named.as_slice(), &[path.to_owned()]].concat())
    } else {
        quoted(path)
    };
    Remedy::Setting(format!("{} = {value}", naming.setting))
}

/// Returns the line of settings that names a command in place of the one that is named.
fn naming_command(namings: &[Naming], program: &str, arguments: &[String]) -> Remedy {
    let Some(naming) = namings.first() else {
        return Remedy::NeverAsked;
    };
    let words = [&[program.to_owned()], arguments].concat();
    Remedy::Setting(format!("{} = {}", naming.setting, list(&words)))
}

/// Writes texts as TOML does.
fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
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
