//! `check --repair`.

use super::check::{report_json, show_damage, show_summary, watch_check};
use crate::advice;
use crate::args::{Check, Keys, Unlock};
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_base::progress::Progress;
use holdfast_jobs::context::Context;
use holdfast_jobs::model::{Deed, Depth, RepairStep, Repaired};
use holdfast_jobs::open::Access;
use holdfast_jobs::upkeep::{RepairOptions, repair_repository};
use std::sync::Arc;

pub(super) fn repair(context: &Context, check: &Check, view: &View) -> Result<Outcome, Failure> {
    let keys = Keys::for_store(check.store.as_ref(), &check.unlock);
    let access = super::find_access(context, &keys, None)?;
    let from = match &check.from {
        Some(from) => Some(find_second(context, check, from)?),
        None => None,
    };
    let options = RepairOptions {
        depth: if check.data {
            Depth::Data
        } else {
            Depth::Structure
        },
        from: from.as_ref(),
        is_dry: check.dry_run,
    };
    let progress = Arc::new(Progress::default());
    let watch = watch_check(view, &progress);
    let repaired = repair_repository(context, &access, &options, &progress)?;
    drop(watch);
    view.answer(&repaired_json(&repaired, check.dry_run), |view| {
        show_summary(&repaired.before, check.data, view);
        show_repaired(&repaired, check.dry_run, view);
    });
    Ok(find_outcome(&repaired))
}

/// Returns what opens the store to heal from: an operator, the key file that was named, or its own.
fn find_second(context: &Context, check: &Check, from: &String) -> Result<Access, Failure> {
    let unlock = Unlock {
        operator: check.unlock.operator.clone(),
        key: check.from_key.clone(),
    };
    super::find_access(context, &Keys::for_store(Some(from), &unlock), None)
}

/// Returns how or why something was done, and how what is left of it is ended.
fn spell_detail(deed: &Deed) -> String {
    deed.advice
        .as_ref()
        .map_or_else(|| deed.detail.clone(), advice::spell)
}

fn repaired_json(repaired: &Repaired, is_dry: bool) -> serde_json::Value {
    let deeds: Vec<_> = repaired
        .deeds
        .iter()
        .map(|deed| {
            serde_json::json!({"did": deed.what.to_string(), "object": deed.object, "detail": spell_detail(deed)})
        })
        .collect();
    serde_json::json!({
        "dry-run": is_dry, "deeds": deeds, "before": report_json(&repaired.before),
        "after": repaired.after.as_ref().map(report_json),
    })
}

fn show_repaired(repaired: &Repaired, is_dry: bool, view: &View) {
    for deed in &repaired.deeds {
        view.line(&format!(
            "{}: {}: {}",
            deed.what,
            deed.object,
            spell_detail(deed)
        ));
    }
    let now = repaired.after.as_ref().unwrap_or(&repaired.before);
    show_damage(now, view);
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

fn find_outcome(repaired: &Repaired) -> Outcome {
    let is_kept = repaired
        .deeds
        .iter()
        .any(|deed| deed.what == RepairStep::Kept);
    if !repaired.remaining().is_empty() {
        Outcome::Damage
    } else if is_kept {
        Outcome::Warnings
    } else {
        Outcome::Done
    }
}
