//! Plugins by kind: typed calls.
//!
//! A call runs on the thread that makes it, and blocks it. Whatever it waits for listens to the
//! job's cancel flag. A store that trapped is thrown away; nothing of it is used again.

/// Encryptors, with instances that are kept ready.
pub mod encryptor;
/// Notifiers.
pub mod notifier;
/// Sources.
pub mod source;
/// Verifiers.
pub mod verifier;

use crate::bindings::v1::shared;
use crate::capability::Guest;
use crate::capability::guest::{OutOfTime, WasCancelled};
use crate::component::Inspection;
use crate::grant::Effective;
use crate::limits::{CallLimits, FINDINGS_MAX};
use crate::ports::{Listener, SecretPort, StatePort};
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::error::{Describe, Hint, Kind};
use std::sync::Arc;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store, Trap, WasmBacktrace};

pub use shared::types::{Attributes, Failure, FailureKind, Finding, Severity};

/// A plugin that was loaded.
pub struct Plugin {
    engine: Engine,
    component: Component,
    inspection: Inspection,
}

/// What a call may use, and for which job it is made.
pub struct CallContext {
    /// The job.
    pub job: String,
    /// Its settings, checked and filled in.
    pub settings: serde_json::Value,
    /// What the plugin may do.
    pub effective: Effective,
    /// Resolves its secrets.
    pub secrets: Arc<dyn SecretPort>,
    /// Keeps its values.
    pub state: Arc<dyn StatePort>,
    /// Hears how far the work is.
    pub listener: Arc<dyn Listener>,
    /// Ends the call.
    pub cancel: Cancel,
    /// What the call may take.
    pub limits: CallLimits,
}

/// Says why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The plugin says so itself.
    #[error("plugin `{plugin}`: {}", .failure.message)]
    Failed {
        /// The plugin.
        plugin: String,
        /// What it says.
        failure: Failure,
    },
    /// The plugin broke.
    #[error("plugin `{plugin}` broke: {what}")]
    Broke {
        /// The plugin.
        plugin: String,
        /// How.
        what: String,
        /// The functions that it was in, innermost first.
        backtrace: Vec<String>,
    },
    /// The plugin reached a limit.
    #[error("plugin `{plugin}` was stopped: {what}")]
    Limit {
        /// The plugin.
        plugin: String,
        /// Which limit.
        what: String,
    },
    /// The plugin cannot be started.
    #[error("plugin `{plugin}` cannot be started: {detail}")]
    Start {
        /// The plugin.
        plugin: String,
        /// Why.
        detail: String,
    },
    /// The plugin says that all went well, and it did not.
    #[error("plugin `{plugin}` reported success, but {what}")]
    Untrue {
        /// The plugin.
        plugin: String,
        /// What is not so.
        what: String,
    },
    /// The plugin is of another kind.
    #[error("plugin `{plugin}` is no {kind}")]
    OtherKind {
        /// The plugin.
        plugin: String,
        /// What was wanted.
        kind: &'static str,
    },
    /// The job was cancelled.
    #[error("plugin `{plugin}` was stopped, since the job {}", match .reason {
        Reason::Interrupted => "was interrupted",
        Reason::Deadline => "ran out of time",
        Reason::Failed => "failed elsewhere",
    })]
    Cancelled {
        /// The plugin.
        plugin: String,
        /// Why.
        reason: Reason,
    },
}

impl Describe for CallError {
    fn kind(&self) -> Kind {
        match self {
            Self::Failed { failure, .. } => match failure.kind {
                FailureKind::Denied => Kind::Denied,
                FailureKind::Unavailable | FailureKind::Timeout => Kind::Temporary,
                FailureKind::Damaged => Kind::Damaged,
                _ => Kind::Failed,
            },
            Self::OtherKind { .. } => Kind::Usage,
            Self::Cancelled {
                reason: Reason::Interrupted,
                ..
            } => Kind::Interrupted,
            Self::Cancelled {
                reason: Reason::Deadline,
                ..
            } => Kind::Temporary,
            _ => Kind::Failed,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Failed { failure, .. } => failure.hint.iter().cloned().map(Hint).collect(),
            Self::Broke { backtrace, .. } if !backtrace.is_empty() => {
                vec![Hint(format!(
                    "For its author, it broke in: {}",
                    backtrace.join(" < ")
                ))]
            }
            _ => Vec::new(),
        }
    }
}

/// Writes an error and what caused it in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl Plugin {
    pub(crate) fn new(engine: Engine, component: Component, inspection: Inspection) -> Self {
        Self {
            engine,
            component,
            inspection,
        }
    }

    /// Returns what can be said of it without running it.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    fn name(&self) -> Arc<str> {
        Arc::from(self.inspection.manifest.name.as_str())
    }

    fn store(&self, context: &Arc<CallContext>) -> Store<Guest> {
        Guest::store(&self.engine, Arc::clone(context), self.name())
    }

    /// Links the contract, and WASI with nothing in it.
    fn linker(&self) -> Result<Linker<Guest>, CallError> {
        type Own = HasSelf<Guest>;
        let mut linker = Linker::new(&self.engine);
        let mut link = || -> wasmtime::Result<()> {
            let to = &mut linker;
            shared::types::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::streams::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::config::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::log::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::progress::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::crypto::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::clock::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::random::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::trees::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::process::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::net::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::http::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::secrets::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::state::add_to_linker::<_, Own>(to, |guest| guest)?;
            shared::entries::add_to_linker::<_, Own>(to, |guest| guest)?;
            if !self.inspection.wasi.is_empty() {
                wasmtime_wasi::p2::add_to_linker_sync(to)?;
            }
            Ok(())
        };
        link().map_err(|e| self.cannot_start(&e))?;
        Ok(linker)
    }

    fn cannot_start(&self, error: &wasmtime::Error) -> CallError {
        CallError::Start {
            plugin: self.name().to_string(),
            detail: format!("{error:#}"),
        }
    }

    fn other_kind(&self, kind: &'static str) -> CallError {
        CallError::OtherKind {
            plugin: self.name().to_string(),
            kind,
        }
    }
}

/// Turns what a call came to into an answer.
pub(crate) fn settle<T>(
    plugin: &str,
    cancel: &Cancel,
    result: wasmtime::Result<Result<T, Failure>>,
) -> Result<T, CallError> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => match cancel.reason() {
            Some(reason) => Err(CallError::Cancelled {
                plugin: plugin.to_owned(),
                reason,
            }),
            None => Err(CallError::Failed {
                plugin: plugin.to_owned(),
                failure: cleaned(failure),
            }),
        },
        Err(error) => Err(broken(plugin, cancel, &error)),
    }
}

/// Takes out of a guest's words what could confuse a terminal.
fn cleaned(failure: Failure) -> Failure {
    let clean = |text: String| {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    Failure {
        message: clean(failure.message),
        hint: failure.hint.map(clean),
        ..failure
    }
}

fn broken(plugin: &str, cancel: &Cancel, error: &wasmtime::Error) -> CallError {
    let plugin = plugin.to_owned();
    if let Some(reason) = cancel.reason() {
        return CallError::Cancelled { plugin, reason };
    }
    if error.is::<OutOfTime>() {
        return CallError::Limit {
            plugin,
            what: "it ran longer than it may".to_owned(),
        };
    }
    if error.is::<WasCancelled>() {
        return CallError::Cancelled {
            plugin,
            reason: Reason::Failed,
        };
    }
    let backtrace: Vec<String> = error
        .downcast_ref::<WasmBacktrace>()
        .map(|trace| {
            trace
                .frames()
                .iter()
                .filter_map(|f| f.func_name().map(str::to_owned))
                .take(8)
                .collect()
        })
        .unwrap_or_default();
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => {
            return CallError::Limit {
                plugin,
                what: "its stack overflowed: it calls itself too deeply".into(),
            };
        }
        Some(Trap::UnreachableCodeReached) => "it panicked".to_owned(),
        Some(Trap::MemoryOutOfBounds) => "it reached outside of its memory".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if what.contains("forcing trap when growing") {
        return CallError::Limit {
            plugin,
            what: "it wanted more memory than it may have".into(),
        };
    }
    if what.contains("table has no free keys") || what.contains("resource table") {
        return CallError::Limit {
            plugin,
            what: "it holds too many handles".into(),
        };
    }
    CallError::Broke {
        plugin,
        what,
        backtrace,
    }
}

/// Keeps as many findings as a person would read.
pub(crate) fn few(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.truncate(FINDINGS_MAX);
    findings
}
