//! Brings entries back: as files, by the host alone, or to where they came from, by their plugin.

use crate::error::JobError;
use crate::open::Context;
use crate::select::Paths;
use crate::wire::{SnapshotContent, Troubles};
use holdfast_base::entry::EntryPath;
use holdfast_filetree::{ExtractOptions, Extractor};
use holdfast_repository::format::root::Root;
use holdfast_repository::read::Reader;
use holdfast_repository::restore::{Restored, restore};
use holdfast_repository::{Repository, RepositoryError};
use holdfast_sandbox::plugin::source::RestoreRequest;
use holdfast_sandbox::ports::ContentPort;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What a restore would do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Entries that would be restored.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
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
        if paths.takes(&item.entry.path) {
            plan.entries += 1;
            plan.bytes += item.content_bytes;
        }
    }
    if plan.entries == 0 && !paths.is_all() {
        let wanted = paths
            .exact()
            .first()
            .map_or_else(|| "the pattern".to_owned(), EntryPath::to_string);
        return Err(RepositoryError::NoEntry { path: wanted }.into());
    }
    Ok(plan)
}

/// Restores entries as files below a directory.
///
/// # Errors
/// The snapshot's structure cannot be read, or the target cannot be used.
pub fn to_directory(
    context: &Context,
    repository: &Arc<Repository>,
    root: &Root,
    paths: &Paths,
    target: &Path,
    overwrite: bool,
) -> Result<(Restored, Vec<String>), JobError> {
    let reader = Reader::new(Arc::clone(repository))?;
    let action = format!("use `{}`", target.display());
    let extractor =
        Extractor::new(target, ExtractOptions { overwrite }).map_err(JobError::io(action))?;
    let selection = |path: &EntryPath| paths.takes(path);
    let restored = restore(&reader, root, &selection, &extractor, &context.cancel)?;
    if restored.entries == 0
        && restored.refused.is_empty()
        && restored.damaged.is_empty()
        && !paths.is_all()
    {
        let wanted = paths
            .exact()
            .first()
            .map_or_else(|| "the pattern".to_owned(), EntryPath::to_string);
        return Err(RepositoryError::NoEntry { path: wanted }.into());
    }
    Ok((restored, extractor.notes()))
}

/// Lets a snapshot's own source bring it back to where it came from.
///
/// # Errors
/// The source failed, or is not installed.
pub fn to_source(
    context: &Context,
    repository: &Arc<Repository>,
    root: &Root,
    paths: &Paths,
    overwrite: bool,
) -> Result<Troubles, JobError> {
    if paths.has_patterns() {
        return Err(JobError::usage("a source takes paths, not patterns", None));
    }
    let _lock = context.lock(&root.job)?;
    let ready = context.ready(&root.job, Arc::new(crate::wire::Deaf))?;
    let content = Arc::new(SnapshotContent {
        reader: Arc::new(Reader::new(Arc::clone(repository))?),
        root: root.clone(),
        only: paths.exact().to_vec(),
        cancel: context.cancel.clone(),
        troubles: Mutex::default(),
    });
    let request = RestoreRequest {
        paths: paths
            .exact()
            .iter()
            .map(|path| path.as_bytes().to_vec())
            .collect(),
        overwrite,
        options: Vec::new(),
    };
    let port: Arc<dyn ContentPort> = Arc::clone(&content) as _;
    ready
        .plugin
        .source()?
        .restore(&ready.context, &port, &request)?;
    Ok(std::mem::take(
        &mut *content
            .troubles
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    ))
}
