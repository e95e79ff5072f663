//! What processes said: which snapshots are committed, and which of them were forgotten on purpose.

use super::ground::RULED;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is known of a snapshot that was said to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody has forgotten it: it must come back.
    Stays,
    /// A rule may have forgotten it, or a process that did not come to say so.
    MayBeGone,
    /// A process said that it is forgotten: it must not be shown.
    Forgotten,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    job: &'static str,
    version: u64,
    standing: Standing,
}

/// What processes said.
#[derive(Default)]
pub(crate) struct Book {
    snapshots: Mutex<BTreeMap<String, Known>>,
    /// What somebody restores just now: it is not forgotten meanwhile.
    looked_at: Mutex<BTreeSet<String>>,
    versions: AtomicU64,
}

/// A snapshot that is being restored, and what it holds.
pub(crate) struct Looked<'a> {
    pub(crate) id: String,
    pub(crate) job: &'static str,
    pub(crate) version: u64,
    book: &'a Book,
}

impl Drop for Looked<'_> {
    fn drop(&mut self) {
        self.book.looked_at.lock().unwrap().remove(&self.id);
    }
}

/// Returns the tag that tells what a snapshot holds.
pub(crate) fn tag(version: u64) -> String {
    format!("v{version}")
}

/// Returns the version that a tag tells.
pub(crate) fn version(tag: &str) -> u64 {
    tag.strip_prefix('v').unwrap().parse().unwrap()
}

/// Returns the snapshot that a run says it has committed: the first thing that it says.
pub(crate) fn snapshot(answer: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
    answer["snapshot"].as_str().unwrap().to_owned()
}

impl Book {
    /// Returns a version that no tree has had.
    pub(crate) fn next_version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::SeqCst)
    }

    /// Takes down that a run said so. What a rule forgets may be gone whenever the next one runs.
    pub(crate) fn committed(&self, job: &'static str, id: &str, version: u64) {
        let standing = match job {
            RULED => Standing::MayBeGone,
            _ => Standing::Stays,
        };
        let known = Known {
            job,
            version,
            standing,
        };
        self.snapshots.lock().unwrap().insert(id.to_owned(), known);
    }

    /// Chooses a snapshot to be forgotten, by `choose`; some always stay. From now on it may be gone.
    pub(crate) fn give_up(
        &self,
        choose: impl FnOnce(&[String]) -> Option<String>,
    ) -> Option<String> {
        let mut snapshots = self.snapshots.lock().unwrap();
        let looked_at = self.looked_at.lock().unwrap();
        let mut stays = Self::staying(&snapshots);
        if stays.len() <= 2 {
            return None;
        }
        stays.retain(|id| !looked_at.contains(id));
        let id = choose(&stays)?;
        snapshots.get_mut(&id).unwrap().standing = Standing::MayBeGone;
        Some(id)
    }

    /// Takes down that a process said that it has forgotten a snapshot, or brought it back.
    pub(crate) fn is_forgotten(&self, id: &str, is_forgotten: bool) {
        let mut snapshots = self.snapshots.lock().unwrap();
        snapshots.get_mut(id).unwrap().standing = match is_forgotten {
            true => Standing::Forgotten,
            false => Standing::Stays,
        };
    }

    /// Takes down that nobody knows whether a snapshot is forgotten.
    pub(crate) fn is_in_doubt(&self, id: &str) {
        let mut snapshots = self.snapshots.lock().unwrap();
        snapshots.get_mut(id).unwrap().standing = Standing::MayBeGone;
    }

    /// Chooses a snapshot to be restored, by `choose`; while that is known here, nobody forgets it.
    pub(crate) fn look(
        &self,
        choose: impl FnOnce(&[String]) -> Option<String>,
    ) -> Option<Looked<'_>> {
        let snapshots = self.snapshots.lock().unwrap();
        let id = choose(&Self::staying(&snapshots))?;
        let Known { job, version, .. } = snapshots[&id];
        self.looked_at.lock().unwrap().insert(id.clone());
        Some(Looked {
            id,
            job,
            version,
            book: self,
        })
    }

    fn staying(snapshots: &BTreeMap<String, Known>) -> Vec<String> {
        let all = snapshots.iter();
        let stays = all.filter(|(_, known)| known.standing == Standing::Stays);
        stays.map(|(id, _)| id.clone()).collect()
    }

    /// Makes sure that what is listed is what processes said.
    pub(crate) fn agrees(&self, listed: &BTreeMap<String, (String, u64)>) {
        for (id, known) in self.snapshots.lock().unwrap().iter() {
            let found = listed.get(id);
            match known.standing {
                Standing::Stays => assert!(found.is_some(), "{id} is gone: {known:?}"),
                Standing::Forgotten => assert!(found.is_none(), "{id} is back: {known:?}"),
                Standing::MayBeGone => {}
            }
            if let Some((job, version)) = found {
                assert_eq!((job.as_str(), *version), (known.job, known.version), "{id}");
            }
        }
    }

    pub(crate) fn knows(&self, id: &str) -> bool {
        self.snapshots.lock().unwrap().contains_key(id)
    }

    pub(crate) fn said(&self) -> usize {
        self.snapshots.lock().unwrap().len()
    }

    pub(crate) fn forgotten(&self) -> usize {
        let snapshots = self.snapshots.lock().unwrap();
        let forgotten = |known: &&Known| known.standing == Standing::Forgotten;
        snapshots.values().filter(forgotten).count()
    }
}
