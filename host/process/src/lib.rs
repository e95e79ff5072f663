//! Runs granted commands: no shell, a scrubbed environment, and an end together with the job.

/// A command that runs: its streams and its end.
pub mod child;
/// What is run, and with what.
pub mod command;
/// A command and all that it started: what its streams and its keeper share.
mod group;
/// The thread that stays with a command until it has ended.
mod keeper;
/// What a command may reach of the file system.
mod landlock;
/// Streams that can be waited for and given up.
mod pipe;
/// Starts commands.
mod spawn;
/// What a command says on its standard error.
mod stderr;
/// Users by name.
mod user;

pub use child::{Child, ExitStatus};
pub use command::{
    Command, LandlockRules, ResolveError, ResourceLimits, SecretFile, resolve, resolve_in,
};
pub use group::Cancelled;
pub use landlock::has_landlock;
pub use pipe::{ChildStdin, ChildStdout, HELD_OPEN_MAX, HeldOpen};
pub use spawn::SpawnError;
pub use stderr::OnLine;
pub use user::find_user;
