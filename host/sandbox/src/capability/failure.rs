//! Failures that a guest sees, and errors that end its call.

use crate::contract::{Failure, FailureKind};
use crate::grant::Denial;
use crate::limits::{STREAMS_MAX, TRANSFERS_MAX, WARNINGS_MAX};
use crate::ports::SpellAdvice;
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::error::is_shortage;
use std::io;

/// What a host function answers: a trap, or a failure that the guest sees, or a value.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, Failure>>;

/// The guest ran longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the guest ran longer than it may")]
pub(crate) struct GuestTimeOver;

/// The call was ended from outside while the guest ran.
#[derive(Debug, thiserror::Error)]
#[error("the call was ended")]
pub(crate) struct CallEnded;

/// The guest did something more often than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountLimit {
    /// It had too many transfers at once.
    #[error("more than {TRANSFERS_MAX} transfers were going on at once")]
    Transfers,
    /// It created too many entries one by one.
    #[error("more than {STREAMS_MAX} entries were created one by one")]
    Entries,
    /// It gave too many warnings.
    #[error("more than {WARNINGS_MAX} warnings were given")]
    Warnings,
}

/// Makes a failure.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure {
        kind,
        message: message.into(),
        hint: None,
    }
}

/// Makes the failure that tells a guest why its call is ended.
pub(crate) fn cancelled(reason: Reason) -> Failure {
    match reason {
        Reason::Interrupted => failure(FailureKind::Cancelled, "the run was interrupted"),
        Reason::Deadline => failure(FailureKind::Timeout, "the time allowed is over"),
        Reason::Failed => failure(FailureKind::Cancelled, "another part of the run failed"),
    }
}

/// Fails if the call is ended.
pub(crate) fn check_cancelled(cancel: &Cancel) -> Result<(), Failure> {
    cancel
        .reason()
        .map_or(Ok(()), |reason| Err(cancelled(reason)))
}

/// Makes the failure of what was denied, with what would allow it as words.
pub(crate) fn denied(denial: &Denial, spell: SpellAdvice) -> Failure {
    Failure {
        hint: Some(spell(&denial.advice())),
        ..failure(FailureKind::Denied, denial.to_string())
    }
}

/// Takes out of a guest's words what could confuse a terminal, and cuts them to what a person reads.
pub(crate) fn clean_text(text: &str) -> String {
    const CHARS_MAX: usize = 4_096;
    let is_unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .take(CHARS_MAX)
        .map(|c| if is_unseen(c) { ' ' } else { c })
        .collect()
}

/// Makes a failure of what the system, or the other side of a port, answered.
pub(crate) fn io_failure(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(carried) = inner.and_then(|inner| inner.downcast_ref::<CarriedFailure>()) {
        return carried.0.clone();
    }
    let kind = match error.kind() {
        io::ErrorKind::NotFound => FailureKind::NotFound,
        io::ErrorKind::PermissionDenied => FailureKind::Denied,
        io::ErrorKind::InvalidInput => FailureKind::Invalid,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => FailureKind::Damaged,
        io::ErrorKind::TimedOut => FailureKind::Timeout,
        _ if is_shortage(error) => FailureKind::Unavailable,
        io::ErrorKind::StorageFull | io::ErrorKind::ConnectionRefused => FailureKind::Unavailable,
        _ if inner.is_some_and(|inner| inner.is::<holdfast_process::Cancelled>()) => {
            FailureKind::Cancelled
        }
        _ => FailureKind::Failed,
    };
    failure(kind, error.to_string())
}

/// Carries a failure through code that knows only `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct CarriedFailure(Failure);

/// Makes an `io::Error` that carries a failure.
pub(crate) fn carry_failure(failure: Failure) -> io::Error {
    io::Error::other(CarriedFailure(failure))
}
