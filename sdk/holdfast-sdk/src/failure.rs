//! Failures: from `std::io` and from words.

use crate::{Failure, FailureKind, Finding, Severity};
use std::io;

impl Failure {
    /// Makes a failure.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// Makes a failure of no particular kind.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// Adds what the operator can do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Finding {
    /// Makes a finding.
    #[must_use]
    pub fn new(severity: Severity, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            subject: subject.into(),
            message: message.into(),
            hint: None,
        }
    }
}

/// Carries a failure through `std::io`.
pub(crate) fn to_io(failure: Failure) -> io::Error {
    io::Error::other(failure)
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => FailureKind::Damaged,
            io::ErrorKind::InvalidInput => FailureKind::Invalid,
            _ => FailureKind::Failed,
        };
        let message = error.to_string();
        match error.into_inner().map(|inner| inner.downcast::<Failure>()) {
            Some(Ok(failure)) => *failure,
            Some(Err(other)) => Self::new(kind, other.to_string()),
            None => Self::new(kind, message),
        }
    }
}
