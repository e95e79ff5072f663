//! Settings, log, progress, clock and random: what needs no grant and no handle.

use super::Guest;
use crate::bindings::v1::shared::log::Level;
use crate::bindings::v1::shared::types::Attributes;
use crate::bindings::v1::shared::{clock, config, log, progress, random, types};
use crate::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_MAX, RANDOM_BYTES_MAX};
use holdfast_base::time::{Clock, SystemClock};
use std::sync::OnceLock;
use std::time::Instant;

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
        self.log_lines += 1;
        if self.log_lines > LOG_LINES_MAX {
            if self.log_lines == LOG_LINES_MAX + 1 {
                tracing::warn!(plugin = %self.plugin, "it says too much; from here on its lines are dropped");
            }
            return Ok(());
        }
        let mut line = clean(&message);
        for (key, value) in attributes {
            line.push_str(&format!(" {}={}", clean(&key), clean(&value)));
        }
        let line = cut(&line);
        let (plugin, job) = (&*self.plugin, &*self.context.job);
        match level {
            Level::Debug => tracing::debug!(plugin, job, "{line}"),
            Level::Info => tracing::info!(plugin, job, "{line}"),
            Level::Warn => tracing::warn!(plugin, job, "{line}"),
            Level::Error => tracing::error!(plugin, job, "{line}"),
        }
        Ok(())
    }
}

/// Takes out what could move a terminal's cursor or begin a line of its own.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn cut(line: &str) -> &str {
    &line[..line.floor_char_boundary(LOG_LINE_BYTES_MAX)]
}

impl progress::Host for Guest {
    fn report(&mut self, done: u64, total: Option<u64>, label: String) -> wasmtime::Result<()> {
        self.context
            .listener
            .progress(done, total, cut(&clean(&label)));
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
        assert_eq!(clean("a\nb\x1b[2J"), "a b [2J");
        let long = "é".repeat(LOG_LINE_BYTES_MAX);
        assert_eq!(cut(&long).len(), LOG_LINE_BYTES_MAX);
    }
}
