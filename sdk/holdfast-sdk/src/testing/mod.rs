//! A host made of maps, for native tests of plugins.
//!
//! - What a plugin calls in a guest it calls here too: the functions and handles have the same names
//!   and the same rules. A reader ends well only after everything upstream did, a writer commits only
//!   when it is finished, a failed command is a failed stream.
//! - Nothing outside the test is touched: no file, no clock, no randomness. Ciphers and hashes are real.
//! - A host belongs to the thread that made it, so tests that run at the same time do not meet.
//!
//! Floors, lowest first; a module imports from lower floors only: `rules` and `streams`; `secrets` and
//! `crypto`; `network`, `process` and `trees`; `entries` and `state`; `interfaces`; this file.
//!
//! ```
//! use holdfast_sdk::prelude::*;
//! use holdfast_sdk::testing::{Exit, Host, Snapshot};
//!
//! let host = Host::new().command("dump", |_| Exit::with_stdout("rows").status(1));
//! let mut command = host::process::Command::new("dump");
//! command.arguments.push("--all".into());
//! let child = host::process::spawn(&command)?;
//! let entry = Snapshot::new().draft().create(b"dump.sql", &[])?;
//! let output = child.take_stdout().ok_or_else(|| Failure::failed("no output"))?;
//! assert!(host::streams::splice(&output, &entry).is_err());
//! # Ok::<(), Failure>(())
//! ```

// Each module imports from those above it only.
mod crypto;
mod entries;
mod interfaces;
mod network;
mod process;
mod rules;
mod secrets;
mod state;
mod streams;
mod trees;

pub use entries::Snapshot;
pub use network::Answer;
pub use process::{Call, Exit};
pub use state::{Line, ProgressReport};
pub use streams::{Received, blob, broken_after, reader, sized_reader, writer};
pub use trees::Tree;

use crate::manifest::Text;
use crate::types::Failure;
use crate::{Encryptor, Notifier, Source, Verifier};
use serde_json::{Map, Value};
use state::State;
use std::rc::Rc;

/// The interfaces of the contract, as a guest sees them.
#[doc(hidden)]
pub mod host {
    pub use super::interfaces::{
        clock, config, http, log, net, process, progress, random, secrets, state, trees,
    };
    pub use crate::types;
    /// What a snapshot takes and gives.
    pub mod entries {
        pub use crate::testing::entries::{Content, Draft, Entry, EntryKind, Listing, TreeReport};
    }
    /// Bytes in motion and at rest.
    pub mod streams {
        pub use crate::testing::streams::{Blob, Reader, Transfer, Writer, splice};
    }
    /// Ciphers and hashes.
    pub mod crypto {
        pub use crate::testing::crypto::{Aead, Digest, Hasher, Key, Segments, hash_stream};
    }
}

/// A host made of maps. Plugins see the newest host of their thread.
#[derive(Clone)]
pub struct Host(Rc<State>);

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// Makes a host that grants nothing. It replaces an earlier host of this thread.
    #[must_use]
    pub fn new() -> Self {
        let state = Rc::new(State::default());
        state.settings.replace("{}".to_owned());
        state.job.replace("test".to_owned());
        state::replace_current(Rc::clone(&state));
        Self(state)
    }

    /// Sets the name of the job.
    #[must_use]
    pub fn job_name(self, name: &str) -> Self {
        self.0.job.replace(name.to_owned());
        self
    }

    /// Grants a secret that the plugin may see.
    #[must_use]
    pub fn secret(self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.secrets.add_secret(name, content.into(), true);
        self
    }

    /// Grants a secret that the plugin may only hand on, without seeing it.
    #[must_use]
    pub fn unseen_secret(self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.secrets.add_secret(name, content.into(), false);
        self
    }

    /// Sets a value that an earlier run left.
    #[must_use]
    pub fn state_value(self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        let mut values = self.0.values.borrow_mut();
        values.insert(key.to_owned(), value.into());
        drop(values);
        self
    }

    /// Grants a directory tree for reading.
    #[must_use]
    pub fn readable(self, name: &str, tree: Tree) -> Self {
        self.grant_tree(name, tree, host::trees::Access::Read)
    }

    /// Grants a directory tree for reading and writing.
    #[must_use]
    pub fn writable(self, name: &str, tree: Tree) -> Self {
        self.grant_tree(name, tree, host::trees::Access::Write)
    }

    fn grant_tree(self, name: &str, tree: Tree, access: host::trees::Access) -> Self {
        let granted = trees::Granted::new(tree, access);
        self.0.trees.borrow_mut().insert(name.to_owned(), granted);
        self
    }

    /// Grants a command. `run` says what it writes and how it ends when it is called.
    #[must_use]
    pub fn command(self, program: &str, run: impl Fn(&Call) -> Exit + 'static) -> Self {
        let mut programs = self.0.programs.borrow_mut();
        programs.insert(program.to_owned(), Rc::new(run));
        drop(programs);
        self
    }

    /// Grants an endpoint, whose other side sends these bytes.
    #[must_use]
    pub fn endpoint(self, endpoint: &str, sends: impl Into<Vec<u8>>) -> Self {
        let mut endpoints = self.0.endpoints.borrow_mut();
        endpoints.insert(endpoint.to_owned(), network::Endpoint::new(sends.into()));
        drop(endpoints);
        self
    }

    /// Grants an origin, which answers requests with `answer`.
    #[must_use]
    pub fn origin(
        self,
        origin: &str,
        answer: impl Fn(&host::http::Request) -> Answer + 'static,
    ) -> Self {
        let mut origins = self.0.origins.borrow_mut();
        origins.push((origin.trim_end_matches('/').to_owned(), Rc::new(answer)));
        drop(origins);
        self
    }

    /// Makes a source of a job's settings, checked and filled in from its manifest.
    ///
    /// # Errors
    /// The settings do not fit the manifest, or the manifest does not fit the struct.
    pub fn source<T: Source>(&self, settings: Value) -> Result<T, Failure> {
        self.plugin(T::MANIFEST.to_json(), settings)
    }

    /// Makes an encryptor, as [`Host::source`] makes a source.
    ///
    /// # Errors
    /// As for [`Host::source`].
    pub fn encryptor<T: Encryptor>(&self, settings: Value) -> Result<T, Failure> {
        self.plugin(T::MANIFEST.to_json(), settings)
    }

    /// Makes a verifier, as [`Host::source`] makes a source.
    ///
    /// # Errors
    /// As for [`Host::source`].
    pub fn verifier<T: Verifier>(&self, settings: Value) -> Result<T, Failure> {
        self.plugin(T::MANIFEST.to_json(), settings)
    }

    /// Makes a notifier, as [`Host::source`] makes a source.
    ///
    /// # Errors
    /// As for [`Host::source`].
    pub fn notifier<T: Notifier>(&self, settings: Value) -> Result<T, Failure> {
        self.plugin(T::MANIFEST.to_json(), settings)
    }

    fn plugin<T: serde::de::DeserializeOwned>(
        &self,
        manifest: Text,
        settings: Value,
    ) -> Result<T, Failure> {
        let filled = fill_in_settings(&manifest, settings)?;
        self.0.settings.replace(filled.to_string());
        crate::export::settings()
    }

    /// Returns the lines of the log.
    #[must_use]
    pub fn log_lines(&self) -> Vec<Line> {
        self.0.log.borrow().clone()
    }

    /// Returns the reports of progress.
    #[must_use]
    pub fn progress(&self) -> Vec<ProgressReport> {
        self.0.progress.borrow().clone()
    }

    /// Returns the calls of commands that ended, with what was written to them.
    #[must_use]
    pub fn command_calls(&self) -> Vec<Call> {
        self.0.calls.borrow().clone()
    }

    /// Returns what a granted tree holds now.
    #[must_use]
    pub fn granted_tree(&self, name: &str) -> Option<Tree> {
        self.0
            .trees
            .borrow()
            .get(name)
            .map(trees::Granted::copy_tree)
    }

    /// Returns a value of the state.
    #[must_use]
    pub fn read_state(&self, key: &str) -> Option<Vec<u8>> {
        self.0.values.borrow().get(key).cloned()
    }

    /// Returns what was written to an endpoint.
    #[must_use]
    pub fn sent_to(&self, endpoint: &str) -> Option<Vec<u8>> {
        let endpoints = self.0.endpoints.borrow();
        endpoints.get(endpoint).map(network::Endpoint::received)
    }
}

/// Checks a job's settings as a host does, and fills in what the job leaves out.
///
/// Unknown keys and missing ones are refused, and secrets are replaced by their names.
fn fill_in_settings(manifest: &Text, given: Value) -> Result<Value, Failure> {
    let manifest: Value = serde_json::from_slice(manifest.as_bytes())
        .map_err(|e| Failure::invalid(format!("the manifest is no JSON: {e}")))?;
    let Value::Object(mut given) = given else {
        return Err(Failure::invalid("settings are a table"));
    };
    let mut filled = Map::new();
    for setting in manifest["settings"].as_array().into_iter().flatten() {
        let name = setting["name"].as_str().unwrap_or_default();
        let value = match given.remove(name) {
            Some(_) if setting["type"] == "secret" => Value::String(name.to_owned()),
            Some(value) => value,
            None if setting["required"] == true => {
                return Err(Failure::invalid(format!("setting `{name}` is missing")));
            }
            None => setting["default"].clone(),
        };
        filled.insert(name.to_owned(), value);
    }
    match given.keys().next() {
        None => Ok(Value::Object(filled)),
        Some(key) => Err(Failure::invalid(format!("there is no setting `{key}`"))),
    }
}

#[cfg(test)]
mod tests;
