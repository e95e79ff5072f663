//! The engine, and what loads plugins into it.

use crate::cache::{CacheError, CompiledCache, Compiler};
use crate::codegen::make_engine;
use crate::component::{CONTRACT, ComponentError, Inspection, digest, inspect};
use crate::plugin::Plugin;
use crate::ports::SpellAdvice;
use crate::watchdog::Watchdog;
use holdfast_base::advice::{Advice, PluginAdvice};
use holdfast_base::error::{Describe, Kind};
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime::Engine;

/// What the sandbox needs to know.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// A private directory for compiled components; without one they are compiled in memory.
    pub cache: Option<PathBuf>,
    /// Who compiles.
    pub compiler: Compiler,
    /// Puts advice into words for a guest whose request was denied.
    pub spell: SpellAdvice,
}

/// Runs plugins.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    watchdog: Watchdog,
    cache: Arc<CompiledCache>,
    spell: SpellAdvice,
}

/// Says why a plugin cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is no plugin that can be used.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// It is not the file that was installed.
    #[error("plugin `{name}` changed since it was installed")]
    Changed {
        /// Its name.
        name: String,
    },
    /// It cannot be compiled.
    #[error("plugin `{name}` cannot be compiled")]
    Compile {
        /// Its name.
        name: String,
        /// Why.
        source: CacheError,
    },
    /// It does not fit the contract that it names.
    #[error("plugin `{name}` does not fit the contract {CONTRACT}: {detail}")]
    Link {
        /// Its name.
        name: String,
        /// What does not fit.
        detail: String,
    },
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up: {detail}")]
    Engine {
        /// Why.
        detail: String,
    },
}

impl Describe for LoadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Component(error) => error.kind(),
            Self::Changed { .. } => Kind::Denied,
            Self::Link { .. } => Kind::Usage,
            Self::Compile { .. } | Self::Engine { .. } => Kind::Failed,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Component(error) => error.advice(),
            Self::Changed { name } => vec![
                PluginAdvice::ReinstallPlugin {
                    plugin: name.clone(),
                }
                .into(),
            ],
            _ => Vec::new(),
        }
    }
}

impl Sandbox {
    /// Sets the engine up and starts its clock.
    ///
    /// # Errors
    /// The engine does not work on this machine.
    pub fn new(config: SandboxConfig) -> Result<Self, LoadError> {
        let engine = make_engine().map_err(|e| LoadError::Engine {
            detail: format!("{e:#}"),
        })?;
        let watchdog = Watchdog::start_clock(&engine);
        let watchdog = watchdog.map_err(|e| LoadError::Engine {
            detail: e.to_string(),
        })?;
        let cache = Arc::new(CompiledCache::new(config.cache, config.compiler));
        Ok(Self {
            engine,
            watchdog,
            cache,
            spell: config.spell,
        })
    }

    /// Says what a component is, without running it.
    ///
    /// # Errors
    /// It is no plugin that this host can use.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, ComponentError> {
        inspect(bytes)
    }

    /// Loads a plugin that must be the file that was installed.
    ///
    /// # Errors
    /// It is another file, no plugin, or cannot be compiled.
    pub fn load(&self, name: &str, bytes: &[u8], sha256: &str) -> Result<Plugin, LoadError> {
        if digest(bytes) != sha256 {
            return Err(LoadError::Changed {
                name: name.to_owned(),
            });
        }
        let inspection = inspect(bytes)?;
        let compiled = self.cache.load_component(&self.engine, bytes, sha256);
        let component = compiled.map_err(|source| LoadError::Compile {
            name: name.to_owned(),
            source,
        })?;
        let plugin = Plugin::new(
            self.engine.clone(),
            self.watchdog.clone(),
            self.spell,
            &component,
            inspection,
        );
        plugin.map_err(|e| LoadError::Link {
            name: name.to_owned(),
            detail: format!("{e:#}"),
        })
    }
}
