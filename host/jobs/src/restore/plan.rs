//! What a restore would do, without writing anything.

use super::links::StandIns;
use crate::error::JobError;
use crate::select::Paths;
use holdfast_base::entry::{EntryKind, EntryPath};
use holdfast_repository::format::root::Root;
use holdfast_repository::read::Reader;
use holdfast_repository::{ReadError, Repository};
use std::sync::Arc;

/// What a restore would do.
#[derive(Debug, Default)]
pub struct RestorePlan {
    /// Entries that would be restored.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Hard links that are wanted without the entry that they refer to, by that entry.
    pub(super) stand_ins: StandIns,
}

impl RestorePlan {
    /// Plans a restore of everything, as the snapshot itself counts it.
    pub(super) fn of_everything(root: &Root) -> Self {
        Self {
            entries: root.counts.entries,
            bytes: root.counts.bytes,
            stand_ins: StandIns::new(),
        }
    }

    /// Plans a restore of some paths.
    ///
    /// # Errors
    /// The snapshot cannot be read, or holds nothing of what was asked for.
    pub(super) fn of_paths(
        repository: &Arc<Repository>,
        root: &Root,
        paths: &Paths,
    ) -> Result<Self, JobError> {
        let reader = Reader::new(Arc::clone(repository))?;
        let mut plan = Self::default();
        for item in reader.read_items(root)? {
            let (item, _) = item?;
            if !paths.includes(&item.entry.path) {
                continue;
            }
            plan.entries += 1;
            plan.bytes += item.content_bytes;
            if let EntryKind::HardLink { target } = item.entry.kind
                && !paths.includes(&target)
            {
                let links = plan.stand_ins.entry(target).or_default();
                links.push(item.entry.path);
            }
        }
        if plan.entries == 0 && !paths.is_all() {
            let path = paths.as_words();
            return Err(ReadError::NoEntry { path }.into());
        }
        if !plan.stand_ins.is_empty() {
            for item in reader.read_items(root)? {
                let (item, _) = item?;
                if plan.has_stand_in(&item.entry.path) {
                    plan.bytes += item.content_bytes;
                }
            }
        }
        Ok(plan)
    }

    /// Returns whether an entry's content is wanted by a link to it.
    pub(super) fn has_stand_in(&self, path: &EntryPath) -> bool {
        self.stand_ins.contains_key(path)
    }
}
