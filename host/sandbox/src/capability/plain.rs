//! Progress, clock and random: what needs no grant and no handle.

use super::failure::clean_text;
use super::guest::Guest;
use super::log::cut_line;
use crate::limits::RANDOM_BYTES_MAX;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How often progress is passed on.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

impl Guest {
    /// Passes on how far the work is, no more often than anybody could see.
    pub(crate) fn report_progress(&mut self, done: u64, total: Option<u64>, label: &str) {
        let is_soon = |reported: Instant| reported.elapsed() < PROGRESS_EVERY;
        if total != Some(done) && self.progress_reported.is_some_and(is_soon) {
            return;
        }
        self.progress_reported = Some(Instant::now());
        let label = clean_text(&self.secret_filter.redact(label));
        let listener = &self.context.listener;
        listener.progress(done, total, cut_line(&label));
    }
}

/// Returns the time since the first call of this function.
pub(crate) fn monotonic_time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Returns random bytes.
pub(crate) fn random_bytes(length: u32) -> wasmtime::Result<Vec<u8>> {
    if length > RANDOM_BYTES_MAX {
        return Err(wasmtime::Error::msg(format!(
            "{length} random bytes were asked for at once"
        )));
    }
    let mut bytes = vec![0; length as usize];
    getrandom::fill(&mut bytes).map_err(wasmtime::Error::new)?;
    Ok(bytes)
}
