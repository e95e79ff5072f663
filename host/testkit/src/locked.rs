//! A store that locks what it is told to, with a clock that a test moves.
//!
//! It does what a bucket with object lock does whose versions are removed: what is locked stays, and nothing
//! happens to it. The locks live in memory; who wraps the same store twice wraps the same locks by cloning.

use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_store::lock::refusal;
use holdfast_store::{Abilities, Ability, Extension, Lock, Name, Store, StoreError, Term};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What it was asked about locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// How often a lock was looked at.
    pub looks: u64,
    /// How often one was to be changed, and was not so already.
    pub changes: u64,
}

/// A store that locks. Clones are the same store.
#[derive(Clone)]
pub struct LockedStore {
    inner: Arc<dyn Store>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    locks: Mutex<HashMap<Name, Lock>>,
    ahead: AtomicI64,
    looks: AtomicU64,
    changes: AtomicU64,
}

impl LockedStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            state: Arc::default(),
        }
    }

    /// Wraps another store with the same locks, which are its own from then on.
    #[must_use]
    pub fn copy_onto(&self, inner: Arc<dyn Store>) -> Self {
        let copy = Self::new(inner);
        copy.locks().clone_from(&self.locks());
        copy
    }

    /// Lets time pass, as far as locks are concerned.
    pub fn pass(&self, nanoseconds: i64) {
        self.state.ahead.fetch_add(nanoseconds, Ordering::SeqCst);
    }

    /// Returns what it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Asked {
        Asked {
            looks: self.state.looks.load(Ordering::SeqCst),
            changes: self.state.changes.load(Ordering::SeqCst),
        }
    }

    /// Returns what is locked now.
    #[must_use]
    pub fn locked(&self) -> Vec<Name> {
        let now = self.now();
        let locks = self.locks();
        let locked = locks.iter().filter(|(_, lock)| lock.holds_at(now));
        locked.map(|(name, _)| name.clone()).collect()
    }

    /// Returns what is held.
    #[must_use]
    pub fn held(&self) -> Vec<Name> {
        let locks = self.locks();
        let held = locks.iter().filter(|(_, lock)| lock.is_held);
        held.map(|(name, _)| name.clone()).collect()
    }

    fn now(&self) -> Instant {
        Instant(SystemClock.now().0 + self.state.ahead.load(Ordering::SeqCst))
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<Name, Lock>> {
        self.state.locks.lock_unpoisoned()
    }

    fn look(&self, name: &Name) -> Result<Lock, StoreError> {
        self.inner.size(name)?;
        self.state.looks.fetch_add(1, Ordering::SeqCst);
        Ok(self.locks().get(name).copied().unwrap_or_default())
    }

    fn change(&self, name: &Name, lock: Lock) {
        self.state.changes.fetch_add(1, Ordering::SeqCst);
        self.locks().insert(name.clone(), lock);
    }
}

impl Store for LockedStore {
    holdfast_store::pass_on!(inner: place get get_range size create upload list);

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        let now = self.now();
        let mut locks = self.locks();
        if locks.get(name).is_some_and(|lock| lock.holds_at(now)) {
            return Err(refusal(name, self.place()));
        }
        self.inner.delete(name)?;
        locks.remove(name);
        Ok(())
    }

    fn probe(&self) -> Result<Option<Abilities>, StoreError> {
        Ok(Some(self.abilities()))
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            object_lock: Ability::Real,
            ..Abilities::LOCAL
        }
    }

    fn lock(&self, name: &Name) -> Result<Lock, StoreError> {
        self.look(name)
    }

    fn lock_until(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        let lock = self.look(name)?;
        let mut term = match (lock.term, wanted.beyond(&lock)) {
            (Some(held), None) => return Ok(held),
            (_, term) => term.unwrap_or(Term {
                until: wanted.until,
                mode: wanted.mode,
            }),
        };
        // As services do it: while a term lasts, its mode stays.
        if let Some(held) = lock.term.filter(|held| held.until > self.now()) {
            term.mode = held.mode;
        }
        self.change(
            name,
            Lock {
                term: Some(term),
                ..lock
            },
        );
        Ok(term)
    }

    fn hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        let lock = self.look(name)?;
        if lock.is_held != is_held {
            self.change(name, Lock { is_held, ..lock });
        }
        Ok(lock.is_held != is_held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{LockMode, conformance, local::LocalStore};

    fn store() -> (tempfile::TempDir, LockedStore) {
        let directory = tempfile::tempdir().unwrap();
        let inner = Arc::new(LocalStore::new(directory.path().join("store")));
        (directory, LockedStore::new(inner))
    }

    #[test]
    fn it_keeps_the_contract_and_that_of_locks() {
        let (_directory, plain) = store();
        conformance::run(&plain);
        let (_directory, locked) = store();
        conformance::locks(&locked, SystemClock.now());
    }

    #[test]
    fn what_was_locked_goes_when_its_time_is_over() {
        let (_directory, store) = store();
        let name = Name::new("a/b").unwrap();
        store.create(&name, b"1").unwrap();
        let until = Instant(SystemClock.now().0 + 3_600_000_000_000);
        let wanted = Extension {
            least: until,
            until,
            mode: LockMode::Governance,
        };
        store.lock_until(&name, &wanted).unwrap();
        assert!(store.delete(&name).unwrap_err().is_locked());
        store.pass(3_600_000_000_000);
        store.delete(&name).unwrap();
    }
}
