//! What a host holds: grants, settings, and a record of what the plugin did with them.
//!
//! Each thread has a current host. The functions of the contract have no parameter for it, so the
//! doubles find it here, as a guest finds its host behind its imports.

use super::network::{Endpoint, Origin};
use super::process::{Call, Program};
use super::secrets::Secrets;
use super::trees::Granted;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For plugin authors.
    Debug,
    /// For the curious.
    Info,
    /// Somebody should look.
    Warn,
    /// Something failed.
    Error,
}

/// A line that a plugin wrote into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// The message, with the attributes behind it.
    pub message: String,
}

/// A report of how far a plugin's work is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressReport {
    /// Units that are done.
    pub done: u64,
    /// Units in all, if the plugin knows.
    pub total: Option<u64>,
    /// What is being done.
    pub label: String,
}

/// Everything that one host holds.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) job: RefCell<String>,
    pub(crate) settings: RefCell<String>,
    pub(crate) secrets: Rc<Secrets>,
    pub(crate) values: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) log: RefCell<Vec<Line>>,
    pub(crate) progress: RefCell<Vec<ProgressReport>>,
    /// How often random bytes were drawn.
    pub(crate) draws: RefCell<u64>,
    pub(crate) time_ns: RefCell<u64>,
    pub(crate) trees: RefCell<BTreeMap<String, Granted>>,
    pub(crate) programs: RefCell<BTreeMap<String, Program>>,
    pub(crate) calls: Rc<RefCell<Vec<Call>>>,
    pub(crate) endpoints: RefCell<BTreeMap<String, Endpoint>>,
    pub(crate) origins: RefCell<Vec<(String, Origin)>>,
}

thread_local! {
    static CURRENT: RefCell<Rc<State>> = RefCell::default();
}

/// Returns what the newest host of this thread holds.
pub(crate) fn current_state() -> Rc<State> {
    CURRENT.with(|current| Rc::clone(&current.borrow()))
}

/// Makes this the host that plugins of this thread see.
pub(crate) fn replace_current(state: Rc<State>) {
    CURRENT.with(|current| current.replace(state));
}
