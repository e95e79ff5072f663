//! A store at which somebody else does something between two operations.
//!
//! Every operation counts, also the pieces of an upload, in the order in which they come. Before the one
//! that is chosen the other one does its work, whole, as if this process had been suspended there. So a
//! test can suspend a run before its first operation, its second, and so on until it ends undisturbed.

use holdfast_base::sync::Unpoisoned;
use holdfast_store::{
    Abilities, Created, Extension, Listed, Lock, Name, Store, StoreError, Term, Upload,
};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

type Work = Box<dyn FnOnce() + Send>;

/// How many operations are still to come, and what is done then.
struct Waiting {
    left: u64,
    work: Option<Work>,
    before: Option<String>,
}

/// A store at which somebody else does something.
pub struct BetweenStore {
    inner: Arc<dyn Store>,
    waiting: Arc<Mutex<Waiting>>,
}

impl BetweenStore {
    /// Wraps a store; `work` is done before operation `at`, counted from one.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, at: u64, work: impl FnOnce() + Send + 'static) -> Self {
        let waiting = Waiting {
            left: at,
            work: Some(Box::new(work)),
            before: None,
        };
        Self {
            inner,
            waiting: Arc::new(Mutex::new(waiting)),
        }
    }

    /// Returns the operation before which the work was done, if it came to it.
    #[must_use]
    pub fn before(&self) -> Option<String> {
        let waiting = self.waiting.lock_unpoisoned();
        waiting.before.clone()
    }
}

/// Counts an operation, and does the work when its time has come. Others wait meanwhile: a process that
/// is suspended is so with all of its threads.
fn pass(waiting: &Mutex<Waiting>, operation: impl FnOnce() -> String) {
    let mut waiting = waiting.lock_unpoisoned();
    waiting.left = waiting.left.saturating_sub(1);
    if waiting.left == 0
        && let Some(work) = waiting.work.take()
    {
        waiting.before = Some(operation());
        work();
    }
}

impl Store for BetweenStore {
    holdfast_store::pass_on!(inner: place abilities assume);

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        pass(&self.waiting, || format!("get {name}"));
        self.inner.get(name)
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        pass(&self.waiting, || format!("get a range of {name}"));
        self.inner.get_range(name, offset, length)
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        pass(&self.waiting, || format!("ask the size of {name}"));
        self.inner.size(name)
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        pass(&self.waiting, || format!("create {name}"));
        self.inner.create(name, bytes)
    }

    fn upload(&self) -> Result<Box<dyn Upload>, StoreError> {
        pass(&self.waiting, || "start an upload".to_owned());
        Ok(Box::new(BetweenUpload {
            inner: self.inner.upload()?,
            waiting: Arc::clone(&self.waiting),
        }))
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        pass(&self.waiting, || format!("list {area}"));
        self.inner.list(area)
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        pass(&self.waiting, || format!("delete {name}"));
        self.inner.delete(name)
    }

    fn probe(&self) -> Result<Option<Abilities>, StoreError> {
        pass(&self.waiting, || "try what the place does".to_owned());
        self.inner.probe()
    }

    fn lock(&self, name: &Name) -> Result<Lock, StoreError> {
        pass(&self.waiting, || format!("ask for the lock of {name}"));
        self.inner.lock(name)
    }

    fn lock_until(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        pass(&self.waiting, || format!("lock {name}"));
        self.inner.lock_until(name, wanted)
    }

    fn hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        pass(&self.waiting, || format!("hold {name}: {is_held}"));
        self.inner.hold(name, is_held)
    }
}

/// An upload whose commit counts.
struct BetweenUpload {
    inner: Box<dyn Upload>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Write for BetweenUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for BetweenUpload {
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        pass(&self.waiting, || format!("commit {name}"));
        self.inner.commit(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{conformance, local::LocalStore};

    #[test]
    fn it_is_the_store_that_it_wraps_and_the_work_is_done_once() {
        let directory = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Store> = Arc::new(LocalStore::new(directory.path().join("store")));
        let other = Arc::clone(&inner);
        let name = Name::new("of/another").unwrap();
        let work = move || assert!(other.create(&name, b"1").is_ok());
        let store = BetweenStore::new(Arc::clone(&inner), 9, work);
        assert!(inner.list("of").unwrap().is_empty());
        conformance::run(&store);
        assert!(store.before().is_some());
        assert_eq!(inner.list("of").unwrap().len(), 1);
    }
}
