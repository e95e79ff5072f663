//! A hook that lets somebody else do something between two operations.
//!
//! Every operation counts but the pieces of an upload, in the order in which they come. Before the one that is
//! chosen the other one does its work, whole, as if this process had been suspended there. So a test can suspend a
//! run before its first operation, its second, and so on until it ends undisturbed.

use crate::hooked::{Answer, Call, Hook, HookedStore, Run};
use holdfast_base::sync::Unpoisoned;
use holdfast_store::{Store, StoreError};
use std::sync::{Arc, Mutex};

/// A store at which somebody else does something.
pub type BetweenStore = HookedStore<Between>;

type Work = Box<dyn FnOnce() + Send>;

/// How many operations are still to come, and what is done then.
struct Waiting {
    left: u64,
    work: Option<Work>,
    before: Option<String>,
}

/// Does some work before one operation.
pub struct Between(Mutex<Waiting>);

impl BetweenStore {
    /// Wraps a store; `work` is done before operation `at`, counted from one.
    #[must_use]
    pub fn new(below: Arc<dyn Store>, at: u64, work: impl FnOnce() + Send + 'static) -> Self {
        let waiting = Waiting {
            left: at,
            work: Some(Box::new(work)),
            before: None,
        };
        Self::with_hook(below, Between(Mutex::new(waiting)))
    }

    /// Returns the operation before which the work was done, if it came to it.
    #[must_use]
    pub fn before(&self) -> Option<String> {
        self.hook.0.lock_unpoisoned().before.clone()
    }
}

impl Hook for Between {
    fn around(&self, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
        if !matches!(call, Call::Write(_)) {
            // Others wait meanwhile: a process that is suspended is so with all of its threads.
            let mut waiting = self.0.lock_unpoisoned();
            waiting.left = waiting.left.saturating_sub(1);
            if waiting.left == 0
                && let Some(work) = waiting.work.take()
            {
                waiting.before = Some(call.to_string());
                work();
            }
        }
        run(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{Attempts, Name, conformance, local::LocalStore};

    #[test]
    fn it_is_the_store_that_it_wraps_and_the_work_is_done_once() {
        let directory = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Store> = Arc::new(LocalStore::new(directory.path().join("store")));
        let other = Arc::clone(&inner);
        let name = Name::new("of/another").unwrap();
        let work = move || assert!(other.create(&name, b"1", Attempts::Repeated).is_ok());
        let store = BetweenStore::new(Arc::clone(&inner), 9, work);
        assert!(inner.list("of").unwrap().is_empty());
        conformance::check_store(&store);
        assert!(store.before().is_some());
        assert_eq!(inner.list("of").unwrap().len(), 1);
    }
}
