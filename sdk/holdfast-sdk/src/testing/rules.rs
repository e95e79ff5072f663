//! Rules of a host that several doubles keep: what a path may be, and how a denial reads.

use crate::types::{Failure, FailureKind};

/// Makes the failure of a call whose object was not granted.
pub(crate) fn not_granted(what: &str) -> Failure {
    Failure::new(FailureKind::Denied, format!("{what} is not granted"))
}

/// Checks the path of an entry as a host does, and returns it.
pub(crate) fn checked_path(path: &[u8]) -> Result<Vec<u8>, Failure> {
    let is_sound = path
        .split(|byte| *byte == b'/')
        .all(|part| !part.is_empty() && part != b"." && part != b"..");
    if is_sound && !path.contains(&0) {
        return Ok(path.to_vec());
    }
    let shown = String::from_utf8_lossy(path);
    Err(Failure::invalid(format!(
        "`{shown}` is no path of an entry"
    )))
}

/// Returns whether a path is `prefix` or lies below it. Every path lies below an empty prefix.
pub(crate) fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    prefix.is_empty()
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
