//! A host made of maps, for native tests of plugins.
//!
//! - What a plugin calls in a guest it calls here too: the functions and handles have the same names
//!   and the same rules. A reader ends well only after everything upstream did, a writer commits only
//!   when it is finished, a failed command is a failed stream.
//! - Nothing outside the test is touched: no file, no clock, no chance. Ciphers and hashes are real.
//! - A host belongs to the thread that made it; a test makes one and has it for itself.
//!
//! ```
//! use holdfast_sdk::prelude::*;
//! use holdfast_sdk::testing::{Ended, Host, Snapshot};
//!
//! let host = Host::new().command("dump", |_| Ended::with("rows").status(1));
//! let mut command = host::process::Command::new("dump");
//! command.arguments.push("--all".into());
//! let child = host::process::spawn(&command)?;
//! let entry = Snapshot::new().draft().create(b"dump.sql", &[])?;
//! let output = child.take_stdout().ok_or_else(|| Failure::failed("no output"))?;
//! assert!(host::streams::splice(&output, &entry).is_err());
//! # Ok::<(), Failure>(())
//! ```

mod crypto;
mod entries;
mod network;
mod plain;
mod process;
mod streams;
mod trees;

pub use entries::Snapshot;
pub use network::Answer;
pub use process::{Call, Ended};
pub use streams::{Received, Sink, blob, broken_after, reader, sized_reader, writer};
pub use trees::Tree;

use crate::manifest::Text;
use crate::types::{Failure, FailureKind};
use crate::{Encryptor, Notifier, Source, Verifier};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The interfaces of the contract, as a guest sees them.
#[doc(hidden)]
pub mod host {
    pub use super::plain::{clock, config, log, progress, random, secrets, state};
    pub use crate::types;
    /// What a snapshot takes and gives.
    pub mod entries {
        pub use crate::testing::entries::{Content, Draft, Entry, EntryKind, Listing, TreeReport};
    }
    /// Bytes in motion and at rest.
    pub mod streams {
        pub use crate::testing::streams::{Blob, Reader, Transfer, Writer, splice};
    }
    /// Granted directories.
    pub mod trees {
        pub use crate::testing::trees::{
            Access, Node, NodeKind, OpenTree as Tree, WalkOptions, granted, open,
        };
    }
    /// Granted commands.
    pub mod process {
        pub use crate::testing::process::{Child, Command, EnvValue, ExitStatus, spawn};
    }
    /// Granted endpoints.
    pub mod net {
        pub use crate::testing::network::{Connection, Protection, connect};
    }
    /// Granted origins.
    pub mod http {
        pub use crate::testing::network::{HeaderValue, Request, Response, send};
    }
    /// Ciphers and hashes.
    pub mod crypto {
        pub use crate::testing::crypto::{Aead, Digest, Hasher, Key, Segments, hash_stream};
    }
}

/// A host made of maps. The newest one of a thread is the one that its plugins see.
#[derive(Clone)]
pub struct Host(Rc<State>);

/// What a plugin wrote into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: host::log::Level,
    /// What it says.
    pub message: String,
}

#[derive(Default)]
pub(crate) struct State {
    job: RefCell<String>,
    settings: RefCell<String>,
    secrets: RefCell<BTreeMap<String, (Vec<u8>, bool)>>,
    state: RefCell<BTreeMap<String, Vec<u8>>>,
    log: RefCell<Vec<Line>>,
    progress: RefCell<Vec<(u64, Option<u64>, String)>>,
    drawn: RefCell<u64>,
    time_ns: RefCell<u64>,
    trees: RefCell<BTreeMap<String, trees::Granted>>,
    programs: RefCell<BTreeMap<String, process::Program>>,
    calls: RefCell<Vec<Call>>,
    endpoints: RefCell<BTreeMap<String, network::Endpoint>>,
    origins: RefCell<Vec<(String, network::Origin)>>,
}

thread_local! {
    static CURRENT: RefCell<Rc<State>> = RefCell::default();
}

/// Returns what the newest host of this thread holds.
pub(crate) fn current() -> Rc<State> {
    CURRENT.with(|current| Rc::clone(&current.borrow()))
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// Makes a host that grants nothing, and puts it in the place of an earlier one.
    #[must_use]
    pub fn new() -> Self {
        let state = Rc::new(State::default());
        state.settings.replace("{}".to_owned());
        state.job.replace("test".to_owned());
        CURRENT.with(|current| current.replace(Rc::clone(&state)));
        Self(state)
    }

    /// Names the job.
    #[must_use]
    pub fn job(self, name: &str) -> Self {
        self.0.job.replace(name.to_owned());
        self
    }

    /// Grants a secret that the plugin may see.
    #[must_use]
    pub fn secret(self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        let secret = (content.into(), true);
        self.0.secrets.borrow_mut().insert(name.to_owned(), secret);
        self
    }

    /// Grants a secret that the plugin may only hand on, without seeing it.
    #[must_use]
    pub fn unseen_secret(self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        let secret = (content.into(), false);
        self.0.secrets.borrow_mut().insert(name.to_owned(), secret);
        self
    }

    /// Sets a value that an earlier run left.
    #[must_use]
    pub fn state(self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        let mut state = self.0.state.borrow_mut();
        state.insert(key.to_owned(), value.into());
        drop(state);
        self
    }

    /// Grants a directory tree for reading.
    #[must_use]
    pub fn readable(self, name: &str, tree: Tree) -> Self {
        self.grant(name, tree, host::trees::Access::Read)
    }

    /// Grants a directory tree for reading and writing.
    #[must_use]
    pub fn writable(self, name: &str, tree: Tree) -> Self {
        self.grant(name, tree, host::trees::Access::Write)
    }

    fn grant(self, name: &str, tree: Tree, access: host::trees::Access) -> Self {
        let granted = trees::Granted::new(tree, access);
        self.0.trees.borrow_mut().insert(name.to_owned(), granted);
        self
    }

    /// Grants a command, and says how it ends when it is called.
    #[must_use]
    pub fn command(self, program: &str, run: impl Fn(&Call) -> Ended + 'static) -> Self {
        let mut programs = self.0.programs.borrow_mut();
        programs.insert(program.to_owned(), Rc::new(run));
        drop(programs);
        self
    }

    /// Grants an endpoint, and says what its other side sends.
    #[must_use]
    pub fn endpoint(self, endpoint: &str, sends: impl Into<Vec<u8>>) -> Self {
        let mut endpoints = self.0.endpoints.borrow_mut();
        endpoints.insert(endpoint.to_owned(), network::Endpoint::new(sends.into()));
        drop(endpoints);
        self
    }

    /// Grants an origin, and says what it answers.
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
        self.plugin(T::MANIFEST.json(), settings)
    }

    /// Makes an encryptor, as [`Host::source`] makes a source.
    ///
    /// # Errors
    /// As there.
    pub fn encryptor<T: Encryptor>(&self, settings: Value) -> Result<T, Failure> {
        self.plugin(T::MANIFEST.json(), settings)
    }

    /// Makes a verifier, as [`Host::source`] makes a source.
    ///
    /// # Errors
    /// As there.
    pub fn verifier<T: Verifier>(&self, settings: Value) -> Result<T, Failure> {
        self.plugin(T::MANIFEST.json(), settings)
    }

    /// Makes a notifier, as [`Host::source`] makes a source.
    ///
    /// # Errors
    /// As there.
    pub fn notifier<T: Notifier>(&self, settings: Value) -> Result<T, Failure> {
        self.plugin(T::MANIFEST.json(), settings)
    }

    fn plugin<T: serde::de::DeserializeOwned>(
        &self,
        manifest: Text,
        settings: Value,
    ) -> Result<T, Failure> {
        let filled = filled(&manifest, settings)?;
        self.0.settings.replace(filled.to_string());
        crate::export::settings()
    }

    /// Returns what was written into the log.
    #[must_use]
    pub fn log(&self) -> Vec<Line> {
        self.0.log.borrow().clone()
    }

    /// Returns what was reported: done, of how many, and what.
    #[must_use]
    pub fn progress(&self) -> Vec<(u64, Option<u64>, String)> {
        self.0.progress.borrow().clone()
    }

    /// Returns the commands that were run, with what was written to them.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.0.calls.borrow().clone()
    }

    /// Returns what a granted tree holds now.
    #[must_use]
    pub fn tree(&self, name: &str) -> Option<Tree> {
        self.0.trees.borrow().get(name).map(trees::Granted::tree)
    }

    /// Returns a value of the state.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.0.state.borrow().get(key).cloned()
    }

    /// Returns what was written to an endpoint.
    #[must_use]
    pub fn sent(&self, endpoint: &str) -> Option<Vec<u8>> {
        let endpoints = self.0.endpoints.borrow();
        endpoints.get(endpoint).map(network::Endpoint::received)
    }
}

/// Does what a host does with a job's settings: unknown keys and missing ones are refused, defaults
/// filled in, secrets replaced by their names.
fn filled(manifest: &Text, given: Value) -> Result<Value, Failure> {
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

/// Makes the failure of what was not granted.
pub(crate) fn not_granted(what: &str) -> Failure {
    Failure::new(FailureKind::Denied, format!("{what} is not granted"))
}

/// Checks the path of an entry as a host does.
pub(crate) fn checked(path: &[u8]) -> Result<Vec<u8>, Failure> {
    let is_sound = path
        .split(|byte| *byte == b'/')
        .all(|part| !part.is_empty() && part != b"." && part != b"..");
    if is_sound && !path.contains(&0) {
        return Ok(path.to_vec());
    }
    let shown = String::from_utf8_lossy(path);
    Err(Failure::invalid(format!(
        "`{shown}` is no path of an entry"
    )))
}

/// Returns what stands below a prefix, itself included; empty stands for all.
pub(crate) fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    prefix.is_empty()
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests;
