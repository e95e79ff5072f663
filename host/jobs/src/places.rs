//! Files and directories of holdfast on this machine. Whoever starts it decides; nothing here looks around.

use std::path::PathBuf;

/// Files and directories of holdfast on this machine.
#[derive(Debug, Clone)]
pub struct Places {
    /// The configuration file.
    pub config: PathBuf,
    /// What can be made again.
    pub cache: PathBuf,
    /// What a job keeps from run to run, and the history.
    pub state: PathBuf,
    /// Installed plugins.
    pub plugins: PathBuf,
    /// This program, which compiles plugins in a child.
    pub program: Option<PathBuf>,
    /// The name of this machine.
    pub host: String,
}

impl Places {
    /// The file that says which plugins are installed and what they were granted.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.config.with_file_name("plugins.lock")
    }

    /// The key file of a store, unless its configuration names another.
    #[must_use]
    pub fn key_file(&self, store: &str) -> PathBuf {
        self.config
            .with_file_name("keys")
            .join(format!("{store}.key"))
    }
}

/// The argument by which this program is told to compile a component.
pub const COMPILE_ARGUMENT: &str = "__compile";
