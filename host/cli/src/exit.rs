//! Exit codes: documented in `docs/operator-guide.md`, and a promise to scripts.

use holdfast_base::error::Kind;
use std::process::ExitCode;

/// How a command ended if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// Done, and something was left out, by name.
    Warnings,
    /// A verification found damage.
    Damage,
    /// Something failed, and that was reported.
    Failed(Kind),
}

impl Outcome {
    /// Returns the exit code.
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Warnings => 3,
            Self::Damage => 4,
            Self::Failed(kind) => exit_code(kind),
        })
    }
}

/// Returns the first of two outcomes that is not plain success.
pub(crate) fn first_problem(one: Outcome, other: Outcome) -> Outcome {
    if one == Outcome::Done { other } else { one }
}

/// Returns the exit code of a failure.
pub(crate) fn exit_code(kind: Kind) -> u8 {
    match kind {
        Kind::Failed => 1,
        Kind::Usage => 2,
        Kind::Damaged => 4,
        Kind::Busy => 5,
        Kind::NoRepository => 10,
        Kind::Key => 11,
        Kind::Denied => 12,
        Kind::Temporary => 75,
        Kind::Interrupted => 130,
    }
}
