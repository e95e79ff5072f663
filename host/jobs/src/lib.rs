//! What a run is: configuration, backup, restore, verify, history.
//!
//! Everything that a command does is one function here, which prints nothing and reads no
//! environment.

/// Runs a job.
pub mod backup;
/// `holdfast.toml`: found, read, checked.
pub mod config;
/// Copies snapshots from store to store.
pub mod copy;
/// What can go wrong.
pub mod error;
/// Collects what nobody needs.
pub mod gc;
/// What ran, when, and how it ended.
pub mod history;
/// Key files.
pub mod keys;
/// Restores hard links without what they refer to.
mod links;
/// Locks what snapshots reach, where the store can.
pub mod lock;
/// Opens repositories, and creates them.
pub mod open;
/// What a plugin may do in a job.
mod permit;
/// Where things are on this machine.
pub mod places;
/// Installed plugins and what they were granted.
pub mod plugins;
/// Brings entries back.
pub mod restore;
/// Which snapshots stay, and why.
pub mod retention;
/// What is there is saved before a restore replaces it.
pub mod safety;
/// Secrets, by reference.
pub mod secrets;
/// Finds snapshots by what people call them.
pub mod select;
/// The recovery sheet: all that a restore needs, on paper.
pub mod sheet;
/// Durable values of a job.
pub mod state;
/// Counts what was moved so far.
pub mod tally;
/// Thaws what a restore needs, before it begins.
pub mod thaw;
/// Judges a snapshot's content.
pub mod verify;
/// Joins the sandbox and the repository: the only file that knows both.
pub mod wire;

pub use error::JobError;
pub use places::Places;
