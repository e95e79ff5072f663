//! What a guest can do: handles and the work behind them, whatever version of the contract asks.
//!
//! Every interface is linked, and what it may reach is decided by the job's effective grant alone:
//! with an empty grant there is nothing behind it.

/// Failures that a guest sees, and errors that end its call.
pub(crate) mod failure;

/// What a call may use, and for which job it is made.
mod context;

/// Takes secrets out of texts.
pub(crate) mod secret_filter;

/// Lets a guest's words into the log.
pub(crate) mod log;

/// WASI with nothing in it.
mod wasi;

/// Entries that a guest started and has to finish.
pub(crate) mod unfinished;

/// Bytes in motion and at rest.
pub mod streams;

/// What a guest's store holds.
pub(crate) mod guest;

/// Progress, clock and random: what needs no grant and no handle.
pub(crate) mod plain;

/// Fast ciphers and hashes.
pub(crate) mod crypto;

/// Granted directories.
pub(crate) mod trees;

/// What a snapshot takes and gives.
pub(crate) mod entries;

/// Granted commands.
pub(crate) mod process;

/// Granted secrets.
mod secrets;

/// Durable values of the job.
mod state;

/// Endpoints and origins: not available in this version.
pub(crate) mod net;

pub use context::CallContext;
pub use guest::Guest;
