//! What kind of failure it was, and what to do next.
//!
//! Libraries of holdfast have error enums of their own. Each can say which [`Kind`] it is; the
//! command line turns the kind into the exit code, in one place.

use crate::advice::Advice;
use std::error::Error;

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

/// A failure that knows its kind and may know what to do next.
pub trait Describe: Error {
    /// Returns what kind of failure it was.
    fn kind(&self) -> Kind;

    /// Returns what the operator can do next, the most useful first.
    fn advice(&self) -> Vec<Advice> {
        Vec::new()
    }
}

/// Returns whether the system is short of something: what it refused is there, and may be had another time.
#[must_use]
pub fn is_shortage(error: &std::io::Error) -> bool {
    // EAGAIN, ENOMEM, ENFILE and EMFILE, which are the same on every Linux.
    matches!(error.raw_os_error(), Some(11 | 12 | 23 | 24))
}

/// Returns whether a device could not read what it holds.
#[must_use]
pub fn is_device_failure(error: &std::io::Error) -> bool {
    // EIO.
    error.raw_os_error() == Some(5)
}

/// Classifies an operating system error that stopped work on a store or a tree.
#[must_use]
pub fn kind_of_io(error: &std::io::Error) -> Kind {
    use std::io::ErrorKind;
    match error.kind() {
        _ if is_shortage(error) => Kind::Temporary,
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

/// Returns an error, its cause, the cause of that, and so on.
pub fn error_chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Returns what caused an error, the nearest cause first, without saying anything twice.
#[must_use]
pub fn list_causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let texts: Vec<String> = error_chain(error).map(ToString::to_string).collect();
    let pairs = texts.windows(2);
    let new = pairs.filter(|pair| !pair[0].contains(&pair[1]));
    new.map(|pair| pair[1].clone()).collect()
}

/// Joins an error and its causes to one line, without saying anything twice.
#[must_use]
pub fn join_causes(error: &(dyn Error + 'static)) -> String {
    let mut parts = vec![error.to_string()];
    parts.extend(list_causes(error));
    parts.join(": ")
}
