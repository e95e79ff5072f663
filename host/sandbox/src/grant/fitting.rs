//! Checks that a job allows only what was granted.
//!
//! A job can only take away. A line that allows something that was never granted would promise
//! what is not so, and is found here before anything runs.

use super::denial::Asker;
use super::effective::{Effective, NamingSetting};
use crate::pattern::Pattern;
use holdfast_base::advice::PluginInJob;
use std::fmt;
use std::path::{Path, PathBuf};

/// Something that a job allows a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// To run a program in any way.
    Program(String),
    /// To run command lines that fit a pattern.
    Commands(Pattern),
    /// To use trees at or below a directory.
    Path(PathBuf),
    /// To use a secret.
    Secret(String),
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(program) => write!(f, "run `{program}`"),
            Self::Commands(pattern) => write!(f, "run `{pattern}`"),
            Self::Path(path) => write!(f, "reach `{}`", path.display()),
            Self::Secret(name) => write!(f, "use secret `{name}`"),
        }
    }
}

/// What would make a line of a job true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correction {
    /// To grant the plugin these programs, each given as a pattern.
    GrantPrograms(Vec<String>),
    /// To remove the line, or to name the thing in one of these settings.
    NameInSettings(Vec<String>),
    /// To remove the line: the plugin asks for nothing of the kind.
    Remove,
}

/// Says why a line of a job allows nothing that was granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NarrowingError {
    /// It would allow more than was granted.
    #[error(
        "this would let plugin `{}` {permission}, which it was not granted: a job can only take away",
        .owner.plugin
    )]
    NotGranted {
        /// The plugin and the job.
        owner: PluginInJob,
        /// What the line allows.
        permission: Permission,
        /// What would make it true.
        correction: Correction,
    },
    /// It says how a program is run that the plugin may not run.
    #[error("plugin `{}` may not run `{program}` in this job", .owner.plugin)]
    ProgramNotGranted {
        /// The plugin and the job.
        owner: PluginInJob,
        /// The program.
        program: String,
        /// The programs that the plugin may run.
        granted: Vec<String>,
    },
}

impl Effective {
    /// Checks that a pattern allows something that was granted.
    ///
    /// # Errors
    /// It would widen what the plugin may do, or allow nothing.
    pub fn check_pattern(
        &self,
        asker: &Asker<'_>,
        pattern: &Pattern,
    ) -> Result<(), Box<NarrowingError>> {
        let program = pattern.program();
        let mut rules = self.commands.iter().filter(|rule| rule.program == program);
        let fits = rules.any(|rule| match &rule.arguments {
            Some(only) => pattern.matches(program, only),
            None => true,
        });
        if fits {
            return Ok(());
        }
        if self.is_refused_program(program) {
            let permission = Permission::Program(program.to_owned());
            let correction = Correction::GrantPrograms(self.programs_with(program));
            return Err(self.not_granted(asker, permission, correction));
        }
        let permission = Permission::Commands(pattern.clone());
        let correction = name_in_settings(setting_names(&self.naming.commands));
        Err(self.not_granted(asker, permission, correction))
    }

    /// Checks that an allowed directory has something to do with what was granted.
    ///
    /// # Errors
    /// It would widen what the plugin may do, or allow nothing.
    pub fn check_path(&self, asker: &Asker<'_>, path: &Path) -> Result<(), Box<NarrowingError>> {
        let is_related = |tree: &Path| tree.starts_with(path) || path.starts_with(tree);
        if self.trees.iter().any(|rule| is_related(&rule.path)) {
            return Ok(());
        }
        let permission = Permission::Path(path.to_owned());
        let correction = name_in_settings(setting_names(&self.naming.trees));
        Err(self.not_granted(asker, permission, correction))
    }

    /// Checks that an allowed secret is one that was granted.
    ///
    /// # Errors
    /// It would widen what the plugin may do.
    pub fn check_secret_name(
        &self,
        asker: &Asker<'_>,
        name: &str,
    ) -> Result<(), Box<NarrowingError>> {
        if self.secrets.iter().any(|rule| rule.name == name) {
            return Ok(());
        }
        let permission = Permission::Secret(name.to_owned());
        let correction = name_in_settings(self.naming.secrets.clone());
        Err(self.not_granted(asker, permission, correction))
    }

    /// Checks that a program is one that may be run.
    ///
    /// # Errors
    /// It is none.
    pub fn check_program(
        &self,
        asker: &Asker<'_>,
        program: &str,
    ) -> Result<(), Box<NarrowingError>> {
        if self.commands.iter().any(|rule| rule.program == program) {
            return Ok(());
        }
        let mut granted: Vec<String> = self.commands.iter().map(|r| r.program.clone()).collect();
        granted.dedup();
        Err(Box::new(NarrowingError::ProgramNotGranted {
            owner: asker.with_role(self.role),
            program: program.to_owned(),
            granted,
        }))
    }

    fn not_granted(
        &self,
        asker: &Asker<'_>,
        permission: Permission,
        correction: Correction,
    ) -> Box<NarrowingError> {
        Box::new(NarrowingError::NotGranted {
            owner: asker.with_role(self.role),
            permission,
            correction,
        })
    }
}

fn setting_names(naming: &[NamingSetting]) -> Vec<String> {
    naming.iter().map(|naming| naming.setting.clone()).collect()
}

fn name_in_settings(settings: Vec<String>) -> Correction {
    if settings.is_empty() {
        return Correction::Remove;
    }
    Correction::NameInSettings(settings)
}
