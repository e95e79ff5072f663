//! Settings, log, progress, clock and random: what needs no grant and no handle.

use super::{Guest, Hidden, cleaned};
use crate::bindings::v1::shared::log::Level;
use crate::bindings::v1::shared::types::Attributes;
use crate::bindings::v1::shared::{clock, config, log, progress, random, types};
use crate::limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX, RANDOM_BYTES_MAX};
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::{Clock, SystemClock};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// How often progress is passed on.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

impl types::Host for Guest {}

impl config::Host for Guest {
    fn settings(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.settings.to_string())
    }

    fn job(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.job.clone())
    }
}

impl log::Host for Guest {
    fn write(
        &mut self,
        level: Level,
        message: String,
        attributes: Attributes,
    ) -> wasmtime::Result<()> {
        let mut line = message;
        for (key, value) in attributes {
            if line.len() > LOG_LINE_BYTES_MAX {
                break;
            }
            line.push_str(&format!(" {key}={value}"));
        }
        self.log.write(level, &line);
        Ok(())
    }
}

/// Lets a guest's words into the log: cleaned, cut, and no more than a person could read.
pub(crate) struct LogGate {
    plugin: String,
    job: String,
    hidden: Arc<Hidden>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    lines: u64,
    bytes: u64,
    dropped: u64,
    last_error: Option<String>,
}

impl LogGate {
    pub(crate) fn new(plugin: &str, job: &str, hidden: Arc<Hidden>) -> Self {
        Self {
            plugin: plugin.to_owned(),
            job: job.to_owned(),
            hidden,
            told: Mutex::default(),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock_unpoisoned()
    }

    /// Writes a line.
    pub(crate) fn write(&self, level: Level, message: &str) {
        let line = self.hidden.hide(message);
        let line = cleaned(&line);
        let line = cut(&line);
        let mut told = self.told();
        if matches!(level, Level::Error) {
            told.last_error = Some(line.to_owned());
        }
        if told.lines >= LOG_LINES_MAX || told.bytes >= LOG_BYTES_MAX {
            told.dropped += 1;
            return;
        }
        told.lines += 1;
        told.bytes += line.len() as u64;
        drop(told);
        let (plugin, job) = (self.plugin.as_str(), self.job.as_str());
        match level {
            Level::Debug => tracing::debug!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
            Level::Info => tracing::info!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
            Level::Warn => tracing::warn!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
            Level::Error => tracing::error!(target: "plugin", "{job}: plugin `{plugin}`: {line}"),
        }
    }

    /// Returns the last error that the guest wrote: most often why it broke.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.told().last_error.clone()
    }

    /// Says how much was left out.
    pub(crate) fn close(&self) {
        let dropped = std::mem::take(&mut self.told().dropped);
        if dropped > 0 {
            let (plugin, job) = (self.plugin.as_str(), self.job.as_str());
            tracing::warn!(target: "plugin", "{job}: plugin `{plugin}` said too much: {dropped} lines were left out");
        }
    }

    pub(crate) fn reset(&self) {
        *self.told() = Told::default();
    }
}

fn cut(line: &str) -> &str {
    &line[..line.floor_char_boundary(LOG_LINE_BYTES_MAX)]
}

impl progress::Host for Guest {
    fn report(&mut self, done: u64, total: Option<u64>, label: String) -> wasmtime::Result<()> {
        // A bar that moves faster than the eye is only work.
        let is_soon = |told: Instant| told.elapsed() < PROGRESS_EVERY;
        if total != Some(done) && self.progress_told.is_some_and(is_soon) {
            return Ok(());
        }
        self.progress_told = Some(Instant::now());
        self.context
            .listener
            .progress(done, total, cut(&cleaned(&self.hidden.hide(&label))));
        Ok(())
    }
}

impl clock::Host for Guest {
    fn now_ns(&mut self) -> wasmtime::Result<i64> {
        Ok(SystemClock.now().0)
    }

    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        static START: OnceLock<Instant> = OnceLock::new();
        Ok(START.get_or_init(Instant::now).elapsed().as_nanos() as u64)
    }
}

impl random::Host for Guest {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        if length > RANDOM_BYTES_MAX {
            return Err(wasmtime::Error::msg(format!(
                "{length} random bytes were asked for at once"
            )));
        }
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).map_err(wasmtime::Error::new)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cleaned_and_cut_between_letters() {
        assert_eq!(cleaned("a\nb\x1b[2J"), "a b [2J");
        let long = "é".repeat(LOG_LINE_BYTES_MAX);
        assert_eq!(cut(&long).len(), LOG_LINE_BYTES_MAX);
    }
}
