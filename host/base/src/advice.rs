//! What an operator can do about a failure.
//!
//! Libraries name the step; the command line alone knows how it is typed. So a flag can get another name, or a second
//! program can use the libraries, and no library has to change.

use std::fmt;

/// One step that an operator can take next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// A step that is no command of ours: a change in the configuration or outside, or what a plugin advises.
    Words(String),

    // Store: places that objects lie in.
    /// Have what a snapshot needs thawed, and restore it when all of that can be read.
    RestoreThawed,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            // Only who knows the commands has words for a step: this is for logs of libraries.
            step => write!(f, "{step:?}"),
        }
    }
}
