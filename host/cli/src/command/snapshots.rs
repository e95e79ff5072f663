//! `list`, `show` and `diff`.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_base::error::join_causes;
use holdfast_base::size::ByteSize;
use holdfast_jobs::context::Context;
use holdfast_jobs::entries::{Difference, compare_snapshots};
use holdfast_jobs::list::{ListedSnapshot, list_snapshots, show_snapshot};
use holdfast_jobs::model::{Author, Held, Item, RepositoryError, Root};
use holdfast_jobs::open::Access;

/// Returns a snapshot as scripts read it.
pub(super) fn snapshot_json(root: &Root, held: Option<&Held>) -> serde_json::Value {
    let mut value = serde_json::to_value(root).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove("references");
        map.insert("started".into(), root.started.to_string().into());
        map.insert("finished".into(), root.finished.to_string().into());
        map.insert("signed-by".into(), signer_json(&root.author));
        let held = held.map(|held| {
            let until = held.until().map(|until| until.to_string());
            serde_json::json!({"reason": held.reason(), "until": until})
        });
        map.insert("held".into(), held.unwrap_or_default());
    }
    value
}

/// Returns who signed as scripts read it: a host's key, or null if it proves no host.
pub(super) fn signer_json(author: &Author) -> serde_json::Value {
    match author {
        Author::Host { key, .. } => key.as_str().into(),
        Author::Root | Author::Nobody => serde_json::Value::Null,
    }
}

/// Describes why and until when a snapshot is held.
fn describe_hold(held: &Held) -> String {
    let until = held.until().map(|until| format!(" until {until}"));
    format!("held{}: {}", until.unwrap_or_default(), held.reason())
}

pub(super) fn list(
    context: &Context,
    access: &Access,
    job: Option<&str>,
    view: &View,
) -> Result<Outcome, Failure> {
    let listing = list_snapshots(context, access, job)?;
    let found = &listing.found;
    let json = found
        .iter()
        .map(|one| snapshot_json(&one.root, one.held.as_ref()));
    view.answer(&json.collect(), |view| {
        if found.is_empty() {
            return view.note("there are no snapshots yet: holdfast run JOB makes one");
        }
        let width = job_width(found.iter().map(|one| &one.root));
        view.line(&format!(
            "{:8}  {:25}  {:width$}  {:>9}  {:>10}  host",
            "id", "time", "job", "entries", "size"
        ));
        for listed in found {
            view.line(&snapshot_row(listed, width));
        }
    });
    Ok(warn_unread(&listing.unread, view))
}

/// Returns how wide a column is that takes the jobs of all these snapshots, and its head.
pub(super) fn job_width<'a>(roots: impl Iterator<Item = &'a Root>) -> usize {
    roots.map(|root| root.job.len()).max().unwrap_or(0).max(3)
}

fn snapshot_row(listed: &ListedSnapshot, width: usize) -> String {
    let root = &listed.root;
    let tags = if root.tags.is_empty() {
        String::new()
    } else {
        format!("  [{}]", root.tags.join(", "))
    };
    let unproven = match root.author {
        Author::Host { .. } => "",
        Author::Root | Author::Nobody => " (not proven)",
    };
    let held = listed.held.as_ref().map(describe_hold);
    let held = held.map_or_else(String::new, |held| format!("  {held}"));
    format!(
        "{}  {}  {:width$}  {:>9}  {:>10}  {}{unproven}{tags}{held}",
        root.snapshot.short(),
        root.started,
        root.job,
        root.counts.entries,
        ByteSize(root.counts.bytes).to_string(),
        root.host,
    )
}

/// Names snapshots that cannot be read, and returns how the command ends then.
pub(super) fn warn_unread(failures: &[RepositoryError], view: &View) -> Outcome {
    for failure in failures {
        view.warn(&join_causes(failure));
    }
    if failures.is_empty() {
        Outcome::Done
    } else {
        Outcome::Damage
    }
}

pub(super) fn show(
    context: &Context,
    snapshot: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, Some(snapshot))?;
    let shown = show_snapshot(context, &access, snapshot)?;
    view.answer(&snapshot_json(&shown.root, shown.held.as_ref()), |view| {
        show_root(&shown.root, view);
        show_details(&shown, view);
    });
    Ok(Outcome::Done)
}

/// Shows what made a snapshot, and how much it holds.
fn show_root(root: &Root, view: &View) {
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
}

/// Shows what else is known of a snapshot.
fn show_details(listed: &ListedSnapshot, view: &View) {
    let root = &listed.root;
    if !root.tags.is_empty() {
        view.line(&format!("tags      {}", root.tags.join(", ")));
    }
    if let Some(held) = &listed.held {
        view.line(&format!("hold      {}", describe_hold(held)));
    }
    for (key, value) in &root.facts {
        view.line(&format!("fact      {key} = {value}"));
    }
    for (subject, message) in &root.warnings {
        view.line(&format!("warning   {subject}: {message}"));
    }
}

pub(super) fn compare(
    context: &Context,
    from: &str,
    to: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, Some(from))?;
    compare_snapshots(context, &access, from, to, &mut |difference, item| {
        show_difference(difference, item, view);
        view.flow()
    })?;
    Ok(Outcome::Done)
}

fn show_difference(difference: Difference, item: &Item, view: &View) {
    let (sign, word) = match difference {
        Difference::Removed => ("-", "removed"),
        Difference::Added => ("+", "added"),
        Difference::Content => ("M", "content"),
        Difference::Metadata => ("U", "metadata"),
    };
    let json = serde_json::json!({"change": word, "path": item.entry.path.to_string()});
    view.answer(&json, |view| {
        view.line(&format!("{sign} {}", item.entry.path))
    });
}
