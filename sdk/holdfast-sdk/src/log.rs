//! The operator's log. The host limits their rate and strips control characters.

use crate::host::log::{Level, write};

/// Writes a line for plugin authors.
pub fn debug(message: &str) {
    write(Level::Debug, message, &[]);
}

/// Writes a line for the curious.
pub fn info(message: &str) {
    write(Level::Info, message, &[]);
}

/// Writes a line that somebody should look at.
pub fn warn(message: &str) {
    write(Level::Warn, message, &[]);
}

/// Writes a line about something that failed.
pub fn error(message: &str) {
    write(Level::Error, message, &[]);
}
