//! Lists snapshots, those that can be brought back, and what a single one is.

use crate::context::Context;
use crate::error::JobError;
use crate::open::Access;
use crate::select::find_snapshot;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::Instant;
use holdfast_repository::forget::{Forgotten, Held};
use holdfast_repository::format::root::Root;
use holdfast_repository::{Repository, RepositoryError};
use std::collections::HashMap;

/// A snapshot, with the hold on it that is in force now.
#[derive(Debug)]
pub struct ListedSnapshot {
    /// The snapshot.
    pub root: Root,
    /// The hold on it.
    pub held: Option<Held>,
}

/// A snapshot that is forgotten.
#[derive(Debug)]
pub struct ForgottenSnapshot {
    /// The snapshot.
    pub root: Root,
    /// Its tombstone.
    pub mark: Forgotten,
    /// Until when it can be brought back; none if the next collection may remove it.
    pub until: Option<Instant>,
}

/// A list, and what could not be read for it.
#[derive(Debug)]
pub struct Listing<T> {
    /// What was found, oldest first.
    pub found: Vec<T>,
    /// What cannot be read.
    pub unread: Vec<RepositoryError>,
}

/// Lists the snapshots of a store, or of one job in it.
///
/// # Errors
/// The repository cannot be opened, or there is no such job.
pub fn list_snapshots(
    context: &Context,
    access: &Access,
    job: Option<&str>,
) -> Result<Listing<ListedSnapshot>, JobError> {
    let repository = access.open(context)?;
    let Listing { found, unread } = read_snapshots(context, &repository, job)?;
    let mut holds = find_holds(context, &repository)?;
    let found = found.into_iter().map(|root| ListedSnapshot {
        held: holds.remove(&root.snapshot),
        root,
    });
    let found = found.collect();
    Ok(Listing { found, unread })
}

/// Finds one snapshot.
///
/// # Errors
/// There is none, or there are several.
pub fn show_snapshot(
    context: &Context,
    access: &Access,
    snapshot: &str,
) -> Result<ListedSnapshot, JobError> {
    let repository = access.open(context)?;
    let root = find_snapshot(&repository, snapshot)?;
    let held = find_holds(context, &repository)?.remove(&root.snapshot);
    Ok(ListedSnapshot { root, held })
}

/// Lists the snapshots that can be brought back.
///
/// # Errors
/// The repository cannot be opened.
pub fn list_forgotten(
    context: &Context,
    access: &Access,
    job: Option<&str>,
) -> Result<Listing<ForgottenSnapshot>, JobError> {
    let repository = access.open(context)?;
    let (mut found, unread) = find_forgotten(&repository)?;
    found.retain(|forgotten| job.is_none_or(|job| forgotten.root.job == job));
    let now = context.clock.now();
    for forgotten in &mut found {
        forgotten.until = forgotten.until.filter(|until| *until > now);
    }
    Ok(Listing { found, unread })
}

/// Returns the snapshots that can be brought back, oldest first, and what cannot be read.
pub(crate) fn find_forgotten(
    repository: &Repository,
) -> Result<(Vec<ForgottenSnapshot>, Vec<RepositoryError>), JobError> {
    let marks = repository.marks()?;
    let stored = repository.stored_ids()?;
    let mut failures: Vec<_> = marks
        .failures
        .into_iter()
        .map(RepositoryError::from)
        .collect();
    let mut found = Vec::new();
    for mark in marks.forgotten {
        let id = mark.tombstone.snapshot;
        // Collection removes the tombstone last.
        if !stored.contains(&id) {
            continue;
        }
        match repository.snapshot(&id) {
            Ok(root) => found.push(ForgottenSnapshot {
                until: Some(mark.until()),
                root,
                mark,
            }),
            Err(error) => failures.push(error.into()),
        }
    }
    found.sort_by_key(|forgotten| (forgotten.root.started, forgotten.root.snapshot));
    Ok((found, failures))
}

/// Returns the holds that are in force now.
fn find_holds(
    context: &Context,
    repository: &Repository,
) -> Result<HashMap<SnapshotId, Held>, JobError> {
    let now = context.clock.now();
    let holds = repository.marks()?.holds.into_iter();
    let holds = holds.filter(|held| held.holds_at(now));
    Ok(holds.map(|held| (held.snapshot, held)).collect())
}

/// Reads the snapshots of a repository, or of one job in it, which the configuration or a snapshot must know.
pub(crate) fn read_snapshots(
    context: &Context,
    repository: &Repository,
    job: Option<&str>,
) -> Result<Listing<Root>, JobError> {
    let (mut found, unread) = repository.snapshots()?;
    if let Some(job) = job {
        found.retain(|root| root.job == job);
        if found.is_empty() {
            context.config.job(job)?;
        }
    }
    let unread = unread.into_iter().map(RepositoryError::from).collect();
    Ok(Listing { found, unread })
}
