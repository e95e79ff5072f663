//! `list`, `show` and `diff`.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::error::join_causes;
use holdfast_base::id::SnapshotId;
use holdfast_base::size::ByteSize;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_jobs::select;
use holdfast_repository::forget::Held;
use holdfast_repository::format::item::Item;
use holdfast_repository::format::root::Root;
use holdfast_repository::format::trust::Author;
use holdfast_repository::read::Reader;
use holdfast_repository::{Repository, RepositoryError};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// Returns a snapshot as scripts read it.
pub(crate) fn json(root: &Root, held: Option<&Held>) -> serde_json::Value {
    let mut value = serde_json::to_value(root).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove("references");
        map.insert("started".into(), root.started.to_string().into());
        map.insert("finished".into(), root.finished.to_string().into());
        map.insert("signed-by".into(), signed_by(&root.author));
        let held = held.map(|held| {
            let until = held.until().map(|until| until.to_string());
            serde_json::json!({"reason": held.reason(), "until": until})
        });
        map.insert("held".into(), held.unwrap_or_default());
    }
    value
}

/// Returns who signed as scripts read it: a host's key, or null where it proves no host.
pub(crate) fn signed_by(author: &Author) -> serde_json::Value {
    match author {
        Author::Host { key, .. } => key.as_str().into(),
        Author::Root | Author::Nobody => serde_json::Value::Null,
    }
}

/// Returns the holds that hold now.
fn holds(repository: &Repository) -> Result<HashMap<SnapshotId, Held>, JobError> {
    let now = SystemClock.now();
    let holds = repository.marks()?.holds.into_iter();
    let holds = holds.filter(|held| held.holds_at(now));
    Ok(holds.map(|held| (held.snapshot, held)).collect())
}

/// Says why and until when a snapshot is held.
fn held_words(held: &Held) -> String {
    let until = held.until().map(|until| format!(" until {until}"));
    format!("held{}: {}", until.unwrap_or_default(), held.reason())
}

pub(crate) fn list(
    context: &Context,
    job: Option<&str>,
    forgotten: bool,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, job)?;
    if forgotten {
        return super::hold::list_forgotten(&repository, job, view);
    }
    let (mut roots, failures) = repository.snapshots()?;
    known_job(context, job, &roots)?;
    roots.retain(|root| job.is_none_or(|job| root.job == job));
    let holds = holds(&repository)?;
    let one = |root: &Root| json(root, holds.get(&root.snapshot));
    let all: serde_json::Value = roots.iter().map(one).collect();
    view.answer(&all, |view| {
        if roots.is_empty() {
            return view.note("there are no snapshots yet: holdfast run JOB makes one");
        }
        let width = roots
            .iter()
            .map(|root| root.job.len())
            .max()
            .unwrap_or(0)
            .max(3);
        view.line(&format!(
            "{:8}  {:25}  {:width$}  {:>9}  {:>10}  host",
            "id", "time", "job", "entries", "size"
        ));
        for root in &roots {
            let tags = if root.tags.is_empty() {
                String::new()
            } else {
                format!("  [{}]", root.tags.join(", "))
            };
            let unproven = match root.author {
                Author::Host { .. } => "",
                Author::Root | Author::Nobody => " (not proven)",
            };
            let held = holds.get(&root.snapshot).map(held_words);
            let held = held.map_or_else(String::new, |held| format!("  {held}"));
            view.line(&format!(
                "{}  {}  {:width$}  {:>9}  {:>10}  {}{unproven}{tags}{held}",
                root.snapshot.short(),
                root.started,
                root.job,
                root.counts.entries,
                ByteSize(root.counts.bytes).to_string(),
                root.host,
            ));
        }
    });
    Ok(unread(&failures, view))
}

/// Names snapshots that cannot be read, and says how the command ends then.
pub(super) fn unread(failures: &[RepositoryError], view: &View) -> Outcome {
    for failure in failures {
        view.warn(&join_causes(failure));
    }
    if failures.is_empty() {
        Outcome::Done
    } else {
        Outcome::Damage
    }
}

/// Refuses a job that neither the configuration nor any snapshot knows.
pub(super) fn known_job(
    context: &Context,
    job: Option<&str>,
    roots: &[Root],
) -> Result<(), JobError> {
    match job {
        Some(job) if !roots.iter().any(|root| root.job == job) => {
            context.config.job(job)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(crate) fn show(
    context: &Context,
    snapshot: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, Some(snapshot))?;
    let root = select::snapshot(&repository, snapshot)?;
    let holds = holds(&repository)?;
    let held = holds.get(&root.snapshot);
    view.answer(&json(&root, held), |view| {
        let counts = &root.counts;
        view.line(&format!("snapshot  {}", root.snapshot));
        view.line(&format!("job       {} on {}", root.job, root.host));
        view.line(&format!("signed    by {}", root.author));
        view.line(&format!("time      {} to {}", root.started, root.finished));
        view.line(&format!(
            "source    {} {} (sha256 {})",
            root.source.plugin, root.source.version, root.source.digest
        ));
        for grant in &root.source.grants {
            view.line(&format!("granted   {grant}"));
        }
        view.line(&format!(
            "content   {} entries, {} files, {}",
            counts.entries,
            counts.files,
            ByteSize(counts.bytes)
        ));
        view.line(&format!(
            "new       {} in {} chunks; {} stored",
            ByteSize(counts.new_bytes),
            counts.new_chunks,
            ByteSize(counts.stored_bytes)
        ));
        if !root.tags.is_empty() {
            view.line(&format!("tags      {}", root.tags.join(", ")));
        }
        if let Some(held) = held {
            view.line(&format!("hold      {}", held_words(held)));
        }
        for (key, value) in &root.facts {
            view.line(&format!("fact      {key} = {value}"));
        }
        for (subject, message) in &root.warnings {
            view.line(&format!("warning   {subject}: {message}"));
        }
    });
    Ok(Outcome::Done)
}

pub(crate) fn diff(
    context: &Context,
    from: &str,
    to: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, Some(from))?;
    let (from, to) = (
        select::snapshot(&repository, from)?,
        select::snapshot(&repository, to)?,
    );
    let reader = Reader::new(Arc::clone(&repository))?;
    let mut old = reader.items(&from)?;
    let mut new = reader.items(&to)?;
    let (mut left, mut right) = (old.next().transpose()?, new.next().transpose()?);
    // Both are in the order of a walk, so that one pass side by side is enough.
    loop {
        if view.is_gone() {
            return Ok(Outcome::Done);
        }
        let order = match (&left, &right) {
            (None, None) => return Ok(Outcome::Done),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.0.entry.path.cmp(&b.0.entry.path),
        };
        if order == Ordering::Equal {
            if let (Some(a), Some(b)) = (&left, &right) {
                changed(a, b, view);
            }
        } else if let (Ordering::Less, Some((item, _))) = (order, &left) {
            difference(view, "-", "removed", item);
        } else if let Some((item, _)) = &right {
            difference(view, "+", "added", item);
        }
        if order != Ordering::Greater {
            left = old.next().transpose()?;
        }
        if order != Ordering::Less {
            right = new.next().transpose()?;
        }
    }
}

type Found = (Item, Vec<holdfast_base::id::ChunkId>);

fn changed(a: &Found, b: &Found, view: &View) {
    if a.1 != b.1 {
        difference(view, "M", "content", &b.0);
    } else if a.0.entry != b.0.entry {
        difference(view, "U", "metadata", &b.0);
    }
}

fn difference(view: &View, sign: &str, word: &str, item: &Item) {
    let json = serde_json::json!({"change": word, "path": item.entry.path.to_string()});
    view.answer(&json, |view| {
        view.line(&format!("{sign} {}", item.entry.path))
    });
}
