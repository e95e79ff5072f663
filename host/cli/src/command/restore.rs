//! `restore`.

use crate::args::Restore;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::entry::Warning;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_jobs::restore::{plan, to_directory, to_source};
use holdfast_jobs::select::{self, Paths};

pub(crate) fn run(context: &Context, restore: &Restore, view: &View) -> Result<Outcome, JobError> {
    let paths = Paths::new(&restore.paths)?;
    let repository = super::open(context, &restore.keys, Some(&restore.snapshot))?;
    let root = select::snapshot(&repository, &restore.snapshot)?;
    let name = format!("{}@{}", root.job, root.snapshot.short());
    if restore.dry_run {
        let plan = plan(&repository, &root, &paths)?;
        let json = serde_json::json!({"snapshot": root.snapshot, "entries": plan.entries, "bytes": plan.bytes});
        view.answer(&json, |view| {
            view.line(&format!(
                "{name}: would restore {} entries, {}",
                plan.entries,
                ByteSize(plan.bytes)
            ));
        });
        return Ok(Outcome::Done);
    }
    let Some(target) = &restore.target else {
        let troubles = to_source(context, &repository, &root, &paths, restore.overwrite)?;
        view.say(&format!(
            "{name}: restored by plugin {}",
            root.source.plugin
        ));
        return Ok(outcome(&troubles.refused, &troubles.damaged, view));
    };
    let (restored, notes) = to_directory(
        context,
        &repository,
        &root,
        &paths,
        target,
        restore.overwrite,
    )?;
    let json = serde_json::json!({
        "snapshot": root.snapshot, "entries": restored.entries, "bytes": restored.bytes,
        "already-there": restored.already_there,
        "refused": restored.refused.iter().map(shown).collect::<Vec<_>>(),
        "damaged": restored.damaged.iter().map(shown).collect::<Vec<_>>(),
    });
    view.answer(&json, |view| {
        let before = match restored.already_there {
            0 => String::new(),
            count => format!(" ({count} were there already)"),
        };
        view.say(&format!(
            "{name}: restored {} entries, {} to {}{before}",
            restored.entries,
            ByteSize(restored.bytes),
            target.display()
        ));
    });
    for note in notes.iter().take(5) {
        view.warn(note);
    }
    let outcome = outcome(&restored.refused, &restored.damaged, view);
    Ok(if notes.is_empty() || outcome == Outcome::Damage {
        outcome
    } else {
        Outcome::Warnings
    })
}

fn shown(warning: &Warning) -> serde_json::Value {
    serde_json::json!({"path": warning.subject, "message": warning.message})
}

fn outcome(refused: &[Warning], damaged: &[Warning], view: &View) -> Outcome {
    for warning in refused.iter().chain(damaged) {
        view.warn(&format!("{}: {}", warning.subject, warning.message));
    }
    if !damaged.is_empty() {
        Outcome::Damage
    } else if !refused.is_empty() {
        Outcome::Warnings
    } else {
        Outcome::Done
    }
}
