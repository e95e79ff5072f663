//! Lets a guest's words into the log: cleaned, cut, and no more than a person could read.

use super::failure::clean_text;
use super::secret_filter::SecretFilter;
use crate::limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX};
use holdfast_base::sync::Unpoisoned;
use std::sync::{Arc, Mutex, MutexGuard};
use tracing::Level;

/// The log of a guest.
pub(crate) struct LogGate {
    plugin: String,
    job: String,
    filter: Arc<SecretFilter>,
    counts: Mutex<LogCounts>,
}

/// What was written so far.
#[derive(Default)]
struct LogCounts {
    lines: u64,
    bytes: u64,
    dropped: u64,
    last_error: Option<String>,
}

impl LogGate {
    pub(crate) fn new(plugin: &str, job: &str, filter: Arc<SecretFilter>) -> Self {
        Self {
            plugin: plugin.to_owned(),
            job: job.to_owned(),
            filter,
            counts: Mutex::default(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, LogCounts> {
        self.counts.lock_unpoisoned()
    }

    /// Writes a line.
    pub(crate) fn write_line(&self, level: Level, message: &str) {
        let line = clean_text(&self.filter.redact(message));
        let line = cut_line(&line);
        let mut counts = self.counts();
        if level == Level::ERROR {
            counts.last_error = Some(line.to_owned());
        }
        if counts.lines >= LOG_LINES_MAX || counts.bytes >= LOG_BYTES_MAX {
            counts.dropped += 1;
            return;
        }
        counts.lines += 1;
        counts.bytes += line.len() as u64;
        drop(counts);
        let (plugin, job) = (self.plugin.as_str(), self.job.as_str());
        match level {
            Level::ERROR => tracing::error!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
            Level::WARN => tracing::warn!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
            Level::INFO => tracing::info!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
            _ => tracing::debug!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
        }
    }

    /// Returns the last error that the guest wrote: most often the reason why it broke.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.counts().last_error.clone()
    }

    /// Ends the log of a call: reports how much was left out.
    pub(crate) fn close_call(&self) {
        let dropped = std::mem::take(&mut self.counts().dropped);
        if dropped > 0 {
            let (plugin, job) = (self.plugin.as_str(), self.job.as_str());
            tracing::warn!(target: "plugin", "{job}: plugin `{plugin}` said too much: {dropped} lines were left out");
        }
    }

    /// Forgets what was written: another call begins.
    pub(crate) fn reset_counts(&self) {
        *self.counts() = LogCounts::default();
    }
}

pub(crate) fn cut_line(line: &str) -> &str {
    &line[..line.floor_char_boundary(LOG_LINE_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cleaned_and_cut_between_letters() {
        assert_eq!(clean_text("a\nb\x1b[2J"), "a b [2J");
        let long = "é".repeat(LOG_LINE_BYTES_MAX);
        assert_eq!(cut_line(&long).len(), LOG_LINE_BYTES_MAX);
    }
}
