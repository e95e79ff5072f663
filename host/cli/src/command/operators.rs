//! `rotate`, and who can open a repository.

use crate::args::{Keys, NewPassphrase, Rotate};
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::progress::{Moment, watch_work};
use crate::view::View;
use holdfast_base::size::ByteSize;
use holdfast_jobs::context::Context;
use holdfast_jobs::model::{Announcement, Change, CollectProgress, Operator};
use holdfast_jobs::open::Access;
use holdfast_jobs::operators::{
    NewEpoch, OperatorList, add_operators, list_operators, remove_operator, reseal_store,
    rotate_keys,
};
use std::sync::Arc;

/// Returns what operators announced as scripts read it.
fn announced_json(announced: &Announcement, older: &[String]) -> serde_json::Value {
    let one = |operator: &Operator| {
        serde_json::json!({
            "recipient": operator.recipient, "passphrase": operator.passphrase.is_some(),
            "added": operator.added.to_string(),
        })
    };
    let operators: Vec<_> = announced.operators.iter().map(one).collect();
    let hosts = announced.revoked.iter();
    let revoked: Vec<_> = hosts
        .map(|one| serde_json::json!({"host": one.host, "revoked": one.when.to_string(), "snapshots": one.snapshots.len()}))
        .collect();
    serde_json::json!({
        "epoch": announced.epoch, "object": announced.epoch_object, "recipients": operators,
        "revoked-hosts": revoked, "older-objects": older,
    })
}

pub(super) fn list(context: &Context, keys: &Keys, view: &View) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, None)?;
    let OperatorList { announced, older } = list_operators(context, &access)?;
    view.answer(&announced_json(&announced, &older), |view| {
        show_announced(&announced, view);
        for object in &older {
            view.warn(&format!(
                "{object} is older and still there: whoever could open it still can"
            ));
        }
    });
    Ok(Outcome::Done)
}

/// Shows who can open the repository.
fn show_announced(announced: &Announcement, view: &View) {
    for operator in &announced.operators {
        let kind = match operator.passphrase {
            Some(_) => "  (a passphrase)",
            None => "",
        };
        view.line(&format!(
            "{}  since {}{kind}",
            operator.recipient, operator.added
        ));
    }
    for one in &announced.revoked {
        view.line(&format!(
            "revoked: keys of host {} made until {}; {} of its snapshots stay",
            one.host,
            one.when,
            one.snapshots.len()
        ));
    }
}

pub(super) fn add(
    context: &Context,
    recipients: &[String],
    new: &NewPassphrase,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, None)?;
    let passphrase = || super::take_new_passphrase(context, new.from.as_deref(), new.ask);
    let change = add_operators(context, &access, recipients, passphrase)?;
    show_change(&change, view, |view| {
        view.say("These can open the repository now:");
    });
    Ok(Outcome::Done)
}

pub(super) fn remove(
    context: &Context,
    which: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, None)?;
    let change = remove_operator(context, &access, which)?;
    show_change(&change, view, |view| {
        view.say(
            "What it could read so far, it may have kept: also the key of the epoch that goes on.",
        );
        view.say("Only a new epoch protects what comes after: holdfast rotate --identity FILE");
        view.say("These can open the repository now:");
    });
    Ok(Outcome::Done)
}

/// Shows what a change came to.
fn show_change(change: &Change, view: &View, words: impl FnOnce(&View)) {
    let older: Vec<_> = change.kept.iter().map(|(name, _)| name.clone()).collect();
    view.answer(&announced_json(&change.announcement, &older), |view| {
        words(view);
        show_announced(&change.announcement, view);
        for (object, why) in &change.kept {
            view.warn(&format!(
                "{object} stays, and whoever could open it still can: {why}"
            ));
        }
    });
}

pub(super) fn rotate(context: &Context, rotate: &Rotate, view: &View) -> Result<Outcome, Failure> {
    let keys = Keys::for_store(rotate.store.as_ref(), &rotate.unlock);
    let access = super::find_access(context, &keys, None)?;
    let wanted = NewEpoch {
        recipients: &rotate.recipient,
        revoke: &rotate.revoke_host,
        same_keys_as: rotate.same_keys_as.as_deref(),
    };
    let change = rotate_keys(context, &access, &wanted)?;
    let epoch = change.announcement.epoch;
    show_change(&change, view, |view| {
        view.say(&format!(
            "Epoch {epoch} has begun. Hosts learn of it by themselves; read keys are to be exported anew."
        ));
        if !rotate.revoke_host.is_empty() {
            view.say("What the revoked keys sign from now on is refused. Look at what they signed so far: list");
        }
        view.say("These can open the repository now:");
    });
    if change.unread > 0 {
        view.warn(&format!(
            "{} snapshots could not be read: none of them counts as signed before",
            change.unread
        ));
    }
    if rotate.reseal {
        // With what opened it before: an identity opens the new epoch, a read key file does not hold it.
        return seal_anew(context, &access, view);
    }
    Ok(Outcome::Done)
}

pub(super) fn reseal(context: &Context, keys: &Keys, view: &View) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, None)?;
    seal_anew(context, &access, view)
}

fn seal_anew(context: &Context, access: &Access, view: &View) -> Result<Outcome, Failure> {
    let progress = Arc::new(CollectProgress::default());
    let seen = Arc::clone(&progress);
    let watch = watch_work(view, "reseal", move || {
        Moment::unbounded(format!("{} snapshots looked at", seen.snapshots.done()))
    });
    let report = reseal_store(context, access, &progress)?;
    drop(watch);
    let json = serde_json::json!({
        "resealed-packs": report.repacked.packs, "resealed-bytes": report.repacked.bytes,
        "written-bytes": report.rewritten_bytes,
    });
    view.answer(&json, |view| {
        view.say(&format!(
            "{} packs ({}) were sealed anew, as {}",
            report.repacked.packs,
            ByteSize(report.repacked.bytes),
            ByteSize(report.rewritten_bytes)
        ));
        if report.repacked.packs > 0 {
            view.say("The old packs go with collections to come, a day from now at the earliest: holdfast gc");
        }
    });
    Ok(Outcome::Done)
}
