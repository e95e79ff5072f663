//! What kind of failure it was, and what to do next.
//!
//! Libraries of holdfast have error enums of their own. Each can say which [`Kind`] it is; the
//! command line turns the kind into the exit code, in one place.

/// What kind of failure it was. Decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The work failed and nothing was committed.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// Stored data is damaged.
    Damaged,
    /// Another run holds the job.
    Busy,
    /// There is no repository at that place.
    NoRepository,
    /// A key is missing or wrong.
    Key,
    /// A permission or a grant is missing.
    Denied,
    /// A retry may mend it.
    Temporary,
    /// The operator or the system ended it.
    Interrupted,
}

/// What the operator can do next: one sentence or one command to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(pub String);

/// A failure that knows its kind and may know what to do next.
pub trait Describe: std::error::Error {
    /// Returns what kind of failure it was.
    fn kind(&self) -> Kind;

    /// Returns what to do next, the most useful first.
    fn hints(&self) -> Vec<Hint> {
        Vec::new()
    }
}

/// Classifies an operating system error that stopped work on a store or a tree.
#[must_use]
pub fn kind_of_io(error: &std::io::Error) -> Kind {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Kind::Denied,
        ErrorKind::TimedOut
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::WouldBlock
        | ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded => Kind::Temporary,
        _ => Kind::Failed,
    }
}
