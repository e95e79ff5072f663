//! Why a call failed, in words for people.

use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::capability::guest::{BeyondLimit, Ended, OutOfTime};
use crate::capability::{Hidden, cleaned};
use crate::grant::Denial;
use holdfast_base::advice::Advice;
use holdfast_base::cancel::Reason;
use holdfast_base::error::{Describe, Kind};
use std::sync::Arc;
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

/// Functions of a backtrace that are told.
const FRAMES_TOLD: usize = 8;

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
    /// The plugin asks for something that was never granted; it was not started.
    #[error(transparent)]
    Denied(#[from] Box<Denial>),
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
    /// The call was ended from outside.
    #[error("plugin `{plugin}` was stopped, since {}", match .reason {
        Reason::Interrupted => "the run was interrupted",
        Reason::Deadline => "the time allowed for the call is over",
        Reason::Failed => "another part of the run failed",
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
            Self::Denied(_) => Kind::Denied,
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

    fn advice(&self) -> Vec<Advice> {
        match self {
            Self::Failed { failure, .. } => {
                failure.hint.iter().cloned().map(Advice::Words).collect()
            }
            Self::Denied(denial) => vec![denial.hint()],
            Self::Broke { backtrace, .. } if !backtrace.is_empty() => {
                vec![Advice::Words(format!(
                    "For its author, it broke in: {}",
                    backtrace.join(" < ")
                ))]
            }
            _ => Vec::new(),
        }
    }
}

/// How a call came to its end.
pub(crate) struct Ending {
    pub(crate) plugin: String,
    /// Why the call was ended from outside, if it was.
    pub(crate) reason: Option<Reason>,
    /// The last error that the guest wrote into the log.
    pub(crate) last_words: Option<String>,
    /// What must not be told.
    pub(crate) hidden: Arc<Hidden>,
}

impl Ending {
    /// Turns what a call came to into an answer.
    pub(crate) fn settle<T>(
        self,
        result: wasmtime::Result<Result<T, Failure>>,
    ) -> Result<T, CallError> {
        let plugin = self.plugin;
        match (result, self.reason) {
            (Ok(Ok(value)), _) => Ok(value),
            (_, Some(reason)) => Err(CallError::Cancelled { plugin, reason }),
            (Ok(Err(failure)), None) => Err(CallError::Failed {
                plugin,
                failure: tidy(failure, &self.hidden),
            }),
            (Err(error), None) => Err(broken(plugin, self.last_words, &error)),
        }
    }
}

fn tidy(failure: Failure, hidden: &Hidden) -> Failure {
    let tidy = |text: &str| cleaned(&hidden.hide(text));
    let message = tidy(&failure.message);
    let hint = failure.hint.as_deref().map(tidy);
    Failure {
        message,
        hint,
        ..failure
    }
}

fn broken(plugin: String, last_words: Option<String>, error: &wasmtime::Error) -> CallError {
    if let Some(what) = limit(error) {
        return CallError::Limit { plugin, what };
    }
    let frames = error
        .downcast_ref::<WasmBacktrace>()
        .map(WasmBacktrace::frames)
        .unwrap_or_default();
    let names = frames.iter().filter_map(wasmtime::FrameInfo::func_name);
    let backtrace = names.take(FRAMES_TOLD).map(cleaned).collect();
    let mut what = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it panicked".to_owned(),
        Some(Trap::MemoryOutOfBounds) => "it reached outside of its memory".to_owned(),
        Some(Trap::CannotEnterComponent) => "it had broken before".to_owned(),
        Some(trap) => trap.to_string(),
        None => misuse(error),
    };
    if let Some(words) = last_words {
        what.push_str(&format!("; its last words: {words}"));
    }
    CallError::Broke {
        plugin,
        what,
        backtrace,
    }
}

/// Returns which limit was reached, if one was.
fn limit(error: &wasmtime::Error) -> Option<String> {
    if error.is::<OutOfTime>() {
        return Some("it ran longer than it may".to_owned());
    }
    if error.is::<Ended>() {
        return Some("its time was over".to_owned());
    }
    if let Some(beyond) = error.downcast_ref::<BeyondLimit>() {
        return Some(beyond.0.clone());
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        return Some("its stack overflowed: it calls itself too deeply".to_owned());
    }
    if matches!(
        error.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) {
        return Some("it holds too many handles".to_owned());
    }
    let cause = error.root_cause().to_string();
    let known = [
        (
            "forcing trap when growing memory",
            "it wanted more memory than it may have",
        ),
        (
            "forcing a memory growth failure",
            "it wanted more memory than it may have",
        ),
        (
            "forcing trap when growing table",
            "it wanted larger tables than it may have",
        ),
        (
            "fuel allocated for hostcalls",
            "it handed over more at once than it may",
        ),
        (
            "memory minimum size",
            "it needs more memory than it may have",
        ),
        (
            "resource limit exceeded",
            "it has more parts than it may have",
        ),
        ("too many handles", "it holds too many handles"),
        ("maximum component handles", "it holds too many handles"),
    ];
    let is_said = |(text, _): &&(&str, &str)| cause.contains(text);
    known
        .iter()
        .find(is_said)
        .map(|(_, words)| (*words).to_owned())
}

/// Says how the guest broke the contract.
fn misuse(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return format!("it ended itself with status {}", exit.0);
    }
    let cause = error.root_cause().to_string();
    if error.is::<ResourceTableError>()
        || cause.contains("handle index")
        || cause.contains("resource")
    {
        return format!("it used a handle that it does not hold ({cause})");
    }
    cleaned(&cause)
}
