//! `restore`.

use crate::args::{Restore, Thaw, ThawTier};
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::progress::{Moment, Watch, watch_work};
use crate::view::View;
use crate::view::snapshot_name;
use holdfast_base::entry::Warning;
use holdfast_base::size::ByteSize;
use holdfast_jobs::context::Context;
use holdfast_jobs::model::{self, Frozen, Thawing};
use holdfast_jobs::restore::{
    self as jobs, Preview, RestoredBySource, RestoredFiles, SourceOptions, Target, ThawWish, Wait,
};
use holdfast_jobs::select::Paths;
use holdfast_jobs::tally::Tally;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Notes that are written one by one; a script gets all of them.
const NOTES_SHOWN: usize = 5;

/// A restore, and the view that shows it.
struct Work<'a> {
    restore: jobs::Restore<'a>,
    view: &'a View,
}

pub(super) fn restore(context: &Context, typed: &Restore, view: &View) -> Result<Outcome, Failure> {
    let paths = Paths::parse(&typed.paths)?;
    let snapshot = &typed.snapshot;
    let access = super::find_access(context, &typed.keys, Some(snapshot))?;
    let wish = thaw_wish(&typed.thaw);
    let work = Work {
        restore: jobs::Restore::choose(context, &access, snapshot, paths, wish)?,
        view,
    };
    match &typed.target {
        _ if typed.dry_run => work.preview(),
        None => work.return_to_source(SourceOptions {
            overwrite: typed.overwrite,
            save: !typed.no_safety_backup,
        }),
        Some(directory) => work.write_files(Target {
            directory,
            overwrite: typed.overwrite,
            trust_times: typed.trust_times,
        }),
    }
}

/// Returns what is to be done with what is cold.
fn thaw_wish(typed: &Thaw) -> ThawWish {
    let tier = match typed.thaw_tier {
        ThawTier::Bulk => model::ThawTier::Bulk,
        ThawTier::Standard => model::ThawTier::Standard,
        ThawTier::Expedited => model::ThawTier::Expedited,
    };
    let days = typed.thaw_days;
    ThawWish {
        ask: typed.thaw.then_some(Thawing { days, tier }),
        wait: typed.wait.then_some(Wait { every: typed.poll }),
    }
}

impl Work<'_> {
    fn name(&self) -> String {
        snapshot_name(&self.restore.root)
    }

    /// Shows what is waited for.
    fn show_waiting(&self, frozen: &Frozen, pause: Duration) {
        let (name, bytes) = (self.name(), ByteSize(frozen.bytes));
        let (packs, seconds) = (frozen.packs, pause.as_secs());
        self.view.note(&format!(
            "{name}: {packs} packs ({bytes}) are being thawed; looking again in {seconds} s"
        ));
    }

    fn preview(&self) -> Result<Outcome, Failure> {
        let report = |frozen: &Frozen, pause| self.show_waiting(frozen, pause);
        let Preview { plan, cold } = self.restore.preview(&report)?;
        let (entries, bytes) = (plan.entries, plan.bytes);
        let json = serde_json::json!({
            "snapshot": self.restore.root.snapshot, "entries": entries, "bytes": bytes,
            "cold": {"packs": cold.packs, "bytes": cold.bytes, "thawing": cold.asked},
        });
        self.view.answer(&json, |view| {
            let (name, bytes) = (self.name(), ByteSize(bytes));
            view.line(&format!("{name}: would restore {entries} entries, {bytes}"));
            if cold.packs > 0 {
                let (packs, bytes, asked) = (cold.packs, ByteSize(cold.bytes), cold.asked);
                view.line(&format!(
                    "  {packs} packs ({bytes}) have to be thawed first; {asked} of them are being thawed"
                ));
            }
        });
        Ok(Outcome::Done)
    }

    fn return_to_source(&self, options: SourceOptions) -> Result<Outcome, Failure> {
        let report = |frozen: &Frozen, pause| self.show_waiting(frozen, pause);
        self.restore.prepare_source(&report)?;
        let tally = Arc::new(Tally::default());
        let watch = self.watch_tally(&tally, 0);
        let returned = self.restore.return_to_source(options, &tally)?;
        drop(watch);
        let RestoredBySource { saved, troubles } = returned;
        if let Some(saved) = &saved {
            let (name, saved) = (self.name(), snapshot_name(saved));
            self.view
                .say(&format!("{name}: what was there is saved as {saved}"));
        }
        let root = &self.restore.root;
        let json = serde_json::json!({
            "snapshot": root.snapshot, "plugin": root.source.plugin,
            "saved": saved.map(|saved| saved.snapshot),
            "refused": warnings_json(&troubles.refused), "damaged": warnings_json(&troubles.damaged),
        });
        self.view.answer(&json, |view| {
            let (name, plugin) = (self.name(), &root.source.plugin);
            view.say(&format!("{name}: restored by plugin {plugin}"));
        });
        Ok(warn_of_troubles(
            &troubles.refused,
            &troubles.damaged,
            self.view,
        ))
    }

    fn write_files(&self, target: Target<'_>) -> Result<Outcome, Failure> {
        let report = |frozen: &Frozen, pause| self.show_waiting(frozen, pause);
        let plan = self.restore.prepare_files(&report)?;
        let tally = Arc::new(Tally::default());
        let watch = self.watch_tally(&tally, plan.bytes);
        let RestoredFiles { restored, notes } = self.restore.write_files(&plan, target, &tally)?;
        drop(watch);
        let json = serde_json::json!({
            "snapshot": self.restore.root.snapshot, "entries": restored.entries, "bytes": restored.bytes,
            "already-there": restored.already_there, "notes": notes,
            "refused": warnings_json(&restored.refused), "damaged": warnings_json(&restored.damaged),
        });
        self.view.answer(&json, |view| {
            let before = match restored.already_there {
                0 => String::new(),
                count => format!(" ({count} were there already)"),
            };
            let (name, bytes) = (self.name(), ByteSize(restored.bytes));
            let (entries, place) = (restored.entries, target.directory.display());
            view.say(&format!(
                "{name}: restored {entries} entries, {bytes} to {place}{before}"
            ));
        });
        let outcome = warn_of_troubles(&restored.refused, &restored.damaged, self.view);
        Ok(warn_of_notes(&notes, outcome, self.view))
    }

    fn watch_tally(&self, tally: &Arc<Tally>, total: u64) -> Watch {
        let tally = Arc::clone(tally);
        watch_work(self.view, &self.name(), move || Moment {
            done: tally.bytes.load(Ordering::Relaxed),
            total,
            words: describe_tally(&tally, "restored"),
        })
    }
}

/// Describes how much was moved.
pub(super) fn describe_tally(tally: &Tally, done: &str) -> String {
    let bytes = ByteSize(tally.bytes.load(Ordering::Relaxed));
    let entries = tally.entries.load(Ordering::Relaxed);
    format!("{entries} entries, {bytes} {done}")
}

fn warnings_json(warnings: &[Warning]) -> Vec<serde_json::Value> {
    let one = |warning: &Warning| serde_json::json!({"path": warning.subject, "message": warning.message});
    warnings.iter().map(one).collect()
}

/// Warns of what came back otherwise than it was, and returns how the command ends then.
fn warn_of_notes(notes: &[String], outcome: Outcome, view: &View) -> Outcome {
    for note in notes.iter().take(NOTES_SHOWN) {
        view.warn(note);
    }
    if let Some(more) = notes
        .len()
        .checked_sub(NOTES_SHOWN)
        .filter(|more| *more > 0)
    {
        view.warn(&format!("and {more} more: --json names all"));
    }
    match outcome {
        Outcome::Done if !notes.is_empty() => Outcome::Warnings,
        other => other,
    }
}

/// Warns of what did not come back, and returns how the command ends then.
fn warn_of_troubles(refused: &[Warning], damaged: &[Warning], view: &View) -> Outcome {
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
