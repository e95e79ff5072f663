//! The types that all interfaces share: failures and findings.
//!
//! - Written by hand and not generated, so that they read well and are the same in a guest and in a
//!   native test. `cargo holdfast build` fails to compile if they no longer fit the contract.
//! - A failure that travels through `std::io` comes out of it unchanged.

use std::fmt;
use std::io;

/// What kind of failure it was, for the host to act on.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// Not granted, or refused by the system.
    Denied,
    /// What was named does not exist.
    NotFound,
    /// The input, a setting or a call was wrong.
    Invalid,
    /// Something outside does not answer now; a retry may mend it.
    Unavailable,
    /// The time allowed is over.
    Timeout,
    /// The run was cancelled.
    Cancelled,
    /// Data is damaged or was cut short.
    Damaged,
    /// A limit was reached.
    Limit,
    /// This host does not offer it.
    Unsupported,
    /// Anything else.
    Failed,
}

impl FailureKind {
    /// Called by the generated bindings.
    #[doc(hidden)]
    #[must_use]
    pub fn _lift(value: u8) -> Self {
        match value {
            0 => Self::Denied,
            1 => Self::NotFound,
            2 => Self::Invalid,
            3 => Self::Unavailable,
            4 => Self::Timeout,
            5 => Self::Cancelled,
            6 => Self::Damaged,
            7 => Self::Limit,
            8 => Self::Unsupported,
            _ => Self::Failed,
        }
    }
}

/// Why a call failed, for the host to act on and for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it was.
    pub kind: FailureKind,
    /// One sentence, without secrets.
    pub message: String,
    /// What the operator can do next, if known.
    pub hint: Option<String>,
}

/// Open-ended data: keys and values.
pub type Attributes = Vec<(String, String)>;

/// How much a finding matters.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Works, but somebody should look.
    Warning,
    /// Does not work, or is damaged.
    Error,
}

impl Severity {
    /// Called by the generated bindings.
    #[doc(hidden)]
    #[must_use]
    pub fn _lift(value: u8) -> Self {
        match value {
            0 => Self::Info,
            1 => Self::Warning,
            _ => Self::Error,
        }
    }
}

/// One answer to "would this work?" or "is this sound?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it concerns: an entry, a setting, a command.
    pub subject: String,
    /// One sentence, without secrets.
    pub message: String,
    /// What the operator can do next, if known.
    pub hint: Option<String>,
}

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

    /// Makes the failure of a wrong input or setting.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Invalid, message)
    }

    /// Makes the failure of data that was changed or cut short.
    #[must_use]
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Damaged, message)
    }

    /// Adds what the operator can do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts before the message what was tried: `cannot read "x": …`.
    #[must_use]
    pub fn while_trying(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("cannot {what}: {}", self.message);
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

    /// Makes the finding that something does not work, or is damaged.
    #[must_use]
    pub fn error(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, subject, message)
    }

    /// Makes the finding that somebody should look.
    #[must_use]
    pub fn warning(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, subject, message)
    }

    /// Makes a finding that is good to know.
    #[must_use]
    pub fn info(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, subject, message)
    }

    /// Adds what the operator can do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        io::Error::other(failure)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => FailureKind::Damaged,
            io::ErrorKind::InvalidInput => FailureKind::Invalid,
            io::ErrorKind::NotFound => FailureKind::NotFound,
            io::ErrorKind::PermissionDenied => FailureKind::Denied,
            _ => FailureKind::Failed,
        };
        let message = error.to_string();
        match error.into_inner().map(|inner| inner.downcast::<Failure>()) {
            Some(Ok(failure)) => *failure,
            _ => Self::new(kind, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_comes_through_std_io_unchanged() {
        let failure = Failure::damaged("it is cut short").with_hint("look");
        assert_eq!(Failure::from(io::Error::from(failure.clone())), failure);
    }

    #[test]
    fn an_error_of_std_io_keeps_its_words_and_its_kind() {
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, "gone");
        assert_eq!(Failure::from(error), Failure::damaged("gone"));
    }

    #[test]
    fn kinds_are_numbered_as_the_contract_numbers_them() {
        for number in 0..10 {
            assert_eq!(FailureKind::_lift(number) as u8, number);
        }
        for number in 0..3 {
            assert_eq!(Severity::_lift(number) as u8, number);
        }
    }
}
