//! `hold`, `release`, `undelete`, and the list of what can be brought back.

use crate::args::{Hold, Keys};
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_jobs::retention::calendar;
use holdfast_jobs::select;
use holdfast_repository::Repository;
use holdfast_repository::RepositoryError;
use holdfast_repository::forget::Forgotten;
use holdfast_repository::format::root::Root;
use serde_json::json;

pub(crate) fn hold(context: &Context, hold: &Hold, view: &View) -> Result<Outcome, JobError> {
    let zone = context.config.time_zone()?;
    let until = hold.until.as_deref().map(|text| {
        let until = calendar::end_of(text, &zone).filter(|until| *until > SystemClock.now());
        until.ok_or_else(|| {
            let message = format!("a hold cannot end at `{text}`");
            let hint =
                "Give a day to come, such as 2030-12-31, or a time such as 2030-12-31T12:00:00Z";
            JobError::usage(message, Some(hint))
        })
    });
    let until = until.transpose()?;
    if hold.reason.trim().is_empty() {
        return Err(JobError::usage(
            "a hold has a reason",
            Some("Say why: --reason TEXT"),
        ));
    }
    let store = super::store(context, &hold.keys, Some(&hold.snapshot))?;
    let repository = super::open(context, &hold.keys, Some(&hold.snapshot))?;
    let root = select::snapshot(&repository, &hold.snapshot)?;
    let (watching, progress) = super::lock::watched(view, "held");
    let what = (hold.reason.as_str(), until);
    let (held, objects) = context.hold((store, &repository), &root, what, &progress)?;
    drop(watching);
    let until = held.until.map(|until| until.to_string());
    let json = json!({
        "snapshot": root.snapshot, "job": root.job, "reason": held.reason, "until": until,
        "locked-objects": objects,
    });
    view.answer(&json, |view| {
        let until = until.map_or_else(String::new, |until| format!(" until {until}"));
        let id = root.snapshot.short();
        let objects =
            objects.map(|objects| format!(", and so are {objects} objects in the bucket"));
        let objects = objects.unwrap_or_default();
        view.say(&format!("{}@{id} is held{until}{objects}", root.job));
    });
    Ok(Outcome::Done)
}

pub(crate) fn release(
    context: &Context,
    snapshot: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, Some(snapshot))?;
    let id = named(&repository, snapshot)?;
    let (watching, progress) = super::lock::watched(view, "released");
    let released = context.release(&repository, &id, &progress)?;
    drop(watching);
    let until = released.as_ref().and_then(|released| released.until);
    let json = json!({
        "released": id, "unlocked-objects": released.as_ref().map(|released| released.objects),
        "locked-until": until.map(|until| until.to_string()),
    });
    view.answer(&json, |view| {
        view.say(&format!("{} is held no longer", id.short()));
        if let Some(until) = until {
            view.say(&format!("object lock keeps it all the same until {until}"));
        }
    });
    if released.is_some_and(|released| !released.is_whole) {
        view.warn("the snapshot cannot be read: what it reaches is held still in the bucket");
        return Ok(Outcome::Warnings);
    }
    Ok(Outcome::Done)
}

/// Finds a snapshot that is shown; one whose whole id is given need not be readable.
fn named(repository: &Repository, snapshot: &str) -> Result<SnapshotId, JobError> {
    match snapshot.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(select::snapshot(repository, snapshot)?.snapshot),
    }
}

pub(crate) fn undelete(
    context: &Context,
    snapshot: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, Some(snapshot))?;
    let id = match snapshot.parse() {
        Ok(id) => id,
        Err(_) => forgotten_as(&repository, snapshot)?,
    };
    repository.undelete(&id)?;
    let root = repository.snapshot(&id)?;
    view.answer(&json!({"snapshot": id, "job": root.job}), |view| {
        view.say(&format!("{}@{} is back", root.job, id.short()));
    });
    Ok(Outcome::Done)
}

/// Finds a forgotten snapshot by what people call it.
fn forgotten_as(repository: &Repository, wanted: &str) -> Result<SnapshotId, JobError> {
    let (found, _) = forgotten(repository)?;
    let roots: Vec<Root> = found.into_iter().map(|(root, _)| root).collect();
    match select::among(&roots, wanted) {
        Ok(root) => Ok(root.snapshot),
        // It may be one that is not forgotten, or never was.
        Err(error) => match select::snapshot(repository, wanted) {
            Ok(root) => Err(RepositoryError::NotForgotten {
                snapshot: root.snapshot,
            }
            .into()),
            Err(_) if roots.is_empty() => Err(JobError::usage(
                format!("there is no forgotten snapshot `{wanted}`"),
                Some(
                    "What collection has removed does not come back. What can: holdfast list --forgotten",
                ),
            )),
            Err(_) => Err(error),
        },
    }
}

/// A snapshot that is forgotten, with its tombstone.
type Gone = (Root, Forgotten);

/// Returns the snapshots that can be brought back, oldest first, and what cannot be read.
fn forgotten(repository: &Repository) -> Result<(Vec<Gone>, Vec<RepositoryError>), JobError> {
    let marks = repository.marks()?;
    let stored = repository.stored_ids()?;
    let mut failures = marks.failures;
    let mut found = Vec::new();
    for mark in marks.forgotten {
        let id = mark.tombstone.snapshot;
        // Collection removes the tombstone last.
        if !stored.contains(&id) {
            continue;
        }
        match repository.snapshot(&id) {
            Ok(root) => found.push((root, mark)),
            Err(error) => failures.push(error),
        }
    }
    found.sort_by_key(|(root, _)| (root.started, root.snapshot));
    Ok((found, failures))
}

pub(crate) fn list_forgotten(
    repository: &Repository,
    job: Option<&str>,
    view: &View,
) -> Result<Outcome, JobError> {
    let (mut found, failures) = forgotten(repository)?;
    found.retain(|(root, _)| job.is_none_or(|job| root.job == job));
    let all: serde_json::Value = found.iter().map(json).collect();
    view.answer(&all, |view| {
        if found.is_empty() {
            return view.note("nothing is forgotten that could be brought back");
        }
        let width = found.iter().map(|(root, _)| root.job.len()).max();
        let width = width.unwrap_or(0).max(3);
        view.line(&format!(
            "{:8}  {:25}  {:width$}  {:25}  why",
            "id", "time", "job", "until"
        ));
        for (root, mark) in &found {
            let until = mark.until();
            let until = if until > now() {
                until.to_string()
            } else {
                "the next gc".to_owned()
            };
            view.line(&format!(
                "{}  {}  {:width$}  {until:25}  {}",
                root.snapshot.short(),
                root.started,
                root.job,
                mark.tombstone.why
            ));
        }
    });
    Ok(super::snapshots::unread(&failures, view))
}

fn now() -> Instant {
    SystemClock.now()
}

fn json((root, mark): &Gone) -> serde_json::Value {
    json!({
        "snapshot": root.snapshot, "job": root.job, "host": root.host,
        "started": root.started.to_string(), "tags": root.tags,
        "forgotten": mark.since.to_string(), "until": mark.until().to_string(),
        "why": mark.tombstone.why, "by": mark.tombstone.host,
    })
}
