//! Object lock: what a snapshot reaches stays in the store for a time, whoever asks to have it removed.
//!
//! - Locked is what a restore cannot do without: packs, the snapshot's object, and what opens them. The index
//!   is not: packs hold all that it says, and a repair makes it again from them.
//! - A lock is made longer and never shorter. So whoever is interrupted does it again, and nobody needs to be
//!   told what others have locked.
//! - A run does not ask about each pack each time: what it locked is noted in the cache, and lasts longer than
//!   it must, so that the same pack is asked about again only after a while.
//!
//! `docs/decisions/0014-object-lock.md` says why.

/// Holds that the store itself keeps.
pub mod hold;
mod noted;
mod reach;

pub use reach::Object;

use crate::format::root::Root;
use crate::objects::error::ensure_not_cancelled;
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use holdfast_base::cancel::Cancel;
use holdfast_base::parallel::{Workers, map_parallel};
use holdfast_base::progress::Progress;
use holdfast_base::time::Instant;
use holdfast_store::{Extension, Name, Protection, StoreError, Term};
use noted::Noted;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Objects that a store is asked about at the same time: what takes long is waiting for it.
const AT_ONCE: usize = 8;

/// What is locked now, and what is not.
#[derive(Debug, Default)]
pub struct Locked {
    /// Objects that are locked as long as they should be.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them have kept a laxer mode than is wanted.
    pub laxer: u64,
    /// Of how many of them the store was asked.
    pub asked: u64,
    /// The first that ends.
    pub until: Option<Instant>,
    /// What could not be locked.
    pub failed: Vec<(Name, StoreError)>,
    /// Objects that were not tried any more: it would have failed for the same reason.
    pub left: u64,
}

impl Locked {
    /// Returns whether everything is locked.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.left == 0
    }

    fn add_object(&mut self, object: &Object, term: &Term, wanted: &Extension) {
        let until = term.until;
        self.objects += 1;
        self.bytes += object.bytes;
        self.laxer += u64::from(term.mode < wanted.mode);
        self.until = Some(self.until.map_or(until, |first| first.min(until)));
    }
}

/// What is to be locked, as a value that can be looked at before.
#[derive(Debug)]
pub struct Plan {
    /// How many snapshots it is for.
    pub snapshots: u64,
    /// What they reach, with the locks that there are.
    pub objects: Vec<(Object, Protection)>,
    /// What is wanted.
    pub wanted: Extension,
}

/// What locking costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Objects that the snapshots reach.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects whose lock ends too early.
    pub to_lock: u64,
    /// Their bytes.
    pub bytes_to_lock: u64,
    /// Requests that locking them takes.
    pub requests: u64,
    /// For how long bytes stay that could otherwise go, in bytes times seconds.
    pub byte_seconds: u128,
}

impl Plan {
    /// Returns what it costs; `now` is when what is not locked could go.
    #[must_use]
    pub fn estimate_cost(&self, now: Instant) -> Cost {
        let mut cost = Cost {
            objects: 0,
            bytes: 0,
            to_lock: 0,
            bytes_to_lock: 0,
            requests: 0,
            byte_seconds: 0,
        };
        for (object, lock) in &self.objects {
            cost.objects += 1;
            cost.bytes += object.bytes;
            let Some(term) = self.wanted.term_beyond(lock) else {
                continue;
            };
            cost.to_lock += 1;
            cost.bytes_to_lock += object.bytes;
            // It is looked at before it is changed: nothing is ever made shorter.
            cost.requests += 2;
            let free = lock.term.map_or(now, |held| held.until.max(now));
            let longer = term.until.seconds().saturating_sub(free.seconds());
            let longer = u128::try_from(longer).unwrap_or(0);
            cost.byte_seconds += longer * u128::from(object.bytes);
        }
        cost
    }

    /// Returns the objects whose lock ends too early.
    fn to_lock(&self) -> Vec<Object> {
        let short = self.objects.iter();
        let short = short.filter(|(_, lock)| self.wanted.term_beyond(lock).is_some());
        short.map(|(object, _)| object.clone()).collect()
    }

    /// Returns what is locked long enough already.
    fn locked_already(&self) -> Locked {
        let mut locked = Locked::default();
        for (object, lock) in &self.objects {
            if let (None, Some(term)) = (self.wanted.term_beyond(lock), lock.term) {
                locked.add_object(object, &term, &self.wanted);
            }
        }
        locked
    }
}

impl Repository {
    /// Returns whether the store can keep objects from being removed.
    #[must_use]
    pub fn can_lock(&self) -> bool {
        self.setup.store.abilities().object_lock.is_real()
    }
}

/// Finds what snapshots reach, and what of it is locked; changes nothing.
///
/// # Errors
/// A snapshot's packs cannot be told, or the store failed.
pub fn plan_extension(
    repository: &Arc<Repository>,
    roots: &[&Root],
    wanted: Extension,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Plan, UpkeepError> {
    let objects = reach::reached(repository, roots, cancel)?;
    let store = repository.setup.store.as_ref();
    let looked = map_objects(&objects, cancel, progress, |object| {
        store
            .require_object_lock(&object.name)?
            .protection(&object.name)
    })?;
    let mut all = Vec::with_capacity(objects.len());
    for (object, lock) in objects.into_iter().zip(looked) {
        match lock {
            Some(Ok(lock)) => all.push((object, lock)),
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Ok(Plan {
        snapshots: roots.len() as u64,
        objects: all,
        wanted,
    })
}

/// Does what a plan says.
///
/// # Errors
/// It was cancelled. What the store refused is in the result.
pub fn carry_out(
    repository: &Repository,
    plan: &Plan,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Locked, UpkeepError> {
    let mut locking = Locking {
        noted: Noted::read(repository),
        locked: plan.locked_already(),
        repository,
        wanted: &plan.wanted,
    };
    locking.lock_all(&plan.to_lock(), cancel, progress)?;
    Ok(locking.finish())
}

/// Locks what snapshots reach that were just committed.
///
/// # Errors
/// What they reach cannot be told, or it was cancelled. What the store refused is in the result.
pub fn lock_reached(
    repository: &Arc<Repository>,
    roots: &[&Root],
    wanted: &Extension,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Locked, UpkeepError> {
    let objects = reach::reached(repository, roots, cancel)?;
    let mut locking = Locking {
        noted: Noted::read(repository),
        locked: Locked::default(),
        repository,
        wanted,
    };
    let mut todo = Vec::new();
    for object in objects {
        match locking.noted.noted_term(&object.name) {
            Some(term) if wanted.is_met_by(&term) => {
                locking.locked.add_object(&object, &term, wanted)
            }
            _ => todo.push(object),
        }
    }
    locking.lock_all(&todo, cancel, progress)?;
    Ok(locking.finish())
}

/// Locks that are being extended, with what came of it so far.
struct Locking<'a> {
    repository: &'a Repository,
    wanted: &'a Extension,
    /// Locks that the cache knows of, so that nothing is asked twice.
    noted: Noted,
    locked: Locked,
}

impl Locking<'_> {
    fn lock_all(
        &mut self,
        objects: &[Object],
        cancel: &Cancel,
        progress: &Progress,
    ) -> Result<(), UpkeepError> {
        let store = self.repository.setup.store.as_ref();
        let asked = map_objects(objects, cancel, progress, |object| {
            store
                .require_object_lock(&object.name)?
                .retain(&object.name, self.wanted)
        })?;
        for (object, answer) in objects.iter().zip(asked) {
            match answer {
                Some(Ok(term)) => {
                    self.locked.asked += 1;
                    self.locked.add_object(object, &term, self.wanted);
                    self.noted.note_term(&object.name, term);
                }
                Some(Err(error)) => self.locked.failed.push((object.name.clone(), error)),
                None => self.locked.left += 1,
            }
        }
        Ok(())
    }

    fn finish(self) -> Locked {
        self.noted.save_notes(self.repository);
        self.locked
    }
}

/// What a store said of an object; nothing if it was not asked.
pub(crate) type Answer<T> = Option<Result<T, StoreError>>;

/// Asks about each object, several at a time, and returns the answers in their order. A failure that is not of
/// one object alone ends it: the others would fail in the same way.
///
/// # Errors
/// It was cancelled.
pub(crate) fn map_objects<T: Send>(
    objects: &[Object],
    cancel: &Cancel,
    progress: &Progress,
    ask: impl Fn(&Object) -> Result<T, StoreError> + Sync,
) -> Result<Vec<Answer<T>>, UpkeepError> {
    progress.add_total(objects.len() as u64);
    let workers = Workers {
        count_max: AT_ONCE,
        cancel,
    };
    let answers = map_parallel(
        objects,
        workers,
        || (),
        |(), object| {
            let answer = ask(object);
            progress.add_done(1);
            if answer.as_ref().is_err_and(|error| !error.is_absent()) {
                ControlFlow::Break(answer)
            } else {
                ControlFlow::Continue(answer)
            }
        },
    );
    ensure_not_cancelled(cancel)?;
    Ok(answers)
}
