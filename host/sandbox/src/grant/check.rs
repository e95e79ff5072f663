//! Checks what a guest asks for during a call. A refusal says what would allow it.

use super::denial::{Asker, Denial, DeniedBy, Request};
use super::effective::{CommandRule, Effective, NamingSetting, SecretRule, TreeRule};
use crate::manifest::Access;
use crate::pattern::{self, Pattern};
use holdfast_base::advice::{Allowed, SettingValue};
use std::path::PathBuf;

impl Effective {
    fn denial(&self, asker: &Asker<'_>, request: Request, denied_by: DeniedBy) -> Box<Denial> {
        Box::new(Denial {
            owner: asker.with_role(self.role),
            request,
            denied_by,
        })
    }

    /// Returns the tree with this name if it may be used in this way.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn check_tree(
        &self,
        asker: &Asker<'_>,
        name: &str,
        access: Access,
    ) -> Result<TreeRule, Box<Denial>> {
        let request = match access {
            Access::Read => Request::ReadTree(name.to_owned()),
            Access::Write => Request::WriteTree(name.to_owned()),
        };
        let deny = |denied_by| Err(self.denial(asker, request, denied_by));
        match self.trees.iter().find(|rule| rule.name == name) {
            Some(rule) if rule.access < access => deny(DeniedBy::Manifest),
            Some(rule) => match self.narrowing.admits_tree(&rule.path) {
                Some(within) => Ok(TreeRule {
                    within: within.map(PathBuf::from),
                    ..rule.clone()
                }),
                None => {
                    let paths = self.narrowing.paths.iter().flatten();
                    let paths = paths.map(|path| path.display().to_string());
                    deny(not_allowed(Allowed::Paths, paths, name))
                }
            },
            None => deny(unnamed_tree(self.naming.trees.first(), name)),
        }
    }

    /// Returns why a tree is not opened that a link leads out of what the job allows.
    #[must_use]
    pub fn deny_link(&self, asker: &Asker<'_>, rule: &TreeRule) -> Box<Denial> {
        let request = Request::LeaveDirectory {
            tree: rule.name.clone(),
            within: rule.within.as_ref().unwrap_or(&rule.path).clone(),
        };
        self.denial(asker, request, DeniedBy::Manifest)
    }

    /// Checks a command line.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn check_command(
        &self,
        asker: &Asker<'_>,
        program: &str,
        arguments: &[String],
    ) -> Result<(), Box<Denial>> {
        let line = pattern::write_exact(program, arguments);
        let request = Request::RunCommand(line.clone());
        let deny = |denied_by| Err(self.denial(asker, request, denied_by));
        let names_program = |rule: &&CommandRule| rule.program == program;
        let mut rules = self.commands.iter().filter(names_program).peekable();
        if rules.peek().is_none() && self.is_refused_program(program) {
            return deny(DeniedBy::Grant {
                programs: self.programs_with(program),
            });
        }
        let fits = |rule: &CommandRule| {
            rule.arguments
                .as_deref()
                .is_none_or(|only| only == arguments)
        };
        if !rules.any(fits) {
            return deny(unnamed_command(
                self.naming.commands.first(),
                program,
                arguments,
            ));
        }
        if self.narrowing.admits_command(program, arguments) {
            return Ok(());
        }
        let patterns = self.narrowing.commands.iter().flatten();
        let patterns = patterns.map(Pattern::to_string);
        deny(not_allowed(Allowed::Commands, patterns, &line))
    }

    /// Returns whether the plugin asks for a program that the install did not grant.
    pub(super) fn is_refused_program(&self, program: &str) -> bool {
        self.refused_programs.iter().any(|name| name == program)
    }

    /// Returns the programs that were granted and one more, as patterns.
    pub(super) fn programs_with(&self, program: &str) -> Vec<String> {
        let granted = self.only_commands.iter().map(String::as_str);
        let all = granted.chain([program]);
        all.map(|program| pattern::write_exact(program, &[]))
            .collect()
    }

    /// Returns the rule for a secret.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn check_secret(&self, asker: &Asker<'_>, name: &str) -> Result<&SecretRule, Box<Denial>> {
        let request = Request::UseSecret(name.to_owned());
        let deny = |denied_by| Err(self.denial(asker, request, denied_by));
        match self.secrets.iter().find(|rule| rule.name == name) {
            Some(rule) if self.narrowing.admits_secret(name) => Ok(rule),
            Some(_) => {
                let names = self.narrowing.secrets.iter().flatten().cloned();
                deny(not_allowed(Allowed::Secrets, names, name))
            }
            None if self.naming.secrets.iter().any(|known| known == name) => {
                deny(DeniedBy::Settings {
                    setting: name.to_owned(),
                    value: SettingValue::SecretReference,
                })
            }
            None => deny(DeniedBy::Manifest),
        }
    }

    /// Checks that the guest itself may see a secret.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn check_reveal(&self, asker: &Asker<'_>, name: &str) -> Result<(), Box<Denial>> {
        if self.check_secret(asker, name)?.reveal {
            return Ok(());
        }
        let request = Request::RevealSecret(name.to_owned());
        Err(self.denial(asker, request, DeniedBy::Manifest))
    }

    /// Checks that there is durable state.
    ///
    /// # Errors
    /// Says what would allow it.
    pub fn check_state(&self, asker: &Asker<'_>) -> Result<(), Box<Denial>> {
        if self.state {
            return Ok(());
        }
        Err(self.denial(asker, Request::KeepState, DeniedBy::Manifest))
    }

    /// Checks that all that the manifest asks for was granted.
    ///
    /// # Errors
    /// Names the first request that was not.
    pub fn check_granted(&self, asker: &Asker<'_>) -> Result<(), Box<Denial>> {
        let Some(ask) = self.ungranted.first() else {
            return Ok(());
        };
        let programs = Vec::new();
        let request = Request::Capability(ask.clone());
        Err(self.denial(asker, request, DeniedBy::Grant { programs }))
    }
}

/// Returns what a job would have to allow beside what it allows.
fn not_allowed(what: Allowed, known: impl Iterator<Item = String>, wanted: &str) -> DeniedBy {
    let values = known.chain([wanted.to_owned()]).collect();
    DeniedBy::Narrowing { what, values }
}

/// Returns what the settings would have to say to name a directory beside those that they name.
fn unnamed_tree(naming: Option<&NamingSetting>, path: &str) -> DeniedBy {
    let Some(naming) = naming else {
        return DeniedBy::Manifest;
    };
    let value = if naming.is_list {
        SettingValue::List([naming.values.as_slice(), &[path.to_owned()]].concat())
    } else {
        SettingValue::Text(path.to_owned())
    };
    DeniedBy::Settings {
        setting: naming.setting.clone(),
        value,
    }
}

/// Returns what the settings would have to say to name a command in place of theirs.
fn unnamed_command(
    naming: Option<&NamingSetting>,
    program: &str,
    arguments: &[String],
) -> DeniedBy {
    let Some(naming) = naming else {
        return DeniedBy::Manifest;
    };
    DeniedBy::Settings {
        setting: naming.setting.clone(),
        value: SettingValue::List([&[program.to_owned()], arguments].concat()),
    }
}
