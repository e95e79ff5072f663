//! What a job takes away of what a plugin was granted.
//!
//! A tree must lie in an allowed directory by name, and wherever its links lead.

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

    /// Returns whether a command line fits one of the patterns.
    pub(super) fn admits_command(&self, program: &str, arguments: &[String]) -> bool {
        self.commands
            .as_ref()
            .is_none_or(|only| only.iter().any(|p| p.matches(program, arguments)))
    }

    /// Returns whether a secret may be used.
    pub(super) fn admits_secret(&self, name: &str) -> bool {
        self.secrets
            .as_ref()
            .is_none_or(|only| only.iter().any(|known| known == name))
    }
}
