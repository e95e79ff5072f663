//! Settings, log, progress, clock and random.

use super::shared::log::Level;
use super::shared::{clock, config, log, progress, random};
use crate::capability::Guest;
use crate::capability::plain::{monotonic_time, random_bytes};
use crate::contract::{Attributes, types};
use crate::limits::LOG_LINE_BYTES_MAX;
use holdfast_base::time::{Clock, SystemClock};

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
        let level = match level {
            Level::Debug => tracing::Level::DEBUG,
            Level::Info => tracing::Level::INFO,
            Level::Warn => tracing::Level::WARN,
            Level::Error => tracing::Level::ERROR,
        };
        self.log.write_line(level, &line);
        Ok(())
    }
}

impl progress::Host for Guest {
    fn report(&mut self, done: u64, total: Option<u64>, label: String) -> wasmtime::Result<()> {
        self.report_progress(done, total, &label);
        Ok(())
    }
}

impl clock::Host for Guest {
    fn now_ns(&mut self) -> wasmtime::Result<i64> {
        Ok(SystemClock.now().0)
    }

    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        Ok(monotonic_time().as_nanos() as u64)
    }
}

impl random::Host for Guest {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        random_bytes(length)
    }
}
