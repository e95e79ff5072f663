//! A store that keeps its contract and nothing else: what nobody promised happens at any time, as a seed has it.
//!
//! - Operations take a while, and those that are under way at once end in another order.
//! - Listings come in another order each time.
//! - Requests arrive twice. Where names tell the content, it is the second answer that comes: it existed.
//!
//! Every test of a repository must pass on such a store as on a quiet one.

use holdfast_store::{Created, Extension, Listed, Lock, Name, Store, StoreError, Term, Upload};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long operations take.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// One operation in so many waits, before its effect and after it.
    pub one_in: u64,
    /// The longest wait.
    pub max: Duration,
}

impl Waits {
    /// For tests of hundreds of thousands of operations.
    pub const SHORT: Self = Self {
        one_in: 16,
        max: Duration::from_micros(150),
    };
    /// For tests in which several things are under way at once.
    pub const LONG: Self = Self {
        one_in: 3,
        max: Duration::from_millis(3),
    };
}

/// One request in so many arrives twice.
const TWICE_ONE_IN: u64 = 4;
/// Areas in which names tell the content, so that it does not matter who created an object.
const NAMED_BY_CONTENT: [&str; 2] = ["packs/", "index/"];

/// A store that promises no more than it must.
pub struct RestlessStore {
    inner: Arc<dyn Store>,
    chance: Arc<Chance>,
}

struct Chance {
    state: AtomicU64,
    waits: Waits,
}

impl Chance {
    /// SplitMix64.
    fn draw(&self) -> u64 {
        let step = 0x9E37_79B9_7F4A_7C15;
        let before = self.state.fetch_add(step, Ordering::SeqCst);
        let mut drawn = before.wrapping_add(step);
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        drawn ^ (drawn >> 31)
    }

    fn wait(&self) {
        let drawn = self.draw();
        if drawn.is_multiple_of(self.waits.one_in) {
            let share = (drawn >> 8) % 1_000;
            std::thread::sleep(self.waits.max.mul_f64(share as f64 / 1_000.0));
        }
    }

    /// Does something that may arrive twice, and waits before and after.
    fn around<T>(
        &self,
        operation: impl Fn() -> Result<T, StoreError>,
        which: impl FnOnce(T, T) -> T,
    ) -> Result<T, StoreError> {
        self.wait();
        let mut answer = operation()?;
        if self.draw().is_multiple_of(TWICE_ONE_IN) {
            answer = which(answer, operation()?);
        }
        self.wait();
        Ok(answer)
    }

    fn shuffle(&self, listed: &mut [Listed]) {
        for at in (1..listed.len()).rev() {
            let other = self.draw() % (at as u64 + 1);
            listed.swap(at, usize::try_from(other).unwrap_or(at));
        }
    }
}

/// Takes the second of two answers.
fn second<T>(_: T, answer: T) -> T {
    answer
}

/// Takes the answer of a create that arrived twice.
fn created(name: &Name, first: Created, again: Created) -> Created {
    let is_content = NAMED_BY_CONTENT
        .iter()
        .any(|area| name.as_str().starts_with(area));
    if is_content { again } else { first }
}

impl RestlessStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, seed: u64, waits: Waits) -> Self {
        let state = AtomicU64::new(seed);
        Self {
            inner,
            chance: Arc::new(Chance { state, waits }),
        }
    }
}

impl Store for RestlessStore {
    holdfast_store::pass_on!(inner: place probe abilities assume);

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        self.chance.around(|| self.inner.get(name), second)
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let read = || self.inner.get_range(name, offset, length);
        self.chance.around(read, second)
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        self.chance.around(|| self.inner.size(name), second)
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        let create = || self.inner.create(name, bytes);
        self.chance
            .around(create, |first, again| created(name, first, again))
    }

    fn create_once(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        self.chance.wait();
        let created = self.inner.create_once(name, bytes);
        self.chance.wait();
        created
    }

    fn upload(&self) -> Result<Box<dyn Upload>, StoreError> {
        self.chance.wait();
        Ok(Box::new(RestlessUpload {
            inner: self.inner.upload()?,
            store: Arc::clone(&self.inner),
            chance: Arc::clone(&self.chance),
            written: Vec::new(),
        }))
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        let mut listed = self.chance.around(|| self.inner.list(area), second)?;
        self.chance.shuffle(&mut listed);
        Ok(listed)
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        self.chance.around(|| self.inner.delete(name), second)
    }

    fn lock(&self, name: &Name) -> Result<Lock, StoreError> {
        self.chance.around(|| self.inner.lock(name), second)
    }

    fn lock_until(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        self.chance.wait();
        self.inner.lock_until(name, wanted)
    }

    fn hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        self.chance.wait();
        self.inner.hold(name, is_held)
    }
}

/// An upload that may be committed twice.
struct RestlessUpload {
    inner: Box<dyn Upload>,
    store: Arc<dyn Store>,
    chance: Arc<Chance>,
    written: Vec<u8>,
}

impl Write for RestlessUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for RestlessUpload {
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        self.chance.wait();
        let mut answer = self.inner.commit(name)?;
        if self.chance.draw().is_multiple_of(TWICE_ONE_IN) {
            answer = created(name, answer, self.store.create(name, &self.written)?);
        }
        self.chance.wait();
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{conformance, local::LocalStore};

    fn restless(seed: u64) -> (tempfile::TempDir, RestlessStore) {
        let directory = tempfile::tempdir().unwrap();
        let inner = Arc::new(LocalStore::new(directory.path().join("store")));
        (directory, RestlessStore::new(inner, seed, Waits::SHORT))
    }

    #[test]
    fn it_keeps_the_contract() {
        for seed in 0..4 {
            conformance::run(&restless(seed).1);
        }
    }

    #[test]
    fn it_does_what_it_says() {
        let (_directory, store) = restless(1);
        let name = |area: &str, n: u8| Name::new(format!("{area}/{n}")).unwrap();
        let mut answers = Vec::new();
        for n in 0..40 {
            answers.push(store.create(&name("packs", n), b"1").unwrap());
            assert_eq!(store.create(&name("holds", n), b"1").unwrap(), Created::New);
            let mut upload = store.upload().unwrap();
            upload.write_all(b"2").unwrap();
            answers.push(upload.commit(&name("index", n)).unwrap());
        }
        let existed = answers.iter().filter(|one| **one == Created::Existed);
        assert!((5..40).contains(&existed.count()), "{answers:?}");
        let first = store.list("packs").unwrap();
        assert_eq!(first.len(), 40);
        assert_ne!(store.list("packs").unwrap(), first);
    }
}
