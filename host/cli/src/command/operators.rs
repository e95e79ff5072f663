//! `rotate`, and who can open a repository.

use super::key::of;
use crate::args::{Keys, NewPassphrase, Rotate};
use crate::exit::Outcome;
use crate::passphrase;
use crate::progress::{Moment, watch};
use crate::view::View;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::keys;
use holdfast_jobs::open::{Context, Credentials};
use holdfast_repository::collect::CollectProgress;
use holdfast_repository::format::announcement::{Announcement, Operator};
use holdfast_repository::operators::Change;
use holdfast_repository::{Repository, RepositoryError};
use std::sync::Arc;

/// Opens the repository, and keeps what it was opened with.
fn opened(context: &Context, keys: &Keys) -> Result<(Arc<Repository>, Credentials), JobError> {
    let store = super::store(context, keys, None)?;
    let credentials = super::credentials(context, &keys.unlock)?;
    Ok((context.open(store, &credentials)?, credentials))
}

/// Returns what operators announced as scripts read it.
fn json(announced: &Announcement, older: &[String]) -> serde_json::Value {
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

pub(super) fn list(context: &Context, keys: &Keys, view: &View) -> Result<Outcome, JobError> {
    let (repository, _) = opened(context, keys)?;
    let Some(announced) = repository.announcement() else {
        return Err(RepositoryError::Unrecorded.into());
    };
    let older = repository.older_epochs()?;
    view.answer(&json(announced, &older), |view| {
        told(announced, view);
        for object in &older {
            view.warn(&format!(
                "{object} is older and still there: whoever could open it still can"
            ));
        }
    });
    Ok(Outcome::Done)
}

/// Shows who can open the repository.
fn told(announced: &Announcement, view: &View) {
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
) -> Result<Outcome, JobError> {
    let (repository, credentials) = opened(context, keys)?;
    let passphrase = match &new.from {
        Some(from) => Some(passphrase::referred(from, context.environment.as_ref())?),
        None if new.ask => Some(passphrase::asked_twice(&context.cancel)?),
        None => None,
    };
    let change = keys::add(&repository, &credentials, recipients, passphrase)?;
    changed(&change, view, |view| {
        view.say("These can open the repository now:");
    });
    Ok(Outcome::Done)
}

pub(super) fn remove(
    context: &Context,
    which: &str,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let (repository, credentials) = opened(context, keys)?;
    let change = keys::remove(&repository, &credentials, which)?;
    changed(&change, view, |view| {
        view.say(
            "What it could read so far, it may have kept: also the key of the epoch that goes on.",
        );
        view.say("Only a new epoch protects what comes after: holdfast rotate --identity FILE");
        view.say("These can open the repository now:");
    });
    Ok(Outcome::Done)
}

/// Shows what a change came to.
fn changed(change: &Change, view: &View, words: impl FnOnce(&View)) {
    let older: Vec<_> = change.kept.iter().map(|(name, _)| name.clone()).collect();
    view.answer(&json(&change.announcement, &older), |view| {
        words(view);
        told(&change.announcement, view);
        for (object, why) in &change.kept {
            view.warn(&format!(
                "{object} stays, and whoever could open it still can: {why}"
            ));
        }
    });
}

pub(crate) fn rotate(context: &Context, rotate: &Rotate, view: &View) -> Result<Outcome, JobError> {
    let keys = of(rotate.store.as_ref(), &rotate.unlock);
    let (repository, credentials) = opened(context, &keys)?;
    let other = match &rotate.same_keys_as {
        Some(other) => Some(context.open(other, &credentials)?),
        None => None,
    };
    let change = keys::rotate(
        &repository,
        &credentials,
        &rotate.recipient,
        &rotate.revoke_host,
        other.as_ref().map(|other| other.key()),
    )?;
    drop(repository);
    let epoch = change.announcement.epoch;
    changed(&change, view, |view| {
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
        let store = super::store(context, &keys, None)?;
        return sealed_anew(context, &context.open(store, &credentials)?, view);
    }
    Ok(Outcome::Done)
}

pub(super) fn reseal(context: &Context, keys: &Keys, view: &View) -> Result<Outcome, JobError> {
    let (repository, _) = opened(context, keys)?;
    sealed_anew(context, &repository, view)
}

fn sealed_anew(
    context: &Context,
    repository: &Arc<Repository>,
    view: &View,
) -> Result<Outcome, JobError> {
    let progress = Arc::new(CollectProgress::default());
    let seen = Arc::clone(&progress);
    let watch = watch(view, "reseal", move || Moment {
        done: 0,
        total: 0,
        words: format!("{} snapshots looked at", seen.snapshots.done()),
    });
    let host = &context.places.host;
    let report = keys::reseal(repository, host, &context.cancel, &progress)?;
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
