//! What judging comes to.

/// What an entry that is not damaged came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It is as it should be.
    Sound,
    /// It may be right, but somebody should look.
    Odd(String),
}
