//! Locks what snapshots reach, in stores whose bucket has object lock.

use crate::config::store::LOCK_MAX_NANOSECONDS;
use crate::copy;
use crate::error::JobError;
use crate::open::{Context, Credentials};
use crate::retention::rules::Lifetime;
use holdfast_base::id::SnapshotId;
use holdfast_base::progress::Progress;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_repository::format::mark::Hold;
use holdfast_repository::format::root::Root;
use holdfast_repository::object_lock::hold::{Released, Wish};
use holdfast_repository::object_lock::{self, Cost, Locked};
use holdfast_repository::{Repository, RepositoryError};
use holdfast_store::{Extension, RetentionMode};
use std::sync::Arc;

/// By which share of its time a lock is longer than a table says: what every run reaches is asked about again
/// only when that is over.
const SLACK: i64 = 10;

/// How long something is to be locked.
#[derive(Debug, Clone)]
pub enum Span {
    /// As long as the store's table says.
    Usual,
    /// So long from now.
    For(Lifetime),
    /// Until then.
    Until(Instant),
}

/// What is to be locked, with what that costs.
pub struct LockPlan {
    repository: Arc<Repository>,
    plan: object_lock::Plan,
    /// The store.
    pub store: String,
    /// How many snapshots it is for.
    pub snapshots: u64,
    /// The earliest end that is enough.
    pub until: Instant,
    /// Who can end it sooner.
    pub mode: RetentionMode,
    /// What it costs.
    pub cost: Cost,
    /// Snapshots that cannot be read, and so are left out.
    pub unread: Vec<RepositoryError>,
}

impl Context {
    /// Returns how long what is committed to a store is locked there, where its table says so.
    ///
    /// # Errors
    /// The table says so, and the store's bucket has no object lock.
    pub fn usual_lock(
        &self,
        store: &str,
        repository: &Repository,
    ) -> Result<Option<Extension>, JobError> {
        let table = self.config.store(store)?;
        let (Some(words), Some(time)) = (&table.lock, table.lock_time()) else {
            return Ok(None);
        };
        if !repository.can_lock() {
            let place = self.config.place(words.span());
            let at = repository.place();
            return Err(JobError::usage(
                format!("{place}: {at} had no object lock when its repository was made"),
                Some(WITHOUT),
            ));
        }
        let now = SystemClock.now();
        let slack = time.nanoseconds() / SLACK;
        let least = self.end(&time, now)?;
        Ok(Some(Extension {
            least,
            until: Instant(
                least
                    .0
                    .saturating_add(slack)
                    .min(now.0 + LOCK_MAX_NANOSECONDS),
            ),
            mode: table.lock_mode(),
        }))
    }

    fn end(&self, time: &Lifetime, now: Instant) -> Result<Instant, JobError> {
        let end = time.after(now, &self.config.time_zone()?);
        let end = end.filter(|end| end.0.saturating_sub(now.0) <= LOCK_MAX_NANOSECONDS);
        end.ok_or_else(|| too_long(&time.to_string()))
    }

    /// Locks what snapshots reach that were committed to a store, where the store's table says so.
    pub fn lock_committed(
        &self,
        store: &str,
        credentials: &Credentials,
        roots: &[&Root],
    ) -> Option<Result<Locked, JobError>> {
        self.config.store(store).ok()?.lock.as_ref()?;
        if roots.is_empty() {
            return None;
        }
        let lock = || -> Result<Option<Locked>, JobError> {
            let repository = self.open(store, credentials)?;
            let Some(wanted) = self.usual_lock(store, &repository)? else {
                return Ok(None);
            };
            let unseen = Progress::default();
            let locked = object_lock::lock(&repository, roots, &wanted, &self.cancel, &unseen)?;
            Ok(Some(locked))
        };
        lock().transpose()
    }

    /// Locks what a job's snapshot reaches that was committed to the job's own store.
    pub(crate) fn lock_run(&self, job: &str, root: &Root) -> Option<Result<Locked, JobError>> {
        let store = self.config.store_of(job).ok()?;
        self.lock_committed(store, &Credentials::default(), &[root])
    }

    /// Finds what is to be locked in a store, and what that costs; changes nothing.
    ///
    /// # Errors
    /// The store cannot lock, there is no such snapshot, or no such time.
    pub fn plan_lock(
        &self,
        (store, repository): (&str, &Arc<Repository>),
        wanted: &[String],
        span: &Span,
        progress: &Progress,
    ) -> Result<LockPlan, JobError> {
        let wanted_lock = self.wanted_lock(store, repository, span)?;
        let (roots, unread) = match wanted {
            // What cannot be read keeps nothing else from being locked.
            [] => repository.snapshots()?,
            some => (copy::roots(repository, some)?, Vec::new()),
        };
        let roots: Vec<&Root> = roots.iter().collect();
        let plan = object_lock::plan(repository, &roots, wanted_lock, &self.cancel, progress)?;
        Ok(LockPlan {
            repository: Arc::clone(repository),
            store: store.to_owned(),
            snapshots: plan.snapshots,
            until: wanted_lock.least,
            mode: wanted_lock.mode,
            cost: plan.cost(SystemClock.now()),
            plan,
            unread,
        })
    }

    fn wanted_lock(
        &self,
        store: &str,
        repository: &Repository,
        span: &Span,
    ) -> Result<Extension, JobError> {
        let usual = self.usual_lock(store, repository)?;
        if !repository.can_lock() {
            let at = repository.place();
            let message = format!("{at} had no object lock when its repository was made");
            return Err(JobError::usage(message, Some(WITHOUT)));
        }
        let now = SystemClock.now();
        let until = match (span, usual) {
            (Span::Usual, Some(usual)) => return Ok(usual),
            (Span::Usual, None) => {
                let message = format!("it is not said how long store `{store}` is to be locked");
                let hint = "Say it: --for 30d, or --until 2030-12-31; or in the store's table: lock = \"30d\"";
                return Err(JobError::usage(message, Some(hint)));
            }
            (Span::For(time), _) => self.end(time, now)?,
            (Span::Until(until), _) if until.0 - now.0 > LOCK_MAX_NANOSECONDS => {
                return Err(too_long(&until.to_string()));
            }
            (Span::Until(until), _) => *until,
        };
        Ok(Extension {
            least: until,
            until,
            mode: self.config.store(store)?.lock_mode(),
        })
    }

    /// Holds a snapshot: where the store locks, in the store too. Returns how many objects the store holds.
    ///
    /// # Errors
    /// The snapshot is held already, or the store refused.
    pub fn hold(
        &self,
        (store, repository): (&str, &Arc<Repository>),
        root: &Root,
        (reason, until): (&str, Option<Instant>),
        progress: &Progress,
    ) -> Result<(Hold, Option<u64>), JobError> {
        let host = &self.places.host;
        if !repository.can_lock() {
            let held = repository.hold(&root.snapshot, reason, until, host)?;
            return Ok((held, None));
        }
        let wish = Wish {
            reason: reason.to_owned(),
            until,
            mode: self.config.store(store)?.lock_mode(),
            host: host.clone(),
        };
        let held = object_lock::hold::hold(repository, root, &wish, &self.cancel, progress)?;
        Ok((held.0, Some(held.1)))
    }

    /// Ends the hold on a snapshot, in the store too where that locks.
    ///
    /// # Errors
    /// It is not held, or the store refused.
    pub fn release(
        &self,
        repository: &Arc<Repository>,
        id: &SnapshotId,
        progress: &Progress,
    ) -> Result<Option<Released>, JobError> {
        if !repository.can_lock() {
            repository.release(id)?;
            return Ok(None);
        }
        let released = object_lock::hold::release(repository, id, &self.cancel, progress)?;
        Ok(Some(released))
    }
}

impl LockPlan {
    /// Does what it says.
    ///
    /// # Errors
    /// It was cancelled. What the store refused is in the result.
    pub fn carry_out(&self, context: &Context, progress: &Progress) -> Result<Locked, JobError> {
        let (repository, cancel) = (&self.repository, &context.cancel);
        Ok(object_lock::carry_out(
            repository, &self.plan, cancel, progress,
        )?)
    }
}

/// What to do without object lock.
const WITHOUT: &str = "Leave `lock` out; or make a bucket with object lock, a repository in it (holdfast init STORE), and \
                       bring everything there (holdfast copy)";

fn too_long(words: &str) -> JobError {
    let message = format!("nothing can be locked until {words}");
    JobError::usage(message, Some("Services lock for a hundred years at most"))
}
