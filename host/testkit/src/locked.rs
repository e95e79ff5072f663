//! A hook that gives a store object lock, with a clock that a test moves.
//!
//! It does what a bucket with object lock does whose versions are removed: what is locked stays, and nothing
//! happens to it. What is protected is known in memory only; a clone is the same store with the same protections.

use crate::hooked::{Answer, Call, Hook, HookedStore, Run};
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_store::object_lock::locked_error;
use holdfast_store::{Abilities, Ability, Extension, Name, Protection, Store, StoreError, Term};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What it was asked about object lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// How often an object's protection was looked at.
    pub looks: u64,
    /// How often one was to be changed, and was not so already.
    pub changes: u64,
}

/// A store with object lock.
pub type LockedStore = HookedStore<ObjectLocks>;

/// Protects objects, and answers for the store below what it does not know of that.
pub struct ObjectLocks {
    place: String,
    protections: Mutex<HashMap<Name, Protection>>,
    ahead: AtomicI64,
    looks: AtomicU64,
    changes: AtomicU64,
}

impl LockedStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(below: Arc<dyn Store>) -> Self {
        let locks = ObjectLocks {
            place: below.place(),
            protections: Mutex::default(),
            ahead: AtomicI64::default(),
            looks: AtomicU64::default(),
            changes: AtomicU64::default(),
        };
        Self::with_hook(below, locks)
    }

    /// Wraps another store with the same protections, which are its own from then on.
    #[must_use]
    pub fn copy_onto(&self, below: Arc<dyn Store>) -> Self {
        let copy = Self::new(below);
        copy.hook.protections().clone_from(&self.hook.protections());
        copy
    }

    /// Lets time pass, as far as object lock is concerned.
    pub fn advance_clock(&self, nanoseconds: i64) {
        self.hook.ahead.fetch_add(nanoseconds, Ordering::SeqCst);
    }

    /// Returns what it was asked so far.
    #[must_use]
    pub fn lock_requests(&self) -> Asked {
        Asked {
            looks: self.hook.looks.load(Ordering::SeqCst),
            changes: self.hook.changes.load(Ordering::SeqCst),
        }
    }

    /// Returns what is protected now.
    #[must_use]
    pub fn locked(&self) -> Vec<Name> {
        let now = self.hook.current_time();
        self.hook.names_that(|found| found.holds_at(now))
    }

    /// Returns what is held.
    #[must_use]
    pub fn held(&self) -> Vec<Name> {
        self.hook.names_that(|found| found.is_held)
    }
}

impl ObjectLocks {
    fn current_time(&self) -> Instant {
        Instant(SystemClock.now().0 + self.ahead.load(Ordering::SeqCst))
    }

    fn protections(&self) -> MutexGuard<'_, HashMap<Name, Protection>> {
        self.protections.lock_unpoisoned()
    }

    fn names_that(&self, fits: impl Fn(&Protection) -> bool) -> Vec<Name> {
        let protections = self.protections();
        let fitting = protections.iter().filter(|(_, found)| fits(found));
        fitting.map(|(name, _)| name.clone()).collect()
    }

    fn look_up(&self, name: &Name, run: Run<'_>) -> Result<Protection, StoreError> {
        run(Call::Size(name))?;
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(self.protections().get(name).copied().unwrap_or_default())
    }

    fn replace(&self, name: &Name, protection: Protection) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.protections().insert(name.clone(), protection);
    }

    fn retain(&self, name: &Name, wanted: &Extension, found: Protection) -> Term {
        let mut term = match (found.term, wanted.term_beyond(&found)) {
            (Some(held), None) => return held,
            (_, term) => term.unwrap_or(Term {
                until: wanted.until,
                mode: wanted.mode,
            }),
        };
        // As services do it: while a term lasts, its mode stays.
        if let Some(held) = found.term.filter(|held| held.until > self.current_time()) {
            term.mode = held.mode;
        }
        let longer = Protection {
            term: Some(term),
            ..found
        };
        self.replace(name, longer);
        term
    }

    fn delete(&self, name: &Name, run: Run<'_>) -> Result<Answer, StoreError> {
        let now = self.current_time();
        let mut protections = self.protections();
        if protections
            .get(name)
            .is_some_and(|found| found.holds_at(now))
        {
            return Err(locked_error(name, self.place.clone()));
        }
        let done = run(Call::Delete(name))?;
        protections.remove(name);
        Ok(done)
    }
}

impl Hook for ObjectLocks {
    fn around(&self, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
        match call {
            Call::Delete(name) => self.delete(name, run),
            Call::Protection(name) => self.look_up(name, run).map(Answer::Protection),
            Call::Retain(name, wanted) => {
                let found = self.look_up(name, run)?;
                Ok(Answer::Term(self.retain(name, wanted, found)))
            }
            Call::SetHold(name, is_held) => {
                let found = self.look_up(name, run)?;
                if found.is_held != is_held {
                    self.replace(name, Protection { is_held, ..found });
                }
                Ok(Answer::HoldChanged(found.is_held != is_held))
            }
            other => run(other),
        }
    }

    fn abilities(&self, below: Abilities) -> Abilities {
        Abilities {
            object_lock: Ability::Real,
            ..below
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{Attempts, ObjectLock, RetentionMode, conformance, local::LocalStore};

    fn store() -> (tempfile::TempDir, LockedStore) {
        let directory = tempfile::tempdir().unwrap();
        let inner = Arc::new(LocalStore::new(directory.path().join("store")));
        (directory, LockedStore::new(inner))
    }

    #[test]
    fn it_keeps_the_contract_and_that_of_locks() {
        let (_directory, plain) = store();
        conformance::check_store(&plain);
        let (_directory, locked) = store();
        conformance::check_object_lock(&locked, SystemClock.now());
    }

    #[test]
    fn what_was_locked_goes_when_its_time_is_over() {
        let (_directory, store) = store();
        let name = Name::new("a/b").unwrap();
        store.create(&name, b"1", Attempts::Repeated).unwrap();
        let until = Instant(SystemClock.now().0 + 3_600_000_000_000);
        let wanted = Extension {
            least: until,
            until,
            mode: RetentionMode::Governance,
        };
        store.retain(&name, &wanted).unwrap();
        assert!(store.delete(&name).unwrap_err().is_locked());
        store.advance_clock(3_600_000_000_000);
        store.delete(&name).unwrap();
    }
}
