//! What all threads of a run share: its settings, its first failure, and what was left out.

use crate::keys::IdKey;
use crate::objects::error::{ObjectError, ensure_not_cancelled};
use crate::pipeline::dedup::Dedup;
use crate::pipeline::split::Cutter;
use crate::read::StoredError;
use crate::write::error::WriteError;
use crate::write::note::Gauge;
use crate::write::sequence::Turn;
use holdfast_base::cancel::Cancel;
use holdfast_base::entry::Warning;
use holdfast_base::limits::WARNINGS_KEPT_MAX;
use holdfast_base::sync::Unpoisoned;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

/// What all threads of a run share.
pub(crate) struct Shared {
    pub(crate) dedup: Arc<Dedup>,
    pub(crate) id_key: IdKey,
    pub(crate) cutter: Cutter,
    pub(crate) cancel: Cancel,
    pub(crate) gauge: Arc<Gauge>,
    /// Whether everything must be read: what a copy cannot read is damage, and nothing that changed meanwhile.
    pub(crate) is_copy: bool,
    /// Entries that a device failed to read.
    pub(super) device_failures: AtomicU64,
    pub(super) failure: Mutex<Option<WriteError>>,
    pub(super) turn: Arc<Turn>,
    pub(super) warnings: Mutex<Warnings>,
}

/// What was left out, or changed while it was read.
#[derive(Default)]
pub(super) struct Warnings {
    pub(super) count: u64,
    /// Subject and message of the first ones.
    pub(super) kept: Vec<(String, String)>,
}

impl Shared {
    /// Makes the run fail, and wakes those who wait for it.
    pub(crate) fn fail_run(&self, error: WriteError) {
        tracing::debug!(%error, "the run fails");
        let mut failure = self.failure.lock_unpoisoned();
        // That a queue is closed is the consequence, and may be told before its cause.
        let is_consequence = |held: &WriteError| {
            matches!(
                held,
                WriteError::AlreadyFailed { .. }
                    | WriteError::Stored(StoredError::Object(ObjectError::StageEnded(_)))
            )
        };
        if failure.as_ref().is_none_or(is_consequence) {
            *failure = Some(error);
        }
        drop(failure);
        self.turn.abandon();
    }

    /// Counts something that was left out, and names it unless too many were named.
    pub(crate) fn add_warning(&self, warning: Warning) {
        let mut warnings = self.warnings.lock_unpoisoned();
        warnings.count += 1;
        if warnings.kept.len() < WARNINGS_KEPT_MAX {
            warnings.kept.push((warning.subject, warning.message));
        }
    }

    /// Ends what would only add to a run that is cancelled or has failed.
    ///
    /// # Errors
    /// It is cancelled, or has failed.
    pub(super) fn ensure_running(&self) -> Result<(), WriteError> {
        ensure_not_cancelled(&self.cancel)?;
        match &*self.failure.lock_unpoisoned() {
            Some(error) => Err(WriteError::AlreadyFailed {
                cause: error.to_string(),
            }),
            None => Ok(()),
        }
    }
}
