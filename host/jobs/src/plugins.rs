//! Installed plugins and what they were granted.
//!
//! The lock file lies beside the configuration and pins each plugin to the SHA-256 of its file: a
//! file that changed, or that asks for more, needs a new yes.

use crate::config::prefix_place;
use crate::files::{FileError, write_whole};
use crate::places::{COMPILE_ARGUMENT, Places};
use holdfast_base::advice::{Advice, PluginAdvice};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::nearest::closest;
use holdfast_sandbox::cache::{CacheError, Compiler};
use holdfast_sandbox::component::{self, Inspection};
use holdfast_sandbox::engine::LoadError;
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

/// A plugin that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A plugin cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A plugin's file cannot be read.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// A file that was named as a plugin is none that can be used.
    #[error("`{path}` is no plugin that can be used")]
    InvalidFile {
        /// The file.
        path: String,
        /// Why.
        source: ComponentError,
    },
    /// A plugin is not installed.
    #[error("{}plugin `{name}` is not installed", prefix_place(.place.as_deref()))]
    NotInstalled {
        /// The place in the configuration that names it.
        place: Option<String>,
        /// Its name.
        name: String,
        /// The one that was probably meant.
        near: Option<String>,
    },
    /// A plugin is of another kind than is needed.
    #[error("{}plugin `{name}` is no {}", prefix_place(.place.as_deref()), wanted.as_str())]
    WrongKind {
        /// The place in the configuration that names it.
        place: Option<String>,
        /// Its name.
        name: String,
        /// The kind that is needed.
        wanted: PluginKind,
        /// The kinds that it is of.
        kinds: Vec<PluginKind>,
    },
    /// A plugin asks for more than it was granted.
    #[error("plugin `{name}` asks for more than it was granted: {asks}")]
    NotGranted {
        /// Its name.
        name: String,
        /// What it asks for.
        asks: String,
    },
    /// The list of installed plugins is damaged.
    #[error("`{path}` cannot be read: {}", error.message())]
    InvalidList {
        /// The file.
        path: String,
        /// What the parser found.
        error: Box<toml::de::Error>,
    },
    /// A file of this machine cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Describe for PluginError {
    fn kind(&self) -> Kind {
        match self {
            Self::Load(error) => error.kind(),
            Self::Component(error) | Self::InvalidFile { source: error, .. } => error.kind(),
            Self::NotInstalled { .. } | Self::WrongKind { .. } | Self::InvalidList { .. } => {
                Kind::Usage
            }
            Self::NotGranted { .. } => Kind::Denied,
            Self::File(error) => error.kind(),
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Load(error) => error.advice(),
            Self::Component(error) | Self::InvalidFile { source: error, .. } => error.advice(),
            Self::NotInstalled { name, near, .. } => {
                let near = near.iter().map(|near| format!("Did you mean `{near}`?"));
                let plugin = name.clone();
                let near = near.map(Advice::Words);
                near.chain([PluginAdvice::InstallPlugin { plugin }.into()])
                    .collect()
            }
            Self::WrongKind { kinds, .. } => {
                let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                vec![Advice::Words(format!("It is: {}", words.join(", ")))]
            }
            Self::NotGranted { name, .. } => {
                let plugin = name.clone();
                vec![PluginAdvice::ApproveRequests { plugin }.into()]
            }
            Self::InvalidList { .. } => vec![PluginAdvice::RebuildPluginList.into()],
            Self::File(error) => error.advice(),
        }
    }
}

/// An installed plugin, loaded.
pub struct LoadedPlugin {
    /// What can be called.
    pub(crate) plugin: Plugin,
    /// What is known of it.
    pub(crate) installed: Installed,
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
    pub fn open(places: &Places, spell: SpellAdvice) -> Result<Self, PluginError> {
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
    pub fn list_installed(&self) -> Result<Vec<Installed>, PluginError> {
        Ok(self.read_list()?.plugin)
    }

    fn read_list(&self) -> Result<LockFile, PluginError> {
        let path = self.places.lock_file();
        let failed = FileError::about("read", &path);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LockFile::default()),
            Err(error) => return Err(failed(error).into()),
        };
        toml::from_str(&text).map_err(|error| PluginError::InvalidList {
            path: path.display().to_string(),
            error: Box::new(error),
        })
    }

    /// Reads the lock file to change it; nobody else changes it while the file that comes with it is open.
    fn read_to_change(&self) -> Result<(LockFile, std::fs::File), PluginError> {
        let directory = &self.places.plugins;
        let open = || {
            std::fs::create_dir_all(directory)?;
            let held = std::fs::File::open(directory)?;
            flock(&held, FlockOperation::LockExclusive)?;
            Ok(held)
        };
        let held = open().map_err(FileError::about("lock", directory))?;
        Ok((self.read_list()?, held))
    }

    fn write_list(&self, lock: &LockFile) -> Result<(), PluginError> {
        let path = self.places.lock_file();
        let text = toml::to_string_pretty(lock).map_err(io::Error::other);
        let written = text.and_then(|text| write_whole(&path, text.as_bytes()));
        Ok(written.map_err(FileError::about("write", &path))?)
    }

    fn component_file(&self, sha256: &str) -> PathBuf {
        self.places.plugins.join(format!("{sha256}.wasm"))
    }

    /// Reads what a plugin file is, without running it.
    ///
    /// # Errors
    /// It is no plugin that this host can use.
    pub fn inspect_file(&self, file: &Path) -> Result<(Inspection, Vec<u8>), PluginError> {
        let bytes = component::read(file)?;
        let inspection = component::inspect(&bytes).map_err(|source| PluginError::InvalidFile {
            path: file.display().to_string(),
            source,
        })?;
        Ok((inspection, bytes))
    }

    /// Installs a file with a grant, and compiles it.
    ///
    /// # Errors
    /// It cannot be compiled or kept.
    pub fn install_plugin(
        &self,
        inspection: &Inspection,
        bytes: &[u8],
        grant: Grant,
    ) -> Result<Installed, PluginError> {
        let manifest = &inspection.manifest;
        self.sandbox
            .load(&manifest.name, bytes, &inspection.sha256)?;
        let path = self.component_file(&inspection.sha256);
        std::fs::create_dir_all(&self.places.plugins)
            .and_then(|()| write_whole(&path, bytes))
            .map_err(FileError::about("write", &path))?;
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
        self.write_list(&lock)?;
        Ok(installed)
    }

    /// Reads what an installed plugin is, whatever it was granted.
    ///
    /// # Errors
    /// It is not installed, or its file changed.
    pub fn inspect_installed(&self, name: &str) -> Result<Inspection, PluginError> {
        let (installed, bytes) = self.read_component(name)?;
        let plugin = self.sandbox.load(name, &bytes, &installed.sha256)?;
        Ok(plugin.inspection().clone())
    }

    /// Gives an installed plugin another grant.
    ///
    /// # Errors
    /// It is not installed, or the lock file cannot be written.
    pub fn replace_grant(&self, name: &str, grant: Grant) -> Result<Installed, PluginError> {
        let (mut lock, _held) = self.read_to_change()?;
        let at = lock.plugin.iter().position(|plugin| plugin.name == name);
        let at = at.ok_or_else(|| not_installed(name, &lock))?;
        lock.plugin[at].grant = grant;
        self.write_list(&lock)?;
        Ok(lock.plugin.swap_remove(at))
    }

    /// Removes a plugin.
    ///
    /// # Errors
    /// It is not installed.
    pub fn remove_plugin(&self, name: &str) -> Result<(), PluginError> {
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
        self.write_list(&lock)?;
        for digest in digests {
            let _ = std::fs::remove_file(self.component_file(&digest));
        }
        Ok(())
    }

    fn read_component(&self, name: &str) -> Result<(Installed, Vec<u8>), PluginError> {
        let lock = self.read_list()?;
        let found = lock.plugin.iter().find(|plugin| plugin.name == name);
        let installed = found.cloned().ok_or_else(|| not_installed(name, &lock))?;
        let bytes =
            component::read(&self.component_file(&installed.sha256)).map_err(
                |error| match error {
                    ComponentError::Read { source, .. }
                        if source.kind() == io::ErrorKind::NotFound =>
                    {
                        not_installed(name, &LockFile::default())
                    }
                    other => other.into(),
                },
            )?;
        Ok((installed, bytes))
    }

    /// Loads an installed plugin that asks for no more than it was granted.
    ///
    /// # Errors
    /// It is not installed, changed, or asks for more.
    pub fn load_plugin(&self, name: &str) -> Result<LoadedPlugin, PluginError> {
        let (installed, bytes) = self.read_component(name)?;
        let plugin = self.sandbox.load(name, &bytes, &installed.sha256)?;
        let lacks = installed.grant.list_missing(&plugin.inspection().manifest);
        if lacks.is_empty() {
            return Ok(LoadedPlugin { plugin, installed });
        }
        let asks = lacks
            .iter()
            .map(|ask| ask.describe())
            .collect::<Vec<_>>()
            .join("; ");
        Err(PluginError::NotGranted {
            name: name.to_owned(),
            asks,
        })
    }
}

fn not_installed(name: &str, lock: &LockFile) -> PluginError {
    let near = closest(name, lock.plugin.iter().map(|plugin| plugin.name.as_str()));
    PluginError::NotInstalled {
        place: None,
        name: name.to_owned(),
        near: near.map(str::to_owned),
    }
}

/// Compiles a component in a child process: reads one and writes what became of it.
///
/// # Errors
/// The parent is gone.
pub fn compile_child(from: impl io::Read, to: impl io::Write) -> Result<(), CacheError> {
    holdfast_sandbox::cache::compile_child(from, to)
}
