//! A store whose operations take longer or shorter, so that they end in another order.
//!
//! The contract says when an operation has had its effect, and nothing about the order of those that are
//! under way at once. Here each waits before and after its effect, as a seed has it: what was asked first may be
//! there last, and its answer may come later than what it caused. Nothing in a test may depend on how long.

use holdfast_store::{
    Abilities, Created, Extension, Listed, Lock, Name, Store, StoreError, Term, Upload,
};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest wait.
const WAIT_MAX_MICROSECONDS: u64 = 3_000;

/// A store that answers out of order.
pub struct UnorderedStore {
    inner: Arc<dyn Store>,
    chance: Arc<Chance>,
}

struct Chance(AtomicU64);

impl Chance {
    /// Waits; most operations not at all.
    fn wait(&self) {
        // SplitMix64.
        let step = 0x9E37_79B9_7F4A_7C15;
        let mut drawn = self.0.fetch_add(step, Ordering::SeqCst).wrapping_add(step);
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        drawn ^= drawn >> 31;
        if drawn.is_multiple_of(3) {
            std::thread::sleep(Duration::from_micros((drawn >> 8) % WAIT_MAX_MICROSECONDS));
        }
    }

    fn around<T>(&self, operation: impl FnOnce() -> T) -> T {
        self.wait();
        let done = operation();
        self.wait();
        done
    }
}

impl UnorderedStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, seed: u64) -> Self {
        Self {
            inner,
            chance: Arc::new(Chance(AtomicU64::new(seed))),
        }
    }
}

impl Store for UnorderedStore {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        self.chance.around(|| self.inner.get(name))
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.chance
            .around(|| self.inner.get_range(name, offset, length))
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        self.chance.around(|| self.inner.size(name))
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        self.chance.around(|| self.inner.create(name, bytes))
    }

    fn upload(&self) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.chance.around(|| self.inner.upload())?;
        let chance = Arc::clone(&self.chance);
        Ok(Box::new(UnorderedUpload { inner, chance }))
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        self.chance.around(|| self.inner.list(area))
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        self.chance.around(|| self.inner.delete(name))
    }

    fn probe(&self) -> Result<Option<Abilities>, StoreError> {
        self.chance.around(|| self.inner.probe())
    }

    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn assume(&self, abilities: Abilities) {
        self.inner.assume(abilities);
    }

    fn lock(&self, name: &Name) -> Result<Lock, StoreError> {
        self.chance.around(|| self.inner.lock(name))
    }

    fn lock_until(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        self.chance.around(|| self.inner.lock_until(name, wanted))
    }

    fn hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        self.chance.around(|| self.inner.hold(name, is_held))
    }
}

struct UnorderedUpload {
    inner: Box<dyn Upload>,
    chance: Arc<Chance>,
}

impl Write for UnorderedUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for UnorderedUpload {
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        let Self { inner, chance } = *self;
        chance.around(|| inner.commit(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{conformance, local::LocalStore};

    #[test]
    fn it_keeps_the_contract() {
        for seed in 0..4 {
            let directory = tempfile::tempdir().unwrap();
            let inner = Arc::new(LocalStore::new(directory.path().join("store")));
            conformance::run(&UnorderedStore::new(inner, seed));
        }
    }
}
