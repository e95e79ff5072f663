//! `restore`.

use crate::args::{Restore, Thaw, ThawTier};
use crate::exit::Outcome;
use crate::progress::{Moment, Watch, watch};
use crate::view::View;
use holdfast_base::entry::Warning;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::open::{Context, Credentials};
use holdfast_jobs::restore::{Plan, Returned, Target, ToSource, plan, to_directory, to_source};
use holdfast_jobs::select::{self, Paths};
use holdfast_jobs::tally::Tally;
use holdfast_jobs::thaw::{Thawer, Thawing, Tier, Told, Wait, Wish};
use holdfast_repository::Repository;
use holdfast_repository::format::root::Root;
use holdfast_repository::thaw::Frozen;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Notes that are written one by one; a script gets all of them.
const NOTES_SHOWN: usize = 5;

/// What is restored, and for whom it is told.
struct Work<'a> {
    context: &'a Context,
    repository: Arc<Repository>,
    root: Root,
    paths: Paths,
    wish: Wish,
    view: &'a View,
}

pub(crate) fn run(context: &Context, restore: &Restore, view: &View) -> Result<Outcome, JobError> {
    let paths = Paths::new(&restore.paths)?;
    let store = super::store(context, &restore.keys, Some(&restore.snapshot))?;
    let credentials = super::credentials(context, &restore.keys.unlock)?;
    let repository = context.open(store, &credentials)?;
    let root = select::snapshot(&repository, &restore.snapshot)?;
    let work = Work {
        context,
        repository,
        root,
        paths,
        wish: wish(&restore.thaw),
        view,
    };
    match &restore.target {
        _ if restore.dry_run => work.only_say(),
        None => work.to_source(restore, &credentials),
        Some(directory) => work.to_directory(Target {
            directory,
            overwrite: restore.overwrite,
        }),
    }
}

/// Returns what is to be done with what is cold.
fn wish(typed: &Thaw) -> Wish {
    let tier = match typed.thaw_tier {
        ThawTier::Bulk => Tier::Bulk,
        ThawTier::Standard => Tier::Standard,
        ThawTier::Expedited => Tier::Expedited,
    };
    let days = typed.thaw_days;
    Wish {
        ask: typed.thaw.then_some(Thawing { days, tier }),
        wait: typed.wait.then_some(Wait { every: typed.poll }),
    }
}

impl Work<'_> {
    fn name(&self) -> String {
        format!("{}@{}", self.root.job, self.root.snapshot.short())
    }

    fn plan(&self) -> Result<Plan, JobError> {
        plan(&self.repository, &self.root, &self.paths)
    }

    /// Says what is waited for.
    fn told(&self, frozen: &Frozen, pause: Duration) {
        let (name, bytes) = (self.name(), ByteSize(frozen.bytes));
        let (packs, seconds) = (frozen.packs, pause.as_secs());
        self.view.note(&format!(
            "{name}: {packs} packs ({bytes}) are being thawed; looking again in {seconds} s"
        ));
    }

    fn thawer<'a>(&'a self, told: Told<'a>) -> Result<Thawer<'a>, JobError> {
        Thawer::new(self.context, &self.repository, &self.root, self.wish, told)
    }

    fn only_say(&self) -> Result<Outcome, JobError> {
        let told = |frozen: &Frozen, pause| self.told(frozen, pause);
        let thawer = self.thawer(&told)?;
        thawer.lists(true)?;
        let plan = self.plan()?;
        let cold = thawer.look(&self.paths, &plan)?;
        let Plan { entries, bytes, .. } = plan;
        let json = serde_json::json!({
            "snapshot": self.root.snapshot, "entries": entries, "bytes": bytes,
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

    fn to_source(&self, restore: &Restore, credentials: &Credentials) -> Result<Outcome, JobError> {
        let told = |frozen: &Frozen, pause| self.told(frozen, pause);
        let thawer = self.thawer(&told)?;
        thawer.lists(!self.paths.is_all())?;
        thawer.content(&self.paths, None)?;
        let tally = Arc::new(Tally::default());
        let watch = self.watch(&tally, 0);
        let (root, paths) = (&self.root, &self.paths);
        let how = ToSource {
            overwrite: restore.overwrite,
            save: (!restore.no_safety_backup).then_some(credentials),
            tally: &tally,
        };
        let returned = to_source(self.context, &self.repository, root, paths, &how)?;
        drop(watch);
        let Returned { saved, troubles } = returned;
        if let Some(saved) = &saved {
            let (name, job, id) = (self.name(), &saved.job, saved.snapshot.short());
            self.view
                .say(&format!("{name}: what was there is saved as {job}@{id}"));
        }
        let json = serde_json::json!({
            "snapshot": root.snapshot, "plugin": root.source.plugin,
            "saved": saved.map(|saved| saved.snapshot),
            "refused": shown(&troubles.refused), "damaged": shown(&troubles.damaged),
        });
        self.view.answer(&json, |view| {
            let (name, plugin) = (self.name(), &root.source.plugin);
            view.say(&format!("{name}: restored by plugin {plugin}"));
        });
        Ok(outcome(&troubles.refused, &troubles.damaged, self.view))
    }

    fn to_directory(&self, target: Target<'_>) -> Result<Outcome, JobError> {
        let told = |frozen: &Frozen, pause| self.told(frozen, pause);
        let thawer = self.thawer(&told)?;
        thawer.lists(!self.paths.is_all())?;
        let plan = if self.paths.is_all() {
            Plan::whole(&self.root)
        } else {
            self.plan()?
        };
        thawer.content(&self.paths, Some(&plan))?;
        let tally = Arc::new(Tally::default());
        let watch = self.watch(&tally, plan.bytes);
        let (repository, root) = (&self.repository, &self.root);
        let what = (&self.paths, &plan);
        let (restored, notes) = to_directory(self.context, repository, root, what, target, &tally)?;
        drop(watch);
        let json = serde_json::json!({
            "snapshot": root.snapshot, "entries": restored.entries, "bytes": restored.bytes,
            "already-there": restored.already_there, "notes": notes,
            "refused": shown(&restored.refused), "damaged": shown(&restored.damaged),
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
        let outcome = outcome(&restored.refused, &restored.damaged, self.view);
        Ok(noted(&notes, outcome, self.view))
    }

    fn watch(&self, tally: &Arc<Tally>, total: u64) -> Watch {
        let tally = Arc::clone(tally);
        watch(self.view, &self.name(), move || Moment {
            done: tally.bytes.load(Ordering::Relaxed),
            total,
            words: words(&tally, "restored"),
        })
    }
}

/// Says how much was moved.
pub(super) fn words(tally: &Tally, done: &str) -> String {
    let bytes = ByteSize(tally.bytes.load(Ordering::Relaxed));
    let entries = tally.entries.load(Ordering::Relaxed);
    format!("{entries} entries, {bytes} {done}")
}

fn shown(warnings: &[Warning]) -> Vec<serde_json::Value> {
    let one = |warning: &Warning| serde_json::json!({"path": warning.subject, "message": warning.message});
    warnings.iter().map(one).collect()
}

/// Tells what came back otherwise than it was, and says how the command ends then.
fn noted(notes: &[String], outcome: Outcome, view: &View) -> Outcome {
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
