//! Entries that a guest started and has to finish.
//!
//! A source that says "done" while an entry of its own is half-written is not believed. An entry
//! leaves the list when it is finished, or given up with a reason; one that failed or was dropped stays,
//! unless the same name is started again and finished.

use super::failure::clean_text;
use crate::contract::Failure;
use crate::ports::DraftPort;
use holdfast_base::entry::Warning;
use holdfast_base::sync::Unpoisoned;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Entries that were started and not finished, and why, if it is known.
#[derive(Default)]
pub(crate) struct UnfinishedEntries(Mutex<BTreeMap<String, Option<String>>>);

impl UnfinishedEntries {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.0.lock_unpoisoned()
    }

    /// Notes that an entry was started.
    pub(crate) fn start_entry(
        self: &Arc<Self>,
        name: String,
        draft: Arc<dyn DraftPort>,
    ) -> StartedEntry {
        self.entries().insert(name.clone(), None);
        StartedEntry {
            list: Arc::clone(self),
            name,
            draft,
        }
    }

    /// Returns the first entry that was left unfinished, if any was.
    pub(crate) fn first_entry(&self) -> Option<UnfinishedEntry> {
        let entries = self.entries();
        let (name, why) = entries.first_key_value()?;
        Some(UnfinishedEntry {
            name: name.clone(),
            why: why.clone(),
            others: entries.len() - 1,
        })
    }
}

/// An entry that was started and is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry `{name}` {}", self.describe_state())]
pub struct UnfinishedEntry {
    /// Its name.
    pub name: String,
    /// Why it failed, if it is known.
    pub why: Option<String>,
    /// How many other entries are not whole either.
    pub others: usize,
}

impl UnfinishedEntry {
    fn describe_state(&self) -> String {
        let more = match self.others {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        match &self.why {
            Some(why) => format!("failed{more}: {why}"),
            None => format!("was started and never finished{more}"),
        }
    }
}

/// An entry that was started.
pub(crate) struct StartedEntry {
    list: Arc<UnfinishedEntries>,
    name: String,
    draft: Arc<dyn DraftPort>,
}

impl StartedEntry {
    /// Notes that it is whole.
    pub(crate) fn mark_finished(self) {
        self.list.entries().remove(&self.name);
    }

    /// Notes that it failed.
    pub(crate) fn mark_failed(&self, failure: &Failure) {
        let why = Some(failure.message.clone());
        self.list.entries().insert(self.name.clone(), why);
    }

    /// Notes that the source gave it up: nothing is left out in silence.
    pub(crate) fn give_up(self, reason: &str) {
        let message = format!("the source gave it up: {}", clean_text(reason));
        self.draft.warn(Warning {
            subject: self.name.clone(),
            message,
        });
        self.mark_finished();
    }
}
