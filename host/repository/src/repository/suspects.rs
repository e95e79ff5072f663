//! Packs that are not relied on: those that are gone, and those in which a check found damage.
//!
//! - A run stores anew what lies only in them, as far as it meets it.
//! - A reader looks into them last: what was stored anew comes back for old snapshots, too.
//!
//! What a check found is noted in the cache. Whoever writes there can only cause more to be stored.

use crate::format::segment::IndexedPack;
use crate::ground::names::PACKS;
use crate::index::Index;
use crate::objects::error::{ObjectError, ObjectFault};
use crate::repository::Repository;
use holdfast_base::id::{PackId, SegmentId};
use holdfast_store::Name;
use std::collections::HashSet;
use std::path::PathBuf;

/// Listings of the index, before it is said to be damaged.
const LISTINGS_MAX: u32 = 4;

impl Repository {
    /// Loads the index for reading.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn index(&self) -> Result<Index, ObjectError> {
        let (mut index, suspect_packs) = self.load_surely()?;
        if !suspect_packs.is_empty() {
            index.suspect(&suspect_packs);
        }
        Ok(index)
    }

    /// Loads the index of what a run need not store again: not what lies only in packs to be avoided.
    pub(crate) fn index_for_writing(
        &self,
        avoided: &HashSet<PackId>,
    ) -> Result<Index, ObjectError> {
        let (mut index, mut suspect_packs) = self.load_surely()?;
        if !suspect_packs.is_empty() {
            let packs = suspect_packs.len();
            tracing::warn!(
                packs,
                "what lies in packs that are gone or damaged is stored anew"
            );
        }
        suspect_packs.extend(index.pack_ids().filter(|id| avoided.contains(id)));
        if !suspect_packs.is_empty() {
            index.dismiss(&suspect_packs);
        }
        Ok(index)
    }

    /// Loads the index of what lies elsewhere than in these packs.
    pub(crate) fn index_without(&self, packs: &HashSet<PackId>) -> Result<Index, ObjectError> {
        let (mut index, _) = self.load(&self.sorted_segments()?)?;
        if !packs.is_empty() {
            index.dismiss(packs);
        }
        Ok(index)
    }

    fn sorted_segments(&self) -> Result<Vec<SegmentId>, ObjectError> {
        let mut segments = self.segments()?;
        segments.sort_unstable();
        Ok(segments)
    }

    /// Loads the index. Collection writes segments anew and removes the old ones: if one is gone that was
    /// listed a moment ago, they are listed again.
    fn load_surely(&self) -> Result<(Index, HashSet<PackId>), ObjectError> {
        for _ in 1..LISTINGS_MAX {
            match self.load(&self.sorted_segments()?) {
                Err(error) if error.is_absence() => {
                    tracing::debug!("the index was written anew meanwhile");
                }
                other => return other,
            }
        }
        self.load(&self.sorted_segments()?)
    }

    /// Returns whether there is no such object.
    pub(crate) fn is_gone(&self, name: &Name) -> bool {
        let size = self.setup.store.size(name);
        size.is_err_and(|error| error.is_absent())
    }

    /// Reads an index segment that was listed; none if it was written anew meanwhile.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(crate) fn segment_if_there(
        &self,
        id: &SegmentId,
    ) -> Result<Option<Vec<IndexedPack>>, ObjectError> {
        match self.segment(id) {
            Err(error) if error.is_absence() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Loads the index and finds which of its packs are suspect.
    fn load(&self, segments: &[SegmentId]) -> Result<(Index, HashSet<PackId>), ObjectError> {
        let cache = self.setup.cache.as_deref();
        let index = Index::load(segments, cache, self.segment_reader())?;
        let stored: HashSet<PackId> = self.listed_ids(PACKS)?;
        let suspects = self.suspects();
        let suspect_packs = index
            .pack_ids()
            .filter(|id| !stored.contains(id) || suspects.contains(id))
            .collect();
        Ok((index, suspect_packs))
    }

    /// Returns the packs in which the last checks found damage.
    pub(crate) fn suspects(&self) -> HashSet<PackId> {
        let text = self
            .suspects_path()
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Notes the packs in which a check found damage, in place of what was noted before.
    pub(crate) fn suspect(&self, packs: &HashSet<PackId>) {
        let Some(path) = self.suspects_path() else {
            return;
        };
        let noted = if packs.is_empty() {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other,
            }
        } else {
            let mut lines: Vec<String> = packs.iter().map(|id| format!("{id}\n")).collect();
            lines.sort_unstable();
            let temporary = path.with_extension(std::process::id().to_string());
            std::fs::write(&temporary, lines.concat())
                .and_then(|()| std::fs::rename(&temporary, &path))
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "what is damaged cannot be noted in the cache: the next run will not store it anew");
        }
    }

    fn suspects_path(&self) -> Option<PathBuf> {
        let cache = self.setup.cache.as_ref()?;
        Some(cache.join("damaged-packs"))
    }
}
