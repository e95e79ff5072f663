//! Brings entries back: as files, by the host alone, or to where they came from, by their plugin.

use crate::error::JobError;
use crate::links::{Renamed, StandIns};
use crate::open::{Context, Credentials};
use crate::safety;
use crate::select::Paths;
use crate::tally::{CountedTarget, Tally};
use crate::wire::{SnapshotContent, Troubles};
use holdfast_base::entry::{EntryKind, EntryPath};
use holdfast_base::sync::Unpoisoned;
use holdfast_filetree::{ExtractOptions, Extractor};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::read::Reader;
use holdfast_repository::restore::{Restored, restore};
use holdfast_repository::{Repository, RepositoryError};
use holdfast_sandbox::plugin::source::RestoreRequest;
use holdfast_sandbox::ports::ContentPort;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What a restore would do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Entries that would be restored.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Hard links that are wanted without the entry that they refer to, by that entry.
    stand_ins: StandIns,
}

impl Plan {
    /// A restore of everything, as the snapshot itself counts it.
    #[must_use]
    pub fn whole(root: &Root) -> Self {
        Self {
            entries: root.counts.entries,
            bytes: root.counts.bytes,
            stand_ins: StandIns::new(),
        }
    }

    /// Returns whether an entry's content is wanted by a link to it.
    pub(crate) fn stands_in_for(&self, path: &EntryPath) -> bool {
        self.stand_ins.contains_key(path)
    }
}

/// Says what a restore would do, without writing anything.
///
/// # Errors
/// The snapshot cannot be read, or holds nothing of what was asked for.
pub fn plan(repository: &Arc<Repository>, root: &Root, paths: &Paths) -> Result<Plan, JobError> {
    let reader = Reader::new(Arc::clone(repository))?;
    let mut plan = Plan::default();
    for item in reader.items(root)? {
        let (item, _) = item?;
        if !paths.takes(&item.entry.path) {
            continue;
        }
        plan.entries += 1;
        plan.bytes += item.content_bytes;
        if let EntryKind::HardLink { target } = item.entry.kind
            && !paths.takes(&target)
        {
            let links = plan.stand_ins.entry(target).or_default();
            links.push(item.entry.path);
        }
    }
    if plan.entries == 0 && !paths.is_all() {
        return Err(RepositoryError::NoEntry {
            path: paths.words(),
        }
        .into());
    }
    if !plan.stand_ins.is_empty() {
        for item in reader.items(root)? {
            let (item, _) = item?;
            if plan.stand_ins.contains_key(&item.entry.path) {
                plan.bytes += item.content_bytes;
            }
        }
    }
    Ok(plan)
}

/// Where and how files are restored.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Whether what stands in the way is replaced.
    pub overwrite: bool,
}

/// Restores what was planned as files below a directory.
///
/// # Errors
/// The snapshot's structure cannot be read, or the target cannot be used.
pub fn to_directory(
    context: &Context,
    repository: &Arc<Repository>,
    root: &Root,
    (paths, plan): (&Paths, &Plan),
    target: Target<'_>,
    tally: &Arc<Tally>,
) -> Result<(Restored, Vec<String>), JobError> {
    let (job, snapshot) = (&root.job, root.snapshot);
    tracing::info!(
        "{job}@{snapshot}: restores below {}",
        target.directory.display()
    );
    let reader = Reader::new(Arc::clone(repository))?;
    // Before anything is made there.
    let allowed = repository.key().require(Role::Read);
    allowed.map_err(RepositoryError::from)?;
    if target.directory.exists() && !target.directory.is_dir() {
        let message = format!("`{}` is no directory", target.directory.display());
        let hint = "Name a directory, which need not be there yet: --target DIR";
        return Err(JobError::usage(message, Some(hint)));
    }
    let action = format!("use `{}`", target.directory.display());
    let options = ExtractOptions {
        overwrite: target.overwrite,
    };
    let extractor = Extractor::new(target.directory, options).map_err(JobError::io(action))?;
    let renamed = Renamed {
        target: &extractor,
        stand_ins: &plan.stand_ins,
    };
    let counted = CountedTarget {
        target: &renamed,
        tally,
    };
    let selection = |path: &EntryPath| paths.takes(path) || plan.stand_ins.contains_key(path);
    let mut restored = restore(&reader, root, &selection, &counted, &context.cancel)?;
    // An entry and the link that it was restored as are one.
    let twice = plan.stand_ins.len() as u64;
    restored.entries = restored.entries.saturating_sub(twice);
    Ok((restored, extractor.notes()))
}

/// How a source brings a snapshot back.
pub struct ToSource<'a> {
    /// Whether what stands in the way is replaced.
    pub overwrite: bool,
    /// With what a safety backup opens the repository; none is made without.
    pub save: Option<&'a Credentials>,
    /// Counts what was moved.
    pub tally: &'a Arc<Tally>,
}

/// What a source was asked to bring back.
pub struct Returned {
    /// What was there before.
    pub saved: Option<Root>,
    /// What it did not bring back.
    pub troubles: Troubles,
}

/// Lets a snapshot's own source bring it back to where it came from, once what is there is saved.
///
/// # Errors
/// What is there cannot be saved, and nothing was changed; or the source failed, or is not installed.
pub fn to_source(
    context: &Context,
    repository: &Arc<Repository>,
    root: &Root,
    paths: &Paths,
    how: &ToSource<'_>,
) -> Result<Returned, JobError> {
    if paths.has_patterns() {
        return Err(JobError::usage("a source takes paths, not patterns", None));
    }
    let _lock = context.lock(&root.job)?;
    let saved = match how.save {
        Some(credentials) => safety::save(context, &root.job, credentials)?,
        None => None,
    };
    let ready = context.ready(&root.job, Arc::new(crate::wire::Deaf))?;
    let content = Arc::new(SnapshotContent {
        reader: Arc::new(Reader::new(Arc::clone(repository))?),
        root: root.clone(),
        only: paths.exact().to_vec(),
        cancel: context.cancel.clone(),
        tally: Arc::clone(how.tally),
        troubles: Mutex::default(),
    });
    let request = RestoreRequest {
        paths: paths
            .exact()
            .iter()
            .map(|path| path.as_bytes().to_vec())
            .collect(),
        overwrite: how.overwrite,
        options: Vec::new(),
    };
    let port: Arc<dyn ContentPort> = Arc::clone(&content) as _;
    ready
        .plugin
        .source()?
        .restore(&ready.context, &port, &request)?;
    let mut troubles = content.troubles.lock_unpoisoned();
    Ok(Returned {
        saved,
        troubles: std::mem::take(&mut *troubles),
    })
}
