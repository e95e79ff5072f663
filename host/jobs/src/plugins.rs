//! Installed plugins and what they were granted.
//!
//! The lock file lies beside the configuration and pins each plugin to the SHA-256 of its file: a
//! file that changed, or that asks for more, needs a new yes.

use crate::error::JobError;
use crate::places::{COMPILE_ARGUMENT, Places};
use holdfast_base::nearest::closest;
use holdfast_sandbox::cache::Compiler;
use holdfast_sandbox::component::{self, Inspection};
use holdfast_sandbox::grant::Grant;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::ports::SpellAdvice;
use holdfast_sandbox::{ComponentError, Plugin, Sandbox, SandboxConfig};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// An installed plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file.
    pub sha256: String,
    /// What it is.
    pub kinds: Vec<PluginKind>,
    /// What it was granted.
    #[serde(default)]
    pub grant: Grant,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LockFile {
    #[serde(default)]
    plugin: Vec<Installed>,
}

/// The plugins of this machine.
pub struct Plugins {
    places: Places,
    sandbox: Sandbox,
}

impl Plugins {
    /// Sets the sandbox up; `spell` puts advice into words for plugins.
    ///
    /// # Errors
    /// The engine does not work on this machine.
    pub fn open(places: &Places, spell: SpellAdvice) -> Result<Self, JobError> {
        let compiler = match &places.program {
            Some(program) => Compiler::Child {
                program: program.clone(),
                argument: COMPILE_ARGUMENT.to_owned(),
            },
            None => Compiler::Here,
        };
        let config = SandboxConfig {
            cache: Some(places.cache.join("compiled")),
            compiler,
            spell,
        };
        Ok(Self {
            places: places.clone(),
            sandbox: Sandbox::new(config)?,
        })
    }

    /// Returns what is installed, sorted by name.
    ///
    /// # Errors
    /// The lock file cannot be read.
    pub fn installed(&self) -> Result<Vec<Installed>, JobError> {
        Ok(self.read()?.plugin)
    }

    fn read(&self) -> Result<LockFile, JobError> {
        let path = self.places.lock_file();
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LockFile::default()),
            Err(error) => return Err(JobError::io(format!("read `{shown}`"))(error)),
        };
        toml::from_str(&text).map_err(|error| {
            JobError::usage(
                format!("`{shown}` cannot be read: {}", error.message()),
                Some("Remove it and install the plugins again: holdfast plugin install FILE"),
            )
        })
    }

    /// Reads the lock file to change it; nobody else changes it while the file that comes with it is open.
    fn read_to_change(&self) -> Result<(LockFile, std::fs::File), JobError> {
        let directory = &self.places.plugins;
        let open = || {
            std::fs::create_dir_all(directory)?;
            let held = std::fs::File::open(directory)?;
            flock(&held, FlockOperation::LockExclusive)?;
            Ok(held)
        };
        let action = format!("lock `{}`", directory.display());
        let held = open().map_err(JobError::io(action))?;
        Ok((self.read()?, held))
    }

    fn write(&self, lock: &LockFile) -> Result<(), JobError> {
        let path = self.places.lock_file();
        let shown = path.display().to_string();
        let text =
            toml::to_string_pretty(lock).map_err(|e| JobError::usage(e.to_string(), None))?;
        write_whole(&path, text.as_bytes()).map_err(JobError::io(format!("write `{shown}`")))
    }

    fn file(&self, sha256: &str) -> PathBuf {
        self.places.plugins.join(format!("{sha256}.wasm"))
    }

    /// Says what a file is, without running it.
    ///
    /// # Errors
    /// It is no plugin that this host can use.
    pub fn inspect(&self, file: &Path) -> Result<(Inspection, Vec<u8>), JobError> {
        let bytes = component::read(file)?;
        let inspection = component::inspect(&bytes).map_err(|source| JobError::NoPlugin {
            path: file.display().to_string(),
            source,
        })?;
        Ok((inspection, bytes))
    }

    /// Installs a file with a grant, and compiles it.
    ///
    /// # Errors
    /// It cannot be compiled or kept.
    pub fn install(
        &self,
        inspection: &Inspection,
        bytes: &[u8],
        grant: Grant,
    ) -> Result<Installed, JobError> {
        let manifest = &inspection.manifest;
        self.sandbox
            .load(&manifest.name, bytes, &inspection.sha256)?;
        let path = self.file(&inspection.sha256);
        let shown = path.display().to_string();
        std::fs::create_dir_all(&self.places.plugins)
            .and_then(|()| write_whole(&path, bytes))
            .map_err(JobError::io(format!("write `{shown}`")))?;
        let installed = Installed {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            sha256: inspection.sha256.clone(),
            kinds: inspection.kinds.clone(),
            grant,
        };
        let (mut lock, _held) = self.read_to_change()?;
        lock.plugin.retain(|held| held.name != installed.name);
        lock.plugin.push(installed.clone());
        lock.plugin.sort_by(|a, b| a.name.cmp(&b.name));
        self.write(&lock)?;
        Ok(installed)
    }

    /// Says what an installed plugin is, whatever it was granted.
    ///
    /// # Errors
    /// It is not installed, or its file changed.
    pub fn inspect_installed(&self, name: &str) -> Result<Inspection, JobError> {
        let (installed, bytes) = self.held(name)?;
        let plugin = self.sandbox.load(name, &bytes, &installed.sha256)?;
        Ok(plugin.inspection().clone())
    }

    /// Gives an installed plugin another grant.
    ///
    /// # Errors
    /// It is not installed, or the lock file cannot be written.
    pub fn grant(&self, name: &str, grant: Grant) -> Result<Installed, JobError> {
        let (mut lock, _held) = self.read_to_change()?;
        let at = lock.plugin.iter().position(|plugin| plugin.name == name);
        let at = at.ok_or_else(|| not_installed(name, &lock))?;
        lock.plugin[at].grant = grant;
        self.write(&lock)?;
        Ok(lock.plugin.swap_remove(at))
    }

    /// Removes a plugin.
    ///
    /// # Errors
    /// It is not installed.
    pub fn remove(&self, name: &str) -> Result<(), JobError> {
        let (mut lock, _held) = self.read_to_change()?;
        let held = lock.plugin.len();
        let digests: Vec<String> = lock
            .plugin
            .iter()
            .filter(|p| p.name == name)
            .map(|p| p.sha256.clone())
            .collect();
        lock.plugin.retain(|plugin| plugin.name != name);
        if lock.plugin.len() == held {
            return Err(not_installed(name, &lock));
        }
        self.write(&lock)?;
        for digest in digests {
            let _ = std::fs::remove_file(self.file(&digest));
        }
        Ok(())
    }

    fn held(&self, name: &str) -> Result<(Installed, Vec<u8>), JobError> {
        let lock = self.read()?;
        let found = lock.plugin.iter().find(|plugin| plugin.name == name);
        let installed = found.cloned().ok_or_else(|| not_installed(name, &lock))?;
        let bytes =
            component::read(&self.file(&installed.sha256)).map_err(|error| match error {
                ComponentError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    not_installed(name, &LockFile::default())
                }
                other => other.into(),
            })?;
        Ok((installed, bytes))
    }

    /// Loads an installed plugin that asks for no more than it was granted.
    ///
    /// # Errors
    /// It is not installed, changed, or asks for more.
    pub fn load(&self, name: &str) -> Result<(Plugin, Installed), JobError> {
        let (installed, bytes) = self.held(name)?;
        let plugin = self.sandbox.load(name, &bytes, &installed.sha256)?;
        let lacks = installed.grant.list_missing(&plugin.inspection().manifest);
        if lacks.is_empty() {
            return Ok((plugin, installed));
        }
        let asks = lacks
            .iter()
            .map(|ask| ask.describe())
            .collect::<Vec<_>>()
            .join("; ");
        Err(JobError::NotGranted {
            name: name.to_owned(),
            asks,
        })
    }
}

fn not_installed(name: &str, lock: &LockFile) -> JobError {
    let near = closest(name, lock.plugin.iter().map(|plugin| plugin.name.as_str()));
    JobError::NotInstalled {
        place: None,
        name: name.to_owned(),
        near: near.map(str::to_owned),
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let write = || {
        std::fs::write(&aside, bytes)?;
        std::fs::File::open(&aside)?.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().inspect_err(|_: &io::Error| drop(std::fs::remove_file(&aside)))
}
