//! Runs granted commands: no shell, a scrubbed environment, and an end together with the job.

/// A command that runs: its streams and its end.
pub mod child;
/// What is run, and with what.
pub mod command;
/// Streams that can be waited for and given up.
mod pipe;
/// Starts commands.
mod spawn;

pub use child::{Child, ExitStatus};
pub use command::{Command, ResolveError, SecretFile, resolve};
pub use pipe::{Cancelled, ChildStdin, ChildStdout};
pub use spawn::SpawnError;
