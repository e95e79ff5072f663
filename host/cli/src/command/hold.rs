//! `hold`, `release`, `undelete`, and the list of what can be brought back.

use crate::args::{Hold, Keys};
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_jobs::context::Context;
use holdfast_jobs::hold::{
    HeldSnapshot, HoldWish, ReleasedSnapshot, hold_snapshot, release_snapshot, restore_forgotten,
};
use holdfast_jobs::list::{self, ForgottenSnapshot, Listing};
use holdfast_jobs::open::Access;
use serde_json::json;

pub(super) fn hold(context: &Context, hold: &Hold, view: &View) -> Result<Outcome, Failure> {
    let wish = HoldWish::parse(context, &hold.reason, hold.until.as_deref())?;
    let access = super::find_access(context, &hold.keys, Some(&hold.snapshot))?;
    let (watching, progress) = super::lock::watch_objects(view, "held");
    let held = hold_snapshot(context, &access, &hold.snapshot, wish, &progress)?;
    drop(watching);
    let HeldSnapshot {
        root,
        hold,
        objects,
    } = held;
    let until = hold.until.map(|until| until.to_string());
    let json = json!({
        "snapshot": root.snapshot, "job": root.job, "reason": hold.reason, "until": until,
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

pub(super) fn release(
    context: &Context,
    snapshot: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, Some(snapshot))?;
    let (watching, progress) = super::lock::watch_objects(view, "released");
    let released = release_snapshot(context, &access, snapshot, &progress)?;
    drop(watching);
    let ReleasedSnapshot { snapshot, released } = released;
    let until = released.as_ref().and_then(|released| released.until);
    let json = json!({
        "released": snapshot, "unlocked-objects": released.as_ref().map(|released| released.objects),
        "locked-until": until.map(|until| until.to_string()),
    });
    view.answer(&json, |view| {
        view.say(&format!("{} is held no longer", snapshot.short()));
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

pub(super) fn undelete(
    context: &Context,
    snapshot: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, Some(snapshot))?;
    let root = restore_forgotten(context, &access, snapshot)?;
    let id = root.snapshot;
    view.answer(&json!({"snapshot": id, "job": root.job}), |view| {
        view.say(&format!("{}@{} is back", root.job, id.short()));
    });
    Ok(Outcome::Done)
}

pub(super) fn list_forgotten(
    context: &Context,
    access: &Access,
    job: Option<&str>,
    view: &View,
) -> Result<Outcome, Failure> {
    let Listing { found, unread } = list::list_forgotten(context, access, job)?;
    let all: serde_json::Value = found.iter().map(forgotten_json).collect();
    view.answer(&all, |view| {
        if found.is_empty() {
            return view.note("nothing is forgotten that could be brought back");
        }
        let width = super::snapshots::job_width(found.iter().map(|one| &one.root));
        view.line(&format!(
            "{:8}  {:25}  {:width$}  {:25}  why",
            "id", "time", "job", "until"
        ));
        for ForgottenSnapshot { root, mark, until } in &found {
            let until = until.map(|until| until.to_string());
            let until = until.unwrap_or_else(|| "the next gc".to_owned());
            view.line(&format!(
                "{}  {}  {:width$}  {until:25}  {}",
                root.snapshot.short(),
                root.started,
                root.job,
                mark.tombstone.why
            ));
        }
    });
    Ok(super::snapshots::warn_unread(&unread, view))
}

fn forgotten_json(forgotten: &ForgottenSnapshot) -> serde_json::Value {
    let ForgottenSnapshot { root, mark, .. } = forgotten;
    json!({
        "snapshot": root.snapshot, "job": root.job, "host": root.host,
        "started": root.started.to_string(), "tags": root.tags,
        "forgotten": mark.since.to_string(), "until": mark.until().to_string(),
        "why": mark.tombstone.why, "by": mark.tombstone.host,
    })
}
