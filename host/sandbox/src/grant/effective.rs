//! What a plugin may do in one job: asked for by its manifest, granted at install, named by the
//! job's settings, and not taken away by the job.

use super::granted::Grant;
use super::narrowing::Narrowing;
use super::terms::Terms;
use crate::manifest::{Access, Ask, Manifest, SettingType};
use holdfast_base::advice::PluginRole;
use serde_json::{Map, Value};
use std::path::PathBuf;

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
    /// Its name, which is the name of the setting.
    pub name: String,
    /// Whether the guest may see it.
    pub reveal: bool,
}

/// A setting that names what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamingSetting {
    pub(super) setting: String,
    pub(super) is_list: bool,
    /// What the job names there now.
    pub(super) values: Vec<String>,
}

/// The settings that name what was asked for, whatever they name now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NamingSettings {
    pub(super) trees: Vec<NamingSetting>,
    pub(super) commands: Vec<NamingSetting>,
    pub(super) secrets: Vec<String>,
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
    pub ungranted: Vec<Ask>,
    /// How commands are run.
    pub terms: Terms,
    /// What the plugin does in the job.
    pub role: PluginRole,
    pub(super) narrowing: Narrowing,
    pub(super) naming: NamingSettings,
    /// Programs that the plugin asks for and that the install did not grant.
    pub(super) refused_programs: Vec<String>,
    /// The only programs that the install granted, if it granted only some.
    pub(super) only_commands: Vec<String>,
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
            effective.ungranted.push(ask.clone());
            continue;
        }
        let named = list_texts(ask.from_setting().and_then(|setting| settings.get(setting)));
        effective.note_naming(ask, manifest, &named);
        effective.apply_ask(ask, named);
    }
    effective
}

impl Effective {
    fn note_naming(&mut self, ask: &Ask, manifest: &Manifest, named: &[String]) {
        let Some(setting) = ask.from_setting() else {
            return;
        };
        let mut declared = manifest.settings.iter().filter(|s| s.name == setting);
        let naming = NamingSetting {
            setting: setting.to_owned(),
            is_list: declared.any(|s| s.r#type != SettingType::Path),
            values: named.to_vec(),
        };
        match ask {
            Ask::Trees { .. } => self.naming.trees.push(naming),
            Ask::Process { .. } => self.naming.commands.push(naming),
            Ask::Secrets { .. } => self.naming.secrets.push(naming.setting),
            Ask::Net { .. } | Ask::Http { .. } | Ask::State { .. } => {}
        }
    }

    fn apply_ask(&mut self, ask: &Ask, named: Vec<String>) {
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
                    self.add_command(program.clone(), None);
                }
                let mut line = named.into_iter();
                if let (Some(_), Some(program)) = (from_setting, line.next()) {
                    self.add_command(program, Some(line.collect()));
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

    fn add_command(&mut self, program: String, arguments: Option<Vec<String>>) {
        if self.only_commands.is_empty() || self.only_commands.contains(&program) {
            self.commands.push(CommandRule { program, arguments });
        } else {
            self.refused_programs.push(program);
        }
    }

    /// Takes away what the job does not allow.
    #[must_use]
    pub fn narrowed(mut self, narrowing: &Narrowing) -> Self {
        self.narrowing = narrowing.clone();
        self
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
}

fn list_texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(values)) => values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}
