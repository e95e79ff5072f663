//! What a run is: configuration, backup, restore, verify, history.
//!
//! Everything that a command does is one function here, which prints nothing and reads no environment.
//! Modules stand in floors, the lowest first, and import only from above them in this list.

/// `holdfast.toml`: found, read, checked.
pub mod config;
/// What can go wrong.
pub mod error;
/// Files that are read if they are there, and written whole or not at all.
pub mod files;
/// What ran, when, and how it ended.
pub mod history;
/// Key files, identities, and what opens a repository.
pub mod keys;
/// Plain data that answers are made of.
pub mod model;
/// Directories and files of this machine.
pub mod places;
/// Installed plugins and what they were granted.
pub mod plugins;
/// Which snapshots stay, and why: pure rules.
pub mod retention;
/// Secrets, by reference.
pub mod secrets;
/// Finds snapshots by what people call them, and entries by path or pattern.
pub mod select;
/// Durable values of a job.
mod state;
/// Counts what was moved so far.
pub mod tally;

/// Claims on a job or a repository, on this machine.
mod claim;
/// Everything that a command works with.
pub mod context;
/// Loads plugins for a job or a store.
mod load;
/// Opens repositories.
pub mod open;
/// What a plugin may do in a job.
mod permit;
/// Joins the sandbox and the repository: the only file that knows both.
mod wire;

/// Runs a job.
pub mod backup;
/// Checks a repository for damage.
pub mod check;
/// Collects what nobody needs.
pub mod collect;
/// Copies snapshots from store to store.
pub mod copy;
/// Would it work now?
pub mod doctor;
/// Lists, reads and compares entries.
pub mod entries;
/// Forgets snapshots, by rule or by name.
pub mod forget;
/// Holds snapshots, and brings back what was forgotten.
pub mod hold;
/// Creates repositories.
pub mod init;
/// Lists snapshots.
pub mod list;
/// Locks what snapshots reach, if the store can.
pub mod lock;
/// Who can open a repository.
pub mod operators;
/// Repairs a damaged repository.
pub mod repair;
/// Brings entries back.
pub mod restore;
/// The recovery sheet: all that a restore needs, on paper.
pub mod sheet;
/// Makes a snapshot.
mod snapshot;
/// Judges a snapshot's content.
pub mod verify;

pub use error::JobError;
pub use places::Places;
