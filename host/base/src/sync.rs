//! Locks that outlive a panic of one of their holders.
//!
//! The standard library poisons a lock whose holder panicked, and every later use then has to say what it does about
//! that. Here the answer is always the same: the panic itself ends the run, and whoever cleans up after it goes on
//! with what the lock guards.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Uses a mutex whether or not a holder of it panicked.
pub trait Unpoisoned {
    /// What the mutex guards.
    type Guarded;

    /// Waits for the lock.
    fn lock_unpoisoned(&self) -> MutexGuard<'_, Self::Guarded>;

    /// Takes out what the mutex guards.
    fn into_inner_unpoisoned(self) -> Self::Guarded;
}

impl<T> Unpoisoned for Mutex<T> {
    type Guarded = T;

    fn lock_unpoisoned(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_inner_unpoisoned(self) -> T {
        self.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Uses a lock of many readers and one writer whether or not a holder of it panicked.
pub trait UnpoisonedReadWrite {
    /// What the lock guards.
    type Guarded;

    /// Waits until nobody writes.
    fn read_unpoisoned(&self) -> RwLockReadGuard<'_, Self::Guarded>;

    /// Waits until nobody reads or writes.
    fn write_unpoisoned(&self) -> RwLockWriteGuard<'_, Self::Guarded>;
}

impl<T> UnpoisonedReadWrite for RwLock<T> {
    type Guarded = T;

    fn read_unpoisoned(&self) -> RwLockReadGuard<'_, T> {
        self.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_unpoisoned(&self) -> RwLockWriteGuard<'_, T> {
        self.write().unwrap_or_else(PoisonError::into_inner)
    }
}
