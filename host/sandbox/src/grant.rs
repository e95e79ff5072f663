//! Asked, granted and narrowed: what a plugin may do in a job.
//!
//! What is effective is asked for by the plugin's manifest, granted by the operator at install, and
//! named by the job. Each step can only take away.

use crate::manifest::{Access, Ask, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// Returns what the manifest asks for beyond what was granted.
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
            .any(|granted| match (granted, ask) {
                (
                    Ask::Trees {
                        access: held,
                        from_setting: a,
                        ..
                    },
                    Ask::Trees {
                        access: wanted,
                        from_setting: b,
                        ..
                    },
                ) => a == b && held >= wanted,
                (
                    Ask::Process {
                        commands: held,
                        from_setting: a,
                        ..
                    },
                    Ask::Process {
                        commands: wanted,
                        from_setting: b,
                        ..
                    },
                ) => a == b && wanted.iter().all(|command| held.contains(command)),
                (
                    Ask::Secrets {
                        from_setting: a,
                        reveal: held,
                        ..
                    },
                    Ask::Secrets {
                        from_setting: b,
                        reveal: wanted,
                        ..
                    },
                ) => a == b && held >= wanted,
                (
                    Ask::Net {
                        from_setting: a, ..
                    },
                    Ask::Net {
                        from_setting: b, ..
                    },
                )
                | (
                    Ask::Http {
                        from_setting: a, ..
                    },
                    Ask::Http {
                        from_setting: b, ..
                    },
                ) => a == b,
                (Ask::State { .. }, Ask::State { .. }) => true,
                _ => false,
            })
    }
}

/// What a plugin may do in one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective {
    /// Directory trees.
    pub trees: Vec<(String, Access)>,
    /// Commands.
    pub commands: Vec<CommandRule>,
    /// Secrets, and whether the guest may see them.
    pub secrets: Vec<(String, bool)>,
    /// Whether there is durable state.
    pub state: bool,
}

/// A command that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRule {
    /// The program, as the guest names it.
    pub program: String,
    /// The arguments, if only these are allowed.
    pub arguments: Option<Vec<String>>,
}

impl CommandRule {
    /// Returns whether a command line is allowed.
    #[must_use]
    pub fn allows(&self, program: &str, arguments: &[String]) -> bool {
        self.program == program
            && self
                .arguments
                .as_deref()
                .is_none_or(|only| only == arguments)
    }
}

/// Returns what is effective in a job with these (checked) settings.
#[must_use]
pub fn effective(manifest: &Manifest, grant: &Grant, settings: &Map<String, Value>) -> Effective {
    let mut effective = Effective::default();
    let granted = manifest.capabilities.iter().filter(|ask| grant.covers(ask));
    for ask in granted {
        let named = ask.from_setting().and_then(|setting| settings.get(setting));
        match ask {
            Ask::Trees { access, .. } => {
                effective
                    .trees
                    .extend(texts(named).into_iter().map(|path| (path, *access)));
            }
            Ask::Process {
                commands,
                from_setting,
                ..
            } => {
                let fixed = commands.iter().map(|program| CommandRule {
                    program: program.clone(),
                    arguments: None,
                });
                effective.commands.extend(fixed);
                let mut line = texts(named).into_iter();
                if let (Some(_), Some(program)) = (from_setting, line.next()) {
                    effective.commands.push(CommandRule {
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
                if named.is_some_and(Value::is_string) {
                    effective.secrets.push((from_setting.clone(), *reveal));
                }
            }
            Ask::State { .. } => effective.state = true,
            // Not available in this version: nothing to make effective.
            Ask::Net { .. } | Ask::Http { .. } => {}
        }
    }
    if !grant.only_commands.is_empty() {
        effective
            .commands
            .retain(|rule| grant.only_commands.contains(&rule.program));
    }
    effective
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
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(capabilities: Value) -> Manifest {
        let text = json!({
            "manifest": 1, "name": "p", "version": "1.0.0", "contract": "0.1.0", "kinds": ["source"],
            "licence": "x", "description": "x", "capabilities": capabilities,
            "settings": [
                {"name": "paths", "type": "paths", "help": ""},
                {"name": "command", "type": "command", "help": ""},
            ],
        });
        Manifest::decode(text.to_string().as_bytes()).unwrap()
    }

    fn all() -> Manifest {
        manifest(json!([
            {"capability": "trees", "access": "read", "from-setting": "paths", "reason": ""},
            {"capability": "process", "from-setting": "command", "reason": ""},
        ]))
    }

    #[test]
    fn only_what_is_asked_granted_and_named_is_effective() {
        let settings = json!({"paths": ["/etc"], "command": ["pg_dump", "-Fc", "db"]});
        let settings = settings.as_object().unwrap();
        let grant = Grant {
            capabilities: all().capabilities,
            ..Grant::default()
        };
        let yes = effective(&all(), &grant, settings);
        assert_eq!(yes.trees, [("/etc".to_owned(), Access::Read)]);
        let line = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert!(yes.commands[0].allows("pg_dump", &line(&["-Fc", "db"])));
        assert!(!yes.commands[0].allows("pg_dump", &line(&["-Fc", "other"])));
        assert!(!yes.commands[0].allows("sh", &line(&["-Fc", "db"])));
        assert_eq!(
            effective(&all(), &Grant::default(), settings),
            Effective::default()
        );
        assert_eq!(
            effective(&manifest(json!([])), &grant, settings),
            Effective::default()
        );
        let narrow = Grant {
            only_commands: vec!["sqlite3".into()],
            ..grant
        };
        assert!(effective(&all(), &narrow, settings).commands.is_empty());
    }

    #[test]
    fn a_wider_request_needs_a_new_yes_and_a_narrower_one_does_not() {
        let grant = Grant {
            capabilities: all().capabilities,
            ..Grant::default()
        };
        assert!(grant.lacks(&all()).is_empty());
        let wider = manifest(json!([
            {"capability": "trees", "access": "write", "from-setting": "paths", "reason": ""},
            {"capability": "state", "reason": ""},
        ]));
        assert_eq!(grant.lacks(&wider).len(), 2);
        let write = Grant {
            capabilities: wider.capabilities.clone(),
            ..Grant::default()
        };
        let narrower = manifest(json!([
            {"capability": "trees", "access": "read", "from-setting": "paths", "reason": ""},
        ]));
        assert!(write.lacks(&narrower).is_empty());
    }
}
