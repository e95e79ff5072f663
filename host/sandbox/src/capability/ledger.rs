//! What a guest started and has to finish.
//!
//! A source that says "done" while an entry of its own is half-written is not believed. An entry
//! leaves the ledger when it is finished, or given up in words; one that failed or was dropped stays,
//! unless the same name is started again and finished.

use crate::bindings::v1::shared::types::Failure;
use crate::ports::DraftPort;
use holdfast_base::entry::Warning;
use holdfast_base::sync::Unpoisoned;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Entries that were started and not finished, and why, where it is known.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<String, Option<String>>>);

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.0.lock_unpoisoned()
    }

    /// Notes that an entry was started.
    pub(crate) fn start(self: &Arc<Self>, name: String, draft: Arc<dyn DraftPort>) -> Started {
        self.entries().insert(name.clone(), None);
        Started {
            ledger: Arc::clone(self),
            name,
            draft,
        }
    }

    /// Says which entry was left unfinished, if any was.
    pub(crate) fn complaint(&self) -> Option<String> {
        let entries = self.entries();
        let (name, why) = entries.first_key_value()?;
        let more = match entries.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(match why {
            Some(why) => format!("entry `{name}` failed{more}: {why}"),
            None => format!("entry `{name}` was started and never finished{more}"),
        })
    }
}

/// An entry that was started.
pub(crate) struct Started {
    ledger: Arc<Ledger>,
    name: String,
    draft: Arc<dyn DraftPort>,
}

impl Started {
    /// Notes that it is whole.
    pub(crate) fn done(self) {
        self.ledger.entries().remove(&self.name);
    }

    /// Notes that it failed.
    pub(crate) fn failed(&self, failure: &Failure) {
        let why = Some(failure.message.clone());
        self.ledger.entries().insert(self.name.clone(), why);
    }

    /// Notes that the source gave it up: nothing is left out in silence.
    pub(crate) fn given_up(self, reason: &str) {
        let message = format!("the source gave it up: {}", super::cleaned(reason));
        self.draft.warn(Warning {
            subject: self.name.clone(),
            message,
        });
        self.done();
    }
}
