//! Brings entries back: as files, by the host alone, or into their source, by its plugin.

/// Restores hard links without what they refer to.
mod links;
/// What a restore would do.
mod plan;
/// Saves what is there before a restore replaces it.
mod safety;
/// Thaws what a restore needs, before it begins.
mod thaw;

pub use plan::RestorePlan;
pub use thaw::{Report, ThawWish, Wait};

use crate::claim::claim_job;
use crate::context::Context;
use crate::error::JobError;
use crate::files::FileError;
use crate::load::load_source;
use crate::open::{Access, require_reading};
use crate::select::{Paths, find_snapshot};
use crate::tally::{CountedTarget, Tally};
use crate::wire::{SnapshotContent, Troubles};
use holdfast_base::entry::EntryPath;
use holdfast_base::sync::Unpoisoned;
use holdfast_filetree::{ExtractOptions, Extractor};
use holdfast_repository::Repository;
use holdfast_repository::format::root::Root;
use holdfast_repository::read::Reader;
use holdfast_repository::restore::{Restored, restore};
use holdfast_repository::thaw::Frozen;
use holdfast_sandbox::plugin::source::RestoreRequest;
use holdfast_sandbox::ports::ContentPort;
use links::RenamingTarget;
use safety::make_safety_backup;
use std::path::Path;
use std::sync::{Arc, Mutex};
use thaw::Thawer;

/// A snapshot that is restored, or some paths of it.
pub struct Restore<'a> {
    context: &'a Context,
    access: &'a Access,
    repository: Arc<Repository>,
    /// The snapshot.
    pub root: Root,
    paths: Paths,
    wish: ThawWish,
}

/// A directory, and how files are restored below it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Whether what stands in the way is replaced.
    pub overwrite: bool,
    /// Whether a file of the right size and time is left alone without being read.
    pub trust_times: bool,
}

/// What a restore would do, and what keeps it from beginning.
#[derive(Debug)]
pub struct Preview {
    /// What it would do.
    pub plan: RestorePlan,
    /// What has to be thawed first.
    pub cold: Frozen,
}

/// What came back as files.
#[derive(Debug)]
pub struct RestoredFiles {
    /// What was restored, and what was not.
    pub restored: Restored,
    /// What came back otherwise than it was.
    pub notes: Vec<String>,
}

/// How a source brings a snapshot back.
#[derive(Debug, Clone, Copy)]
pub struct SourceOptions {
    /// Whether what stands in the way is replaced.
    pub overwrite: bool,
    /// Whether what is there is saved before.
    pub save: bool,
}

/// What a source was asked to bring back.
pub struct RestoredBySource {
    /// A snapshot of what was there before.
    pub saved: Option<Root>,
    /// What it did not bring back.
    pub troubles: Troubles,
}

impl<'a> Restore<'a> {
    /// Finds the snapshot that is restored.
    ///
    /// # Errors
    /// The repository cannot be opened, or there is no such snapshot.
    pub fn choose(
        context: &'a Context,
        access: &'a Access,
        snapshot: &str,
        paths: Paths,
        wish: ThawWish,
    ) -> Result<Self, JobError> {
        let repository = access.open(context)?;
        let root = find_snapshot(&repository, snapshot)?;
        Ok(Self {
            context,
            access,
            repository,
            root,
            paths,
            wish,
        })
    }

    fn thawer<'t>(&'t self, report: Report<'t>) -> Result<Thawer<'t>, JobError> {
        Thawer::new(
            self.context,
            &self.repository,
            &self.root,
            self.wish,
            report,
        )
    }

    /// Finds out what a restore would do.
    ///
    /// # Errors
    /// The snapshot cannot be read yet, or holds nothing of what was asked for.
    pub fn preview(&self, report: Report<'_>) -> Result<Preview, JobError> {
        let thawer = self.thawer(report)?;
        thawer.thaw_lists(true)?;
        let plan = RestorePlan::of_paths(&self.repository, &self.root, &self.paths)?;
        let cold = thawer.find_frozen(&self.paths, &plan)?;
        Ok(Preview { plan, cold })
    }

    /// Makes sure that all can be read that files are restored from.
    ///
    /// # Errors
    /// It cannot yet, or the snapshot holds nothing of what was asked for.
    pub fn prepare_files(&self, report: Report<'_>) -> Result<RestorePlan, JobError> {
        let thawer = self.thawer(report)?;
        thawer.thaw_lists(!self.paths.is_all())?;
        let plan = if self.paths.is_all() {
            RestorePlan::of_everything(&self.root)
        } else {
            RestorePlan::of_paths(&self.repository, &self.root, &self.paths)?
        };
        thawer.thaw_content(&self.paths, Some(&plan))?;
        Ok(plan)
    }

    /// Makes sure that all can be read that a source may ask for.
    ///
    /// # Errors
    /// It cannot yet.
    pub fn prepare_source(&self, report: Report<'_>) -> Result<(), JobError> {
        let thawer = self.thawer(report)?;
        thawer.thaw_lists(!self.paths.is_all())?;
        thawer.thaw_content(&self.paths, None)
    }

    /// Restores what was planned as files below a directory.
    ///
    /// # Errors
    /// The snapshot's structure cannot be read, or the target cannot be used.
    pub fn write_files(
        &self,
        plan: &RestorePlan,
        target: Target<'_>,
        tally: &Arc<Tally>,
    ) -> Result<RestoredFiles, JobError> {
        let (job, snapshot) = (&self.root.job, self.root.snapshot);
        let shown = target.directory.display();
        tracing::info!("{job}@{snapshot}: restores below {shown}");
        let reader = Reader::new(Arc::clone(&self.repository))?;
        // Before anything is made there.
        require_reading(&self.repository)?;
        if target.directory.exists() && !target.directory.is_dir() {
            let path = shown.to_string();
            return Err(JobError::NoDirectory { path });
        }
        let options = ExtractOptions {
            overwrite: target.overwrite,
            trust_times: target.trust_times,
        };
        let extractor = Extractor::new(target.directory, options);
        let extractor = extractor.map_err(FileError::about("use", target.directory))?;
        let renaming = RenamingTarget {
            target: &extractor,
            stand_ins: &plan.stand_ins,
            above: Mutex::default(),
        };
        let counted = CountedTarget {
            target: &renaming,
            tally,
        };
        let selection = |path: &EntryPath| self.paths.includes(path) || plan.has_stand_in(path);
        let cancel = &self.context.cancel;
        let mut restored = restore(&reader, &self.root, &selection, &counted, cancel)?;
        // An entry and the link that it was restored as are one.
        let twice = plan.stand_ins.len() as u64;
        restored.entries = restored.entries.saturating_sub(twice);
        Ok(RestoredFiles {
            restored,
            notes: extractor.notes(),
        })
    }

    /// Lets a snapshot's own source bring it back, once what is there is saved.
    ///
    /// # Errors
    /// What is there cannot be saved, and nothing was changed; or the source failed, or is not installed.
    pub fn return_to_source(
        &self,
        options: SourceOptions,
        tally: &Arc<Tally>,
    ) -> Result<RestoredBySource, JobError> {
        if self.paths.has_patterns() {
            return Err(JobError::PatternsForSource);
        }
        let (context, job) = (self.context, &self.root.job);
        let _claim = claim_job(context, job)?;
        let saved = if options.save {
            make_safety_backup(context, job, &self.access.credentials)?
        } else {
            None
        };
        let source = load_source(context, job)?;
        let content = Arc::new(SnapshotContent {
            reader: Arc::new(Reader::new(Arc::clone(&self.repository))?),
            root: self.root.clone(),
            only: self.paths.exact_paths().to_vec(),
            cancel: context.cancel.clone(),
            tally: Arc::clone(tally),
            troubles: Mutex::default(),
        });
        let paths = self.paths.exact_paths().iter();
        let request = RestoreRequest {
            paths: paths.map(|path| path.as_bytes().to_vec()).collect(),
            overwrite: options.overwrite,
            options: Vec::new(),
        };
        let port: Arc<dyn ContentPort> = Arc::clone(&content) as _;
        let plugin = source.plugin.source()?;
        plugin.restore(&source.call, &port, &request)?;
        let mut troubles = content.troubles.lock_unpoisoned();
        Ok(RestoredBySource {
            saved,
            troubles: std::mem::take(&mut *troubles),
        })
    }
}
