//! Why a call failed.

use crate::capability::failure::{CallEnded, CountLimit, GuestTimeOver, clean_text};
use crate::capability::guest::GrowthRefused;
use crate::capability::secret_filter::SecretFilter;
use crate::capability::unfinished::UnfinishedEntry;
use crate::contract::{Failure, FailureKind};
use crate::grant::Denial;
use holdfast_base::advice::Advice;
use holdfast_base::cancel::Reason;
use holdfast_base::error::{Describe, Kind, join_causes};
use std::sync::Arc;
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

/// Functions of a backtrace that are shown.
const FRAMES_MAX: usize = 8;

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
    /// The plugin crashed.
    #[error("plugin `{plugin}` broke: {crash}{}", describe_last_error(.last_error.as_deref()))]
    Crashed {
        /// The plugin.
        plugin: String,
        /// How.
        crash: Crash,
        /// The last error that it wrote into the log.
        last_error: Option<String>,
        /// The functions that it was in, innermost first.
        backtrace: Vec<String>,
    },
    /// The plugin reached a limit.
    #[error("plugin `{plugin}` was stopped: {limit}")]
    Limit {
        /// The plugin.
        plugin: String,
        /// Which limit.
        limit: CallLimit,
    },
    /// The plugin cannot be started.
    #[error("plugin `{plugin}` cannot be started: {error:#}")]
    Start {
        /// The plugin.
        plugin: String,
        /// What the engine says.
        error: wasmtime::Error,
    },
    /// The plugin reported success, and its work is not whole.
    #[error("plugin `{plugin}` reported success, but {shortfall}")]
    FalseSuccess {
        /// The plugin.
        plugin: String,
        /// What is missing.
        shortfall: Shortfall,
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

/// How a plugin crashed.
#[derive(Debug, thiserror::Error)]
pub enum Crash {
    /// It panicked.
    #[error("it panicked")]
    Panic,
    /// It reached outside of its memory.
    #[error("it reached outside of its memory")]
    OutOfBounds,
    /// It was called again after a crash.
    #[error("it had broken before")]
    BrokenBefore,
    /// Another trap of WebAssembly.
    #[error("{0}")]
    Trap(Trap),
    /// It ended itself.
    #[error("it ended itself with status {0}")]
    Exit(i32),
    /// It used a handle that it does not hold.
    #[error("it used a handle that it does not hold ({detail})")]
    Handle {
        /// What the engine says.
        detail: String,
    },
    /// It broke the contract in another way.
    #[error("{detail}")]
    Misuse {
        /// What the engine says.
        detail: String,
    },
}

/// Which limit a plugin reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallLimit {
    /// The time that the guest itself may run.
    #[error("it ran longer than it may")]
    GuestTime,
    /// The time for the whole call.
    #[error("its time was over")]
    CallTime,
    /// The stack.
    #[error("its stack overflowed: it calls itself too deeply")]
    Stack,
    /// Handles at once.
    #[error("it holds too many handles")]
    Handles,
    /// Memory, while it ran.
    #[error("it wanted more memory than it may have")]
    Memory,
    /// Memory, before it ran.
    #[error("it needs more memory than it may have")]
    FirstMemory,
    /// Tables.
    #[error("it wanted larger tables than it may have")]
    Tables,
    /// Bytes of one call of the host.
    #[error("it handed over more at once than it may")]
    CallBytes,
    /// Instances, memories or tables.
    #[error("it has more parts than it may have")]
    Parts,
    /// A count of the host.
    #[error(transparent)]
    Count(CountLimit),
}

/// What is missing from the work of a plugin that reported success.
#[derive(Debug, thiserror::Error)]
pub enum Shortfall {
    /// An entry was started and is not whole.
    #[error(transparent)]
    Unfinished(UnfinishedEntry),
    /// What was added did not get into the draft.
    #[error("{}", join_causes(.0))]
    Draft(std::io::Error),
    /// There are fewer entries than the job demands.
    #[error("{}", match .0 {
        0 => "it put nothing into the snapshot".to_owned(),
        count => format!("it put only {count} entries into the snapshot"),
    })]
    Entries(u64),
    /// What it wrote was not finished.
    #[error("it did not finish what it wrote")]
    Output,
}

fn describe_last_error(words: Option<&str>) -> String {
    words.map_or_else(String::new, |words| format!("; its last words: {words}"))
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
            Self::Denied(denial) => vec![denial.advice()],
            Self::Crashed { backtrace, .. } if !backtrace.is_empty() => {
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
pub(crate) struct CallEnd {
    pub(crate) plugin: String,
    /// Why the call was ended from outside, if it was.
    pub(crate) reason: Option<Reason>,
    /// The last error that the guest wrote into the log.
    pub(crate) last_error: Option<String>,
    /// Takes secrets out of what the guest says.
    pub(crate) secret_filter: Arc<SecretFilter>,
}

impl CallEnd {
    /// Turns what a call came to into an answer.
    pub(crate) fn into_answer<T>(
        self,
        result: wasmtime::Result<Result<T, Failure>>,
    ) -> Result<T, CallError> {
        let plugin = self.plugin;
        match (result, self.reason) {
            (Ok(Ok(value)), _) => Ok(value),
            (_, Some(reason)) => Err(CallError::Cancelled { plugin, reason }),
            (Ok(Err(failure)), None) => Err(CallError::Failed {
                plugin,
                failure: redact_failure(failure, &self.secret_filter),
            }),
            (Err(error), None) => Err(match find_limit(&error) {
                Some(limit) => CallError::Limit { plugin, limit },
                None => CallError::Crashed {
                    plugin,
                    crash: find_crash(&error),
                    last_error: self.last_error,
                    backtrace: list_functions(&error),
                },
            }),
        }
    }
}

fn redact_failure(failure: Failure, filter: &SecretFilter) -> Failure {
    let redact = |text: &str| clean_text(&filter.redact(text));
    let message = redact(&failure.message);
    let hint = failure.hint.as_deref().map(redact);
    Failure {
        message,
        hint,
        ..failure
    }
}

fn list_functions(error: &wasmtime::Error) -> Vec<String> {
    let frames = error
        .downcast_ref::<WasmBacktrace>()
        .map(WasmBacktrace::frames)
        .unwrap_or_default();
    let names = frames.iter().filter_map(wasmtime::FrameInfo::func_name);
    names.take(FRAMES_MAX).map(clean_text).collect()
}

/// Returns which limit was reached, if one was.
fn find_limit(error: &wasmtime::Error) -> Option<CallLimit> {
    if error.is::<GuestTimeOver>() {
        return Some(CallLimit::GuestTime);
    }
    if error.is::<CallEnded>() {
        return Some(CallLimit::CallTime);
    }
    if let Some(count) = error.downcast_ref::<CountLimit>() {
        return Some(CallLimit::Count(*count));
    }
    match error.downcast_ref::<GrowthRefused>() {
        Some(GrowthRefused::Memory) => return Some(CallLimit::Memory),
        Some(GrowthRefused::Table) => return Some(CallLimit::Tables),
        None => {}
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        return Some(CallLimit::Stack);
    }
    if matches!(
        error.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) {
        return Some(CallLimit::Handles);
    }
    find_engine_limit(&error.root_cause().to_string())
}

/// Returns which limit of the engine was reached. Why not simply match a type? The engine has none
/// for these: its text is all that it gives.
fn find_engine_limit(cause: &str) -> Option<CallLimit> {
    let known = [
        ("fuel allocated for hostcalls", CallLimit::CallBytes),
        ("memory minimum size", CallLimit::FirstMemory),
        ("resource limit exceeded", CallLimit::Parts),
        ("too many handles", CallLimit::Handles),
        ("maximum component handles", CallLimit::Handles),
    ];
    let found = known.iter().find(|(text, _)| cause.contains(text));
    found.map(|(_, limit)| *limit)
}

/// Returns how the guest crashed or broke the contract.
fn find_crash(error: &wasmtime::Error) -> Crash {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => return Crash::Panic,
        Some(Trap::MemoryOutOfBounds) => return Crash::OutOfBounds,
        Some(Trap::CannotEnterComponent) => return Crash::BrokenBefore,
        Some(trap) => return Crash::Trap(*trap),
        None => {}
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Crash::Exit(exit.0);
    }
    let detail = error.root_cause().to_string();
    if error.is::<ResourceTableError>()
        || detail.contains("handle index")
        || detail.contains("resource")
    {
        return Crash::Handle { detail };
    }
    let detail = clean_text(&detail);
    Crash::Misuse { detail }
}
