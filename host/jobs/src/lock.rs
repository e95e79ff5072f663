//! Locks what snapshots reach, in stores with a bucket that has object lock.

use crate::config::store::LOCK_MAX_NANOSECONDS;
use crate::context::Context;
use crate::error::JobError;
use crate::error::keep::KeepError;
use crate::keys::Credentials;
use crate::open::{Access, open_repository};
use crate::retention::calendar;
use crate::retention::rules::Lifetime;
use crate::select::find_snapshots;
use holdfast_base::progress::Progress;
use holdfast_base::time::Instant;
use holdfast_repository::format::root::Root;
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
    /// Until a day or a time to come.
    Until(String),
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

/// Returns the end of a day, or a time, that is still to come; none if the text is no such time.
pub(crate) fn parse_end(context: &Context, text: &str) -> Result<Option<Instant>, JobError> {
    let zone = context.config.time_zone()?;
    let end = calendar::end_of_day(text, &zone);
    Ok(end.filter(|end| *end > context.clock.now()))
}

/// Returns how long what is committed to a store is locked there, if its table says so.
pub(crate) fn find_usual_lock(
    context: &Context,
    store: &str,
    repository: &Repository,
) -> Result<Option<Extension>, JobError> {
    let table = context.config.store(store)?;
    let (Some(words), Some(time)) = (&table.lock, table.lock_time()) else {
        return Ok(None);
    };
    if !repository.can_lock() {
        return Err(KeepError::NoObjectLock {
            place: Some(context.config.place(words.span())),
            store: repository.place(),
        }
        .into());
    }
    let now = context.clock.now();
    let slack = time.nanoseconds() / SLACK;
    let least = end_of_lock(context, &time, now)?;
    let until = least.0.saturating_add(slack);
    Ok(Some(Extension {
        least,
        until: Instant(until.min(now.0 + LOCK_MAX_NANOSECONDS)),
        mode: table.lock_mode(),
    }))
}

fn end_of_lock(context: &Context, time: &Lifetime, now: Instant) -> Result<Instant, JobError> {
    let end = time.after(now, &context.config.time_zone()?);
    let end = end.filter(|end| end.0.saturating_sub(now.0) <= LOCK_MAX_NANOSECONDS);
    let until = time.to_string();
    Ok(end.ok_or(KeepError::LockTooLong { until })?)
}

/// Locks what snapshots reach that were committed to a store, if the store's table says so.
pub fn lock_committed(
    context: &Context,
    store: &str,
    credentials: &Credentials,
    roots: &[&Root],
) -> Option<Result<Locked, JobError>> {
    context.config.store(store).ok()?.lock.as_ref()?;
    if roots.is_empty() {
        return None;
    }
    let lock = || -> Result<Option<Locked>, JobError> {
        let repository = open_repository(context, store, credentials)?;
        let Some(wanted) = find_usual_lock(context, store, &repository)? else {
            return Ok(None);
        };
        let unseen = Progress::default();
        let locked =
            object_lock::lock_reached(&repository, roots, &wanted, &context.cancel, &unseen)?;
        Ok(Some(locked))
    };
    lock().transpose()
}

/// Finds what is to be locked in a store, and what that costs; changes nothing.
///
/// # Errors
/// The store cannot lock, there is no such snapshot, or no such time.
pub fn plan_lock(
    context: &Context,
    access: &Access,
    wanted: &[String],
    span: &Span,
    progress: &Progress,
) -> Result<LockPlan, JobError> {
    let repository = access.open(context)?;
    let extension = find_extension(context, &access.store, &repository, span)?;
    let (roots, unread) = match wanted {
        // What cannot be read keeps nothing else from being locked.
        [] => repository.snapshots()?,
        some => (find_snapshots(&repository, some)?, Vec::new()),
    };
    let roots: Vec<&Root> = roots.iter().collect();
    let plan =
        object_lock::plan_extension(&repository, &roots, extension, &context.cancel, progress)?;
    Ok(LockPlan {
        repository,
        store: access.store.clone(),
        snapshots: plan.snapshots,
        until: extension.least,
        mode: extension.mode,
        cost: plan.estimate_cost(context.clock.now()),
        plan,
        unread: unread.into_iter().map(RepositoryError::from).collect(),
    })
}

/// Returns how long a lock is to last.
fn find_extension(
    context: &Context,
    store: &str,
    repository: &Repository,
    span: &Span,
) -> Result<Extension, JobError> {
    let usual = find_usual_lock(context, store, repository)?;
    if !repository.can_lock() {
        return Err(KeepError::NoObjectLock {
            place: None,
            store: repository.place(),
        }
        .into());
    }
    let now = context.clock.now();
    let until = match span {
        Span::Usual => {
            let store = store.to_owned();
            return Ok(usual.ok_or(KeepError::NoLockTime { store })?);
        }
        Span::For(time) => end_of_lock(context, time, now)?,
        Span::Until(text) => parse_lock_end(context, text)?,
    };
    if until.0 - now.0 > LOCK_MAX_NANOSECONDS {
        let until = until.to_string();
        return Err(KeepError::LockTooLong { until }.into());
    }
    Ok(Extension {
        least: until,
        until,
        mode: context.config.store(store)?.lock_mode(),
    })
}

fn parse_lock_end(context: &Context, text: &str) -> Result<Instant, JobError> {
    let end = parse_end(context, text)?;
    let text = text.to_owned();
    Ok(end.ok_or(KeepError::InvalidLockEnd { text })?)
}

/// Refuses an end of a lock that is no time to come.
///
/// # Errors
/// It is none.
pub fn check_span(context: &Context, span: &Span) -> Result<(), JobError> {
    match span {
        Span::Until(text) => parse_lock_end(context, text).map(drop),
        Span::Usual | Span::For(_) => Ok(()),
    }
}

impl LockPlan {
    /// Locks what the plan names.
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
