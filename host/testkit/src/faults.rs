//! A store in which one operation goes wrong: it fails, it is done and not answered, it is torn, it is
//! done twice, or the answer is a lie.
//!
//! Every call of the store and of its uploads counts, in the order in which they come, so that a test
//! can break a session at its first operation, its second, and so on until nothing is left to break.

use holdfast_base::sync::Unpoisoned;
use holdfast_store::{Created, Extension, Listed, Lock, Name, Store, StoreError, Term, Upload};
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, and an error says so.
    Fail,
    /// All is done, and an error comes all the same: the answer was lost.
    LoseAnswer,
    /// Half is done: half of the object has its name, half of the bytes come back, half is listed.
    /// What was to be written ends in an error; what was to be read looks like a success.
    Tear,
    /// All is done, with one byte of it changed, and success is the answer: a store that lies.
    Flip,
    /// Half is done, and success is the answer.
    Truncate,
    /// All is done twice, and the second answer is the one that comes: somebody on the way has repeated it.
    Repeat,
    /// A listing lacks one of the objects that are there. Whatever is no listing goes well.
    Omit,
    /// A listing is the one that it was when this store was wrapped. Whatever is no listing goes well.
    Stale,
}

impl Fault {
    /// Whether only listings lie.
    fn is_of_listings(self) -> bool {
        matches!(self, Self::Omit | Self::Stale)
    }
}

/// The areas of a repository.
pub const AREAS: [&str; 11] = [
    "epochs",
    "announcements",
    "identities",
    "spares",
    "packs",
    "index",
    "snapshots",
    "sessions",
    "tombstones",
    "holds",
    "records",
];

/// What comes after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The store works again: a passing fault.
    Works,
    /// The store is gone: the machine, the network or the process is.
    Gone,
}

/// Which operation goes wrong, and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The operation, counted from one.
    pub at: u64,
    /// What happens to it.
    pub fault: Fault,
    /// What happens to those that follow.
    pub after: After,
}

/// What is to be done with an operation.
enum Verdict {
    Pass,
    Break(Fault),
}

struct Counter {
    plan: Option<Plan>,
    done: AtomicU64,
    struck: Mutex<Option<String>>,
}

impl Counter {
    fn next(&self, operation: impl FnOnce() -> String) -> Verdict {
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let Some(plan) = self.plan else {
            return Verdict::Pass;
        };
        if number == plan.at {
            *self.struck.lock_unpoisoned() = Some(operation());
            return Verdict::Break(plan.fault);
        }
        if number > plan.at && plan.after == After::Gone {
            return Verdict::Break(Fault::Fail);
        }
        Verdict::Pass
    }

    fn lists_lie(&self) -> bool {
        self.plan.is_some_and(|plan| plan.fault.is_of_listings())
    }
}

/// A store in which one operation goes wrong.
pub struct FaultStore {
    inner: Arc<dyn Store>,
    counter: Arc<Counter>,
    /// What listings were when this was made.
    before: HashMap<String, Vec<Listed>>,
}

impl FaultStore {
    /// Wraps a store and breaks what the plan says; without one it only counts.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, plan: Option<Plan>) -> Self {
        let counter = Arc::new(Counter {
            plan,
            done: AtomicU64::new(0),
            struck: Mutex::default(),
        });
        let lags = plan.is_some_and(|plan| plan.fault == Fault::Stale);
        let areas = AREAS.iter().filter(|_| lags);
        let listed = areas.filter_map(|area| Some(((*area).to_owned(), inner.list(area).ok()?)));
        Self {
            before: listed.collect(),
            inner,
            counter,
        }
    }

    /// Returns how many operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.counter.done.load(Ordering::SeqCst)
    }

    /// Returns the operation that went wrong, such as `create snapshots/…`, if it came to it.
    #[must_use]
    pub fn struck(&self) -> Option<String> {
        self.counter.struck.lock_unpoisoned().clone()
    }

    fn error(&self, action: &str) -> StoreError {
        StoreError::Io {
            action: action.to_owned(),
            place: self.place(),
            source: broken(),
        }
    }

    /// Does what changes the store, whole, half, twice or not at all.
    fn change<T>(
        &self,
        action: &str,
        whole: impl Fn() -> Result<T, StoreError>,
        half: impl FnOnce() -> Result<T, StoreError>,
        flipped: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.counter.next(|| action.to_owned()) {
            Verdict::Pass | Verdict::Break(Fault::Omit | Fault::Stale) => return whole(),
            Verdict::Break(Fault::Fail) => {}
            Verdict::Break(Fault::LoseAnswer) => drop(whole()?),
            Verdict::Break(Fault::Tear) => drop(half()?),
            Verdict::Break(Fault::Flip) => return flipped(),
            Verdict::Break(Fault::Truncate) => return half(),
            Verdict::Break(Fault::Repeat) => {
                drop(whole()?);
                return whole();
            }
        }
        Err(self.error(action))
    }

    /// Answers from the store, and halves the answer where it is to be torn.
    fn answer<T>(
        &self,
        action: &str,
        whole: impl FnOnce() -> Result<T, StoreError>,
        halved: impl FnOnce(T) -> T,
    ) -> Result<T, StoreError> {
        match self.counter.next(|| action.to_owned()) {
            Verdict::Break(Fault::Tear | Fault::Truncate) => whole().map(halved),
            Verdict::Break(Fault::Fail | Fault::LoseAnswer) => Err(self.error(action)),
            Verdict::Pass | Verdict::Break(_) => whole(),
        }
    }
}

/// Returns the error of an operation that went wrong.
fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the store went away")
}

fn flip(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    bytes
}

fn half(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

impl Store for FaultStore {
    // What a place does is tried once, before there is anything to lose.
    holdfast_store::pass_on!(inner: place probe abilities assume);

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        self.answer(&format!("get {name}"), || self.inner.get(name), half)
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        // A range is never short: that much every store promises, and so its bytes are what is wrong.
        let whole = || self.inner.get_range(name, offset, length);
        self.answer(&format!("get a range of {name}"), whole, |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..].fill(0);
            bytes
        })
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        let whole = || self.inner.size(name);
        self.answer(&format!("ask the size of {name}"), whole, |size| size / 2)
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        self.change(
            &format!("create {name}"),
            || self.inner.create(name, bytes),
            || self.inner.create(name, &bytes[..bytes.len() / 2]),
            || self.inner.create(name, &flip(bytes)),
        )
    }

    fn upload(&self) -> Result<Box<dyn Upload>, StoreError> {
        let start = || self.inner.upload();
        let inner = self.change("start an upload", start, start, start)?;
        Ok(Box::new(FaultUpload {
            inner,
            store: Arc::clone(&self.inner),
            counter: Arc::clone(&self.counter),
            written: Vec::new(),
        }))
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        let whole = || self.inner.list(area);
        let action = format!("list {area}");
        if !self.counter.lists_lie() {
            return self.answer(&action, whole, |mut listed| {
                listed.truncate(listed.len() / 2);
                listed
            });
        }
        let mut listed = whole()?;
        match self.counter.next(|| action) {
            Verdict::Break(Fault::Omit) if !listed.is_empty() => {
                listed.sort_by(|a, b| a.name.cmp(&b.name));
                listed.remove(listed.len() / 2);
            }
            Verdict::Break(Fault::Stale) => {
                listed = self.before.get(area).cloned().unwrap_or_default();
            }
            Verdict::Break(Fault::Fail) => return Err(self.error("list")),
            Verdict::Pass | Verdict::Break(_) => {}
        }
        Ok(listed)
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        let delete = || self.inner.delete(name);
        self.change(&format!("delete {name}"), delete, || Ok(()), delete)
    }

    fn lock(&self, name: &Name) -> Result<Lock, StoreError> {
        // Half an answer is one without locks: so it looks to whom they are not shown.
        let whole = || self.inner.lock(name);
        self.answer(&format!("ask for the lock of {name}"), whole, |_| {
            Lock::default()
        })
    }

    fn lock_until(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        let whole = || self.inner.lock_until(name, wanted);
        let (until, mode) = (wanted.least, wanted.mode);
        let nothing = || Ok(Term { until, mode });
        self.change(&format!("lock {name}"), whole, nothing, whole)
    }

    fn hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        let whole = || self.inner.hold(name, is_held);
        let action = if is_held { "hold" } else { "release" };
        self.change(&format!("{action} {name}"), whole, || Ok(true), whole)
    }
}

/// An upload whose pieces and whose commit count as operations.
struct FaultUpload {
    inner: Box<dyn Upload>,
    store: Arc<dyn Store>,
    counter: Arc<Counter>,
    /// What was written, for an object of which half gets its name.
    written: Vec<u8>,
}

impl Write for FaultUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.counter.next(|| "write to an upload".to_owned()) {
            Verdict::Pass => {
                let count = self.inner.write(bytes)?;
                self.written.extend_from_slice(&bytes[..count]);
                return Ok(count);
            }
            Verdict::Break(Fault::Fail) => {}
            Verdict::Break(Fault::LoseAnswer) => self.inner.write_all(bytes)?,
            Verdict::Break(Fault::Tear) => self.inner.write_all(&bytes[..bytes.len() / 2])?,
            Verdict::Break(Fault::Flip) => {
                self.inner.write_all(&flip(bytes))?;
                return Ok(bytes.len());
            }
            Verdict::Break(Fault::Truncate) => {
                self.inner.write_all(&bytes[..bytes.len() / 2])?;
                return Ok(bytes.len());
            }
            // A stream cannot be repeated in part, and is no listing.
            Verdict::Break(Fault::Repeat | Fault::Omit | Fault::Stale) => {
                self.inner.write_all(bytes)?;
                self.written.extend_from_slice(bytes);
                return Ok(bytes.len());
            }
        }
        Err(broken())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for FaultUpload {
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        let place = self.store.place();
        let action = format!("commit {name}");
        match self.counter.next(|| action.clone()) {
            Verdict::Break(Fault::Truncate) => {
                let half = &self.written[..self.written.len() / 2];
                return self.store.create(name, half);
            }
            Verdict::Break(Fault::Repeat) => {
                self.inner.commit(name)?;
                return self.store.create(name, &self.written);
            }
            Verdict::Pass | Verdict::Break(Fault::Flip | Fault::Omit | Fault::Stale) => {
                return self.inner.commit(name);
            }
            Verdict::Break(Fault::Fail) => {}
            Verdict::Break(Fault::LoseAnswer) => {
                self.inner.commit(name)?;
            }
            Verdict::Break(Fault::Tear) => {
                let half = &self.written[..self.written.len() / 2];
                self.store.create(name, half)?;
            }
        }
        Err(StoreError::Io {
            action,
            place,
            source: broken(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{conformance, local::LocalStore};

    fn local() -> (tempfile::TempDir, Arc<dyn Store>) {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::new(directory.path().join("store")));
        (directory, store)
    }

    fn broken_at(store: &Arc<dyn Store>, at: u64, fault: Fault, after: After) -> FaultStore {
        FaultStore::new(Arc::clone(store), Some(Plan { at, fault, after }))
    }

    #[test]
    fn without_a_plan_it_is_the_store_that_it_wraps() {
        let (_directory, store) = local();
        let store = FaultStore::new(store, None);
        conformance::run(&store);
        assert!(store.operations() > 20 && store.struck().is_none());
    }

    #[test]
    fn each_fault_leaves_what_it_says() {
        let name = Name::new("a/b").unwrap();
        for (fault, left) in [
            (Fault::Fail, None),
            (Fault::LoseAnswer, Some(&b"1234"[..])),
            (Fault::Tear, Some(b"12")),
        ] {
            let (_directory, inner) = local();
            let store = broken_at(&inner, 1, fault, After::Works);
            assert!(store.create(&name, b"1234").is_err());
            assert_eq!(inner.get(&name).ok().as_deref(), left);
            assert_eq!(store.struck().unwrap(), "create a/b");
            let (_directory, inner) = local();
            let store = broken_at(&inner, 3, fault, After::Works);
            let mut upload = store.upload().unwrap();
            upload.write_all(b"1234").unwrap();
            assert!(upload.commit(&name).is_err());
            assert_eq!(inner.get(&name).ok().as_deref(), left);
        }
    }

    #[test]
    fn a_store_that_lies_says_nothing_of_it() {
        let name = Name::new("a/b").unwrap();
        let (_directory, inner) = local();
        let store = broken_at(&inner, 1, Fault::Flip, After::Works);
        store.create(&name, b"1234").unwrap();
        assert_eq!(inner.get(&name).unwrap(), b"1235");
    }

    #[test]
    fn what_is_cut_or_repeated_gets_an_answer_as_if_all_were_well() {
        let name = Name::new("a/b").unwrap();
        for (fault, answer, left) in [
            (Fault::Truncate, Created::New, &b"12"[..]),
            (Fault::Repeat, Created::Existed, b"1234"),
        ] {
            let (_directory, inner) = local();
            let store = broken_at(&inner, 1, fault, After::Works);
            assert_eq!(store.create(&name, b"1234").unwrap(), answer);
            assert_eq!(inner.get(&name).unwrap(), left);
            let (_directory, inner) = local();
            let store = broken_at(&inner, 3, fault, After::Works);
            let mut upload = store.upload().unwrap();
            upload.write_all(b"1234").unwrap();
            assert_eq!(upload.commit(&name).unwrap(), answer);
            assert_eq!(inner.get(&name).unwrap(), left);
        }
    }

    #[test]
    fn listings_lack_one_object_or_are_old() {
        let names: Vec<_> = (0..3)
            .map(|n| Name::new(format!("packs/{n}")).unwrap())
            .collect();
        for (fault, there) in [(Fault::Omit, vec![0, 2]), (Fault::Stale, vec![0, 1])] {
            let (_directory, inner) = local();
            inner.create(&names[0], b"1").unwrap();
            inner.create(&names[1], b"1").unwrap();
            let store = broken_at(&inner, 2, fault, After::Works);
            store.create(&names[2], b"1").unwrap();
            let mut listed: Vec<_> = store.list("packs").unwrap();
            listed.sort_by(|a, b| a.name.cmp(&b.name));
            let listed: Vec<_> = listed.into_iter().map(|one| one.name).collect();
            let there: Vec<_> = there.into_iter().map(|n| names[n].clone()).collect();
            assert_eq!(listed, there, "{fault:?}");
            assert_eq!(store.list("packs").unwrap().len(), 3);
        }
    }

    #[test]
    fn a_store_that_is_gone_stays_so_and_one_that_works_again_does() {
        for (after, works) in [(After::Works, true), (After::Gone, false)] {
            let (_directory, inner) = local();
            let store = broken_at(&inner, 1, Fault::Fail, after);
            assert!(store.list("a").is_err());
            assert_eq!(store.list("a").is_ok(), works);
        }
    }
}
