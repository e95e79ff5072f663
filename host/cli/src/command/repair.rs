//! `check --repair`.

use super::check::{json, summary, told, watched};
use crate::args::{Check, Keys, Unlock};
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::progress::Progress;
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_repository::Repository;
use holdfast_repository::check::Depth;
use holdfast_repository::repair::{Options, Repaired, Second, What, repair};
use std::sync::Arc;

pub(crate) fn run(context: &Context, check: &Check, view: &View) -> Result<Outcome, JobError> {
    let keys = Keys {
        unlock: check.unlock.clone(),
        store: check.store.clone(),
    };
    let store = super::store(context, &keys, None)?;
    let repository = super::open(context, &keys, None)?;
    let second = match &check.from {
        Some(from) => Some(second(context, check, from, &repository)?),
        None => None,
    };
    let options = Options {
        depth: if check.data {
            Depth::Data
        } else {
            Depth::Structure
        },
        second: second.as_ref(),
        parity: context.config.store(store)?.shape(),
        is_dry: check.dry_run,
    };
    let progress = Arc::new(Progress::default());
    let watch = watched(view, &progress);
    let repaired = repair(&repository, options, &context.cancel, &progress)?;
    drop(watch);
    view.answer(&answer(&repaired, check.dry_run), |view| {
        summary(&repaired.before, check.data, view);
        show(&repaired, check.dry_run, view);
    });
    Ok(outcome(&repaired))
}

/// Opens the repository to heal from: as an operator, with the key file that was named, or with its own.
fn second(
    context: &Context,
    check: &Check,
    from: &str,
    repository: &Repository,
) -> Result<Second, JobError> {
    let keys = Keys {
        unlock: Unlock {
            operator: check.unlock.operator.clone(),
            key: check.from_key.clone(),
        },
        store: Some(from.to_owned()),
    };
    let opened = super::open(context, &keys, None)?;
    Ok(Second::new(repository, opened)?)
}

fn answer(repaired: &Repaired, is_dry: bool) -> serde_json::Value {
    let deeds: Vec<_> = repaired
        .deeds
        .iter()
        .map(|deed| {
            serde_json::json!({"did": deed.what.to_string(), "object": deed.object, "detail": deed.detail})
        })
        .collect();
    serde_json::json!({
        "dry-run": is_dry, "deeds": deeds, "before": json(&repaired.before),
        "after": repaired.after.as_ref().map(json),
    })
}

fn show(repaired: &Repaired, is_dry: bool, view: &View) {
    for deed in &repaired.deeds {
        view.line(&format!("{}: {}: {}", deed.what, deed.object, deed.detail));
    }
    let now = repaired.after.as_ref().unwrap_or(&repaired.before);
    told(now, view);
    view.say(match (repaired.deeds.is_empty(), is_dry) {
        (true, _) if now.damage.is_empty() => "no damage found",
        (true, _) => "nothing of it can be mended with what was given",
        (false, true) => "this is what a repair would do; nothing was changed",
        (false, false) if now.damage.is_empty() => "repaired: no damage is left",
        (false, false) if repaired.remaining().is_empty() => {
            "repaired, but for what the store does not let go"
        }
        (false, false) => "repaired as far as that was possible; what is named as damaged still is",
    });
}

fn outcome(repaired: &Repaired) -> Outcome {
    let is_kept = repaired.deeds.iter().any(|deed| deed.what == What::Kept);
    if !repaired.remaining().is_empty() {
        Outcome::Damage
    } else if is_kept {
        Outcome::Warnings
    } else {
        Outcome::Done
    }
}
