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
/// Not available in this version.
pub mod http;
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

pub use guest::Guest;

use crate::bindings::v1::shared::types::{Failure, FailureKind};
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
