//! What a job takes away of what a plugin was granted: its table `[job.NAME.allow]`.
//!
//! - It can only take away. A line in it that nothing granted fits would promise what is not so, and
//!   is found here before anything runs.
//! - A tree must lie in an allowed directory by name, and wherever its links lead.

use super::denial::Remedy;
use super::{Asker, Effective, list};
use crate::pattern::Pattern;
use std::path::{Component, Path, PathBuf};

/// What a job takes away. What is not given stays as it was granted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Narrowing {
    /// Patterns of command lines: `pg_dump --format=custom *`.
    pub commands: Option<Vec<Pattern>>,
    /// Directories that trees must be, or lie below.
    pub paths: Option<Vec<PathBuf>>,
    /// Secrets, by the name of the setting.
    pub secrets: Option<Vec<String>>,
}

impl Narrowing {
    /// Returns whether a tree may be opened, and the directory that it must lie in, if in any.
    pub(super) fn admits_tree(&self, tree: &Path) -> Option<Option<&Path>> {
        let Some(paths) = &self.paths else {
            return Some(None);
        };
        // A way up leads out of what the name promises.
        if tree.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        let within = paths.iter().find(|path| tree.starts_with(path))?;
        Some(Some(within))
    }

    pub(super) fn admits_command(&self, program: &str, arguments: &[String]) -> bool {
        self.commands
            .as_ref()
            .is_none_or(|only| only.iter().any(|p| p.matches(program, arguments)))
    }

    pub(super) fn admits_secret(&self, name: &str) -> bool {
        self.secrets
            .as_ref()
            .is_none_or(|only| only.iter().any(|known| known == name))
    }

    pub(super) fn path_line(&self, path: &str) -> Remedy {
        let held = self.paths.iter().flatten();
        let held = held.map(|path| path.display().to_string());
        let all: Vec<String> = held.chain([path.to_owned()]).collect();
        Remedy::Allow(format!("paths = {}", list(&all)))
    }

    pub(super) fn command_line(&self, line: &str) -> Remedy {
        let held = self.commands.iter().flatten().map(Pattern::to_string);
        let all: Vec<String> = held.chain([line.to_owned()]).collect();
        Remedy::Allow(format!("commands = {}", list(&all)))
    }

    pub(super) fn secret_line(&self, name: &str) -> Remedy {
        let held = self.secrets.iter().flatten().cloned();
        let all: Vec<String> = held.chain([name.to_owned()]).collect();
        Remedy::Allow(format!("secrets = {}", list(&all)))
    }
}

/// Says why a line of an `allow` table allows nothing that was granted, and what would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is not so.
    pub message: String,
    /// What would make it so.
    pub hint: String,
}

impl Effective {
    /// Takes away what the job does not allow.
    #[must_use]
    pub fn narrowed(mut self, narrowing: &Narrowing) -> Self {
        self.narrowing = narrowing.clone();
        self
    }

    /// Checks that a pattern allows something that was granted.
    ///
    /// # Errors
    /// It would widen what the plugin may do, or allow nothing.
    pub fn fits_pattern(&self, by: &Asker<'_>, pattern: &Pattern) -> Result<(), Unfit> {
        let program = pattern.program();
        let mut rules = self.commands.iter().filter(|rule| rule.program == program);
        let fits = rules.any(|rule| match &rule.arguments {
            Some(only) => pattern.matches(program, only),
            None => true,
        });
        if fits {
            return Ok(());
        }
        if self.refused_programs.iter().any(|known| known == program) {
            let hint = match self.grant_of(by, program) {
                Remedy::Grant(command) => format!("To grant it: {command}"),
                _ => String::new(),
            };
            return Err(self.wider(by, &format!("run `{program}`"), hint));
        }
        let settings: Vec<&str> = self
            .namings
            .commands
            .iter()
            .map(|naming| naming.setting.as_str())
            .collect();
        let hint = self.name_it(by, &settings);
        Err(self.wider(by, &format!("run `{pattern}`"), hint))
    }

    /// Checks that an allowed directory has something to do with what was granted.
    ///
    /// # Errors
    /// It would widen what the plugin may do, or allow nothing.
    pub fn fits_path(&self, by: &Asker<'_>, path: &Path) -> Result<(), Unfit> {
        let is_related = |tree: &Path| tree.starts_with(path) || path.starts_with(tree);
        if self.trees.iter().any(|rule| is_related(&rule.path)) {
            return Ok(());
        }
        let settings: Vec<&str> = self
            .namings
            .trees
            .iter()
            .map(|naming| naming.setting.as_str())
            .collect();
        let hint = self.name_it(by, &settings);
        Err(self.wider(by, &format!("reach `{}`", path.display()), hint))
    }

    /// Checks that an allowed secret is one that was granted.
    ///
    /// # Errors
    /// It would widen what the plugin may do.
    pub fn fits_secret(&self, by: &Asker<'_>, name: &str) -> Result<(), Unfit> {
        if self.secrets.iter().any(|rule| rule.name == name) {
            return Ok(());
        }
        let settings: Vec<&str> = self.namings.secrets.iter().map(String::as_str).collect();
        let hint = self.name_it(by, &settings);
        Err(self.wider(by, &format!("use secret `{name}`"), hint))
    }

    /// Checks that a program is one that may be run.
    ///
    /// # Errors
    /// It is none.
    pub fn fits_program(&self, by: &Asker<'_>, program: &str) -> Result<(), Unfit> {
        if self.commands.iter().any(|rule| rule.program == program) {
            return Ok(());
        }
        let mut known: Vec<&str> = self.commands.iter().map(|r| r.program.as_str()).collect();
        known.dedup();
        let hint = if known.is_empty() {
            "It may run nothing in this job: remove the table".to_owned()
        } else {
            format!(
                "It may run: {}; `\"*\"` stands for all of them",
                known.join(", ")
            )
        };
        Err(Unfit {
            message: format!("plugin `{}` may not run `{program}` in this job", by.plugin),
            hint,
        })
    }

    fn wider(&self, by: &Asker<'_>, what: &str, hint: String) -> Unfit {
        Unfit {
            message: format!(
                "this would let plugin `{}` {what}, which it was not granted: a job can only take away",
                by.plugin
            ),
            hint,
        }
    }

    fn name_it(&self, by: &Asker<'_>, settings: &[&str]) -> String {
        if settings.is_empty() {
            return format!(
                "Remove it: the plugin does not ask for such things (holdfast plugin show {})",
                by.plugin
            );
        }
        let table = self.part.settings_table(by.job, by.plugin);
        format!(
            "Remove it here, or name it in {table}, setting `{}`",
            settings.join("` or `")
        )
    }
}
