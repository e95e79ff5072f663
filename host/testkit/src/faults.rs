//! A hook with which one operation goes wrong: it fails, it is done and not answered, it is torn, it is
//! done twice, or the answer is a lie.
//!
//! Every call of the store and of its uploads counts, in the order in which they come, so that a test
//! can break a session at its first operation, its second, and so on until nothing is left to break.

use crate::hooked::{Answer, Call, Hook, HookedStore, Run};
use holdfast_base::sync::Unpoisoned;
use holdfast_store::{Attempts, Listed, Protection, Store, StoreError, Term};
use std::collections::HashMap;
use std::io;
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

/// A store in which one operation goes wrong.
pub type FaultStore = HookedStore<Faults>;

/// Breaks what a plan says, and counts.
pub struct Faults {
    plan: Option<Plan>,
    done: AtomicU64,
    struck: Mutex<Option<String>>,
    place: String,
    /// What listings were when this was made.
    before: HashMap<String, Vec<Listed>>,
}

impl FaultStore {
    /// Wraps a store and breaks what the plan says; without one it only counts.
    #[must_use]
    pub fn new(below: Arc<dyn Store>, plan: Option<Plan>) -> Self {
        let lags = plan.is_some_and(|plan| plan.fault == Fault::Stale);
        let areas = AREAS.iter().filter(|_| lags);
        let listed = areas.filter_map(|area| Some(((*area).to_owned(), below.list(area).ok()?)));
        let faults = Faults {
            plan,
            done: AtomicU64::new(0),
            struck: Mutex::default(),
            place: below.place(),
            before: listed.collect(),
        };
        Self::with_hook(below, faults)
    }

    /// Returns how many operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.hook.done.load(Ordering::SeqCst)
    }

    /// Returns the operation that went wrong, such as `create snapshots/…`, if it came to it.
    #[must_use]
    pub fn struck(&self) -> Option<String> {
        self.hook.struck.lock_unpoisoned().clone()
    }
}

impl Faults {
    /// Counts an operation, and returns what happens to it.
    fn next_fault(&self, call: Call<'_>) -> Option<Fault> {
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let plan = self.plan?;
        if number == plan.at {
            *self.struck.lock_unpoisoned() = Some(call.to_string());
            return Some(plan.fault);
        }
        (number > plan.at && plan.after == After::Gone).then_some(Fault::Fail)
    }

    fn error(&self, call: Call<'_>) -> StoreError {
        StoreError::Io {
            action: call.to_string(),
            place: self.place.clone(),
            source: io::Error::new(io::ErrorKind::ConnectionReset, "the store went away"),
        }
    }

    /// Answers a call that goes wrong.
    fn break_call(&self, fault: Fault, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
        match fault {
            Fault::LoseAnswer if call.is_change() => drop(run(call)?),
            Fault::Fail | Fault::LoseAnswer => {}
            Fault::Tear | Fault::Truncate if !call.is_change() => {
                return Ok(halve(call, run(call)?));
            }
            Fault::Tear => drop(run_half(call, run)?),
            Fault::Truncate => return run_half(call, run),
            Fault::Flip => return run_flipped(call, run),
            // A stream cannot be repeated in part, and to look twice is to look once.
            Fault::Repeat if call.is_change() && !matches!(call, Call::Write(_)) => {
                run(call)?;
                return run(call);
            }
            Fault::Omit => return Ok(omit_one(run(call)?)),
            Fault::Stale => {
                return match call {
                    Call::List(area) => {
                        let before = self.before.get(area).cloned();
                        Ok(Answer::Listed(before.unwrap_or_default()))
                    }
                    other => run(other),
                };
            }
            Fault::Repeat => return run(call),
        }
        Err(self.error(call))
    }
}

impl Hook for Faults {
    fn around(&self, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
        // What a place does is tried once, before there is anything to lose.
        if matches!(call, Call::FindAbilities) {
            return run(call);
        }
        match self.next_fault(call) {
            None => run(call),
            Some(fault) => self.break_call(fault, call, run),
        }
    }
}

/// Does half of what a call asks for, or nothing if it has no halves.
fn run_half(call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
    let half = |bytes: &'_ [u8]| bytes.len() / 2;
    match call {
        Call::Create(name, bytes, attempts) => {
            run(Call::Create(name, &bytes[..half(bytes)], attempts))
        }
        Call::Commit(name, bytes) => run(Call::Create(
            name,
            &bytes[..half(bytes)],
            Attempts::Repeated,
        )),
        Call::Write(bytes) => run(Call::Write(&bytes[..half(bytes)])),
        Call::Delete(_) => Ok(Answer::Done),
        Call::Retain(_, wanted) => Ok(Answer::Term(Term {
            until: wanted.least,
            mode: wanted.mode,
        })),
        Call::SetHold(..) => Ok(Answer::HoldChanged(true)),
        whole => run(whole),
    }
}

/// Does what a call asks for, with one bit of its bytes changed.
fn run_flipped(call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
        bytes
    };
    match call {
        Call::Create(name, bytes, attempts) => run(Call::Create(name, &flipped(bytes), attempts)),
        Call::Write(bytes) => run(Call::Write(&flipped(bytes))),
        whole => run(whole),
    }
}

/// Returns half of an answer.
fn halve(call: Call<'_>, answer: Answer) -> Answer {
    match answer {
        Answer::Bytes(mut bytes) => {
            let middle = bytes.len() / 2;
            // A range is never short: that much every store promises, and so its bytes are what is wrong.
            match call {
                Call::GetRange(..) => bytes[middle..].fill(0),
                _ => bytes.truncate(middle),
            }
            Answer::Bytes(bytes)
        }
        Answer::Size(size) => Answer::Size(size / 2),
        Answer::Listed(mut listed) => {
            listed.truncate(listed.len() / 2);
            Answer::Listed(listed)
        }
        // Without locks: so it looks to whom they are not shown.
        Answer::Protection(_) => Answer::Protection(Protection::default()),
        whole => whole,
    }
}

/// Leaves one object out of a listing.
fn omit_one(answer: Answer) -> Answer {
    match answer {
        Answer::Listed(mut listed) if !listed.is_empty() => {
            listed.sort_by(|a, b| a.name.cmp(&b.name));
            listed.remove(listed.len() / 2);
            Answer::Listed(listed)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{Created, Name, Placement, conformance, local::LocalStore};
    use std::io::Write;

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
        conformance::check_store(&store);
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
            assert!(store.create(&name, b"1234", Attempts::Repeated).is_err());
            assert_eq!(inner.get(&name).ok().as_deref(), left);
            assert_eq!(store.struck().unwrap(), "create a/b");
            let (_directory, inner) = local();
            let store = broken_at(&inner, 3, fault, After::Works);
            let mut upload = store.upload(Placement::Standard).unwrap();
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
        store.create(&name, b"1234", Attempts::Repeated).unwrap();
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
            assert_eq!(
                store.create(&name, b"1234", Attempts::Repeated).unwrap(),
                answer
            );
            assert_eq!(inner.get(&name).unwrap(), left);
            let (_directory, inner) = local();
            let store = broken_at(&inner, 3, fault, After::Works);
            let mut upload = store.upload(Placement::Standard).unwrap();
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
            inner.create(&names[0], b"1", Attempts::Repeated).unwrap();
            inner.create(&names[1], b"1", Attempts::Repeated).unwrap();
            let store = broken_at(&inner, 2, fault, After::Works);
            store.create(&names[2], b"1", Attempts::Repeated).unwrap();
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
