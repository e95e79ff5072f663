//! What damage costs: which chunks still come back, and which snapshots and entries need the others.
//!
//! A damaged pack is tried frame by frame, as a restore would: one flipped bit costs one frame.

use crate::format::pack::Frame;
use crate::format::root::Root;
use crate::format::segment::IndexedPack;
use crate::index::Location;
use crate::objects::error::{ObjectFault, ensure_not_cancelled};
use crate::read::{Reader, unread_after};
use crate::repository::Repository;
use crate::upkeep::UpkeepError;
use crate::upkeep::check::Report;
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{ChunkId, PackId, SnapshotId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Entries of a snapshot that are named; the others are counted.
const ENTRIES_NAMED_MAX: usize = 100;

/// What a snapshot has lost.
#[derive(Debug, PartialEq, Eq)]
pub struct Loss {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its job.
    pub job: String,
    /// Entries that do not come back whole, as far as the key can name them.
    pub entries: Vec<String>,
    /// More such entries.
    pub more: u64,
}

/// The chunks that come back, half of each id: there are as many as the repository has.
pub(super) struct Sound(Vec<u128>);

impl Sound {
    pub(super) fn contains(&self, id: &ChunkId) -> bool {
        self.0.binary_search(&first_half(id)).is_ok()
    }
}

fn first_half(id: &ChunkId) -> u128 {
    let half = id.as_bytes().first_chunk::<16>();
    half.map_or(0, |half| u128::from_be_bytes(*half))
}

/// Returns the chunks that come back, whatever is damaged.
pub(super) fn sound_chunks(
    repository: &Arc<Repository>,
    packs: &HashMap<PackId, Arc<IndexedPack>>,
    damaged: &HashSet<PackId>,
    cancel: &Cancel,
) -> Result<Sound, UpkeepError> {
    let frames = packs.values().flat_map(|pack| &pack.frames);
    let chunks = frames.map(|frame| frame.parts.len()).sum();
    let mut sound = Vec::with_capacity(chunks);
    let reader = if damaged.is_empty() {
        None
    } else {
        Some(Reader::new(Arc::clone(repository))?)
    };
    for pack in packs.values() {
        for frame in &pack.frames {
            ensure_not_cancelled(cancel)?;
            let comes_back = match &reader {
                Some(reader) if damaged.contains(&pack.id) => comes_back(reader, pack, frame),
                _ => true,
            };
            if comes_back {
                sound.extend(frame.parts.iter().map(|part| first_half(&part.id)));
            }
        }
    }
    sound.sort_unstable();
    Ok(Sound(sound))
}

fn comes_back(reader: &Reader, pack: &IndexedPack, frame: &Frame) -> bool {
    frame.parts.iter().all(|part| {
        let at = Location::in_frame(pack, frame, part.offset, part.length);
        let mut domains = pack.kind.domains().iter();
        domains.any(|domain| reader.chunk_at(*domain, &part.id, &at).is_ok())
    })
}

/// Checks that all that a snapshot needs comes back, and names what does not.
///
/// # Errors
/// The store did not give what is needed to know it.
pub(super) fn check_snapshot(
    reader: &Reader,
    root: &Root,
    sound: &Sound,
    report: &mut Report,
) -> Result<(), UpkeepError> {
    let object = format!("snapshots/{} (job {})", root.snapshot, root.job);
    let mut missing = 0_u64;
    match reader.references(root) {
        Ok(references) => {
            for reference in references {
                match reference {
                    Ok(reference) => missing += u64::from(!sound.contains(&reference.chunk_id())),
                    Err(error) if error.is_unserved() => return Err(error.into()),
                    Err(error) => {
                        missing += 1;
                        report.add_damage(&object, &error);
                    }
                }
            }
        }
        Err(error) if error.is_unserved() => return Err(error.into()),
        Err(error) => {
            report.add_damage(&object, &error);
            return Ok(());
        }
    }
    if missing == 0 {
        return Ok(());
    }
    let what = format!("{missing} chunks that it needs do not come back");
    report.damage.push((object, what));
    let (entries, more) = entries(reader, root, sound);
    report.losses.push(Loss {
        snapshot: root.snapshot,
        job: root.job.clone(),
        entries,
        more,
    });
    Ok(())
}

/// Names the entries of a snapshot that do not come back whole.
fn entries(reader: &Reader, root: &Root, sound: &Sound) -> (Vec<String>, u64) {
    let (mut named, mut more) = (Vec::new(), 0);
    let mut name = |entry: String| {
        if named.len() < ENTRIES_NAMED_MAX {
            named.push(entry);
        } else {
            more += 1;
        }
    };
    let Ok(items) = reader.read_items(root) else {
        return (named, more);
    };
    let mut last = None;
    for item in items {
        match item {
            Ok((item, chunks)) => {
                let path = item.entry.path.to_string();
                if chunks.iter().any(|id| !sound.contains(id)) {
                    name(path.clone());
                }
                last = Some(path);
            }
            // Names are content: this key cannot read them.
            Err(error) if !error.is_damage() => break,
            Err(_) => name(unread_after(last.as_deref())),
        }
    }
    (named, more)
}
