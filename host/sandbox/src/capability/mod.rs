//! What a guest can do: one file for each interface of the contract.
//!
//! Every interface is linked, and what it may reach is decided by the job's effective grant alone:
//! with an empty grant there is nothing behind it. Denials say which line would allow it.

/// Fast ciphers and hashes.
pub mod crypto;
/// What a snapshot takes and gives.
pub mod entries;
/// What a guest's store holds.
pub mod guest;
/// Keeps secrets out of words.
mod hidden;
/// Not available in this version.
pub mod http;
/// What a guest started and has to finish.
mod ledger;
/// Not available in this version.
pub mod net;
/// Settings, log, progress, clock and random: what needs no grant and no handle.
pub mod plain;
/// Granted commands.
pub mod process;
/// Granted secrets.
pub mod secrets;
/// Durable values of the job.
pub mod state;
/// Bytes in motion and at rest.
pub mod streams;
/// Granted directories.
pub mod trees;
/// WASI with nothing in it.
mod wasi;

pub use guest::Guest;
pub(crate) use hidden::Hidden;
pub(crate) use streams::link_fast;
pub(crate) use wasi::link as link_wasi;

use crate::bindings::v1::shared::types::{Failure, FailureKind};
use holdfast_base::cancel::Reason;
use std::io;

/// What a host function answers: a trap, or a failure that the guest sees, or a value.
pub type Answer<T> = wasmtime::Result<Result<T, Failure>>;

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

/// Takes out of a guest's words what could confuse a terminal, and cuts them to what a person reads.
pub(crate) fn cleaned(text: &str) -> String {
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

/// Makes a failure of what the system, or somebody behind a port, answered.
pub(crate) fn of_io(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(held) = inner.and_then(|inner| inner.downcast_ref::<HeldFailure>()) {
        return held.0.clone();
    }
    let kind = match error.kind() {
        io::ErrorKind::NotFound => FailureKind::NotFound,
        io::ErrorKind::PermissionDenied => FailureKind::Denied,
        io::ErrorKind::InvalidInput => FailureKind::Invalid,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => FailureKind::Damaged,
        io::ErrorKind::TimedOut => FailureKind::Timeout,
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
pub struct HeldFailure(pub Failure);

/// Makes an `io::Error` that carries a failure.
pub(crate) fn held(failure: Failure) -> io::Error {
    io::Error::other(HeldFailure(failure))
}
