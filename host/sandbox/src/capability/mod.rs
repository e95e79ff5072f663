//! What a guest can do: handles and the work behind them, whatever version of the contract asks.
//!
//! Every interface is linked, and what it may reach is decided by the job's effective grant alone:
//! with an empty grant there is nothing behind it.

/// What a call may use, and for which job it is made.
mod context;
/// Fast ciphers and hashes.
pub(crate) mod crypto;
/// What a snapshot takes and gives.
pub(crate) mod entries;
/// Failures that a guest sees, and errors that end its call.
pub(crate) mod failure;
/// What a guest's store holds.
pub(crate) mod guest;
/// Lets a guest's words into the log.
pub(crate) mod log;
/// Endpoints and origins: not available in this version.
pub(crate) mod net;
/// Progress, clock and random: what needs no grant and no handle.
pub(crate) mod plain;
/// Granted commands.
pub(crate) mod process;
/// Takes secrets out of texts.
pub(crate) mod secret_filter;
/// Granted secrets.
mod secrets;
/// Durable values of the job.
mod state;
/// Bytes in motion and at rest.
pub mod streams;
/// Granted directories.
pub(crate) mod trees;
/// Entries that a guest started and has to finish.
pub(crate) mod unfinished;
/// WASI with nothing in it.
mod wasi;

pub use context::CallContext;
pub use guest::Guest;
