//! What a run leaves out because the system refused to give it, and when that is too much.
//!
//! A file that may not be read is one file less. A machine that is short of descriptors or memory refuses whatever
//! comes next too, and a device that fails here fails there: what such a run leaves out is not what is absent, and
//! a snapshot of the rest must not take the place of one that has it all.

use crate::write::error::WriteError;
use crate::write::shared::Shared;
use holdfast_base::entry::Warning;
use holdfast_base::error::{is_device_failure, is_shortage};
use std::io;
use std::sync::atomic::Ordering;

/// So many entries of a snapshot may be left out because a device failed …
const DEVICE_FAILURES_MAX: u64 = 100;
/// … and one of so many.
const ENTRIES_PER_FAILURE: u64 = 1_000;

impl Shared {
    /// Leaves something out that the system refused to give, and names it.
    pub(super) fn leave_out(&self, warning: Warning, answer: io::Error) -> Result<(), WriteError> {
        if is_shortage(&answer) {
            return Err(WriteError::Short {
                path: warning.subject,
                source: answer,
            });
        }
        if is_device_failure(&answer) {
            self.device_failures.fetch_add(1, Ordering::Relaxed);
        }
        self.add_warning(warning);
        Ok(())
    }

    /// Fails if devices failed so often that the snapshot is not one of what they hold.
    pub(super) fn ensure_devices_work(&self, entries: u64) -> Result<(), WriteError> {
        let failures = self.device_failures.load(Ordering::Relaxed);
        if failures <= DEVICE_FAILURES_MAX && failures * ENTRIES_PER_FAILURE <= entries {
            return Ok(());
        }
        Err(WriteError::DeviceFails { failures, entries })
    }
}
