//! What a run is: configuration, backup, restore, verify, history.
//!
//! Everything that a command does is one function here, which prints nothing and reads no environment.
//! Modules are listed from the lowest floor to the highest: each imports only from modules above it in this list.

/// Directories and files of this machine.
pub mod places;

/// Files that are read if they are there, and written whole or not at all.
pub mod files;

/// Which snapshots stay, and why: pure rules.
pub mod retention;

/// `holdfast.toml`: found, read, checked.
pub mod config;

/// Secrets, by reference.
pub mod secrets;

/// Key files, identities, and what opens a repository.
pub mod keys;

/// Installed plugins and what they were granted.
pub mod plugins;

/// What ran, when, and how it ended.
pub mod history;

/// Durable values of a job.
mod state;

/// Counts what was moved so far.
pub mod tally;

/// Finds snapshots by what people call them, and entries by path or pattern.
pub mod select;

/// Plain data that answers are made of.
pub mod model;

/// What can go wrong.
pub mod error;

/// Everything that a command works with.
pub mod context;

/// Joins the sandbox and the repository: the only file that knows both.
mod wire;

/// What a plugin may do in a job.
mod permit;

/// Loads plugins for a job or a store.
mod load;

/// Claims on a job or a repository, on this machine.
mod claim;

/// Opens repositories.
pub mod open;

/// Locks what snapshots reach, if the store can.
pub mod lock;

/// Lists snapshots.
pub mod list;

/// Holds snapshots, and brings back what was forgotten.
pub mod hold;

/// Forgets snapshots, by rule or by name.
pub mod forget;

/// Makes a snapshot.
mod snapshot;

/// Copies snapshots from store to store.
pub mod copy;

/// Runs a job.
pub mod backup;

/// Brings entries back.
pub mod restore;

/// Lists, reads and compares entries.
pub mod entries;

/// Judges a snapshot's content.
pub mod verify;

/// Checks and repairs repositories, and collects what nobody needs.
pub mod upkeep;

/// Who can open a repository.
pub mod operators;

/// Creates repositories.
pub mod init;

/// The recovery sheet: all that a restore needs, on paper.
pub mod sheet;

/// Would it work now?
pub mod doctor;

pub use error::JobError;
pub use places::Places;
