//! An index of any size, of chunks that nobody stored.

use holdfast_base::id::{ChunkId, PackId, SegmentId};
use holdfast_repository::Index;
use holdfast_repository::RepositoryError;
use holdfast_repository::format::pack::{Frame, Part};
use holdfast_repository::format::segment::{IndexedPack, PackKind};
use std::path::Path;
use std::sync::Arc;

/// Chunks of a pack of 128 MiB, of one of its frames, and of a segment.
const PACK: u64 = 512;
const FRAME: u64 = 8;
pub(crate) const SEGMENT: u64 = PACK * 293;

/// Spreads numbers evenly, each to its own (SplitMix64).
pub(crate) fn spread(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns the id that a number stands for.
pub(crate) fn bytes(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (word, salt) in bytes
        .chunks_exact_mut(8)
        .zip([0, 1 << 60, 2 << 60, 3 << 60])
    {
        word.copy_from_slice(&spread(number ^ salt).to_be_bytes());
    }
    bytes
}

fn segment_id(number: u64) -> SegmentId {
    SegmentId(bytes(number ^ 1 << 58))
}

/// Packs of the `number`th segment of `chunks`: frames of 2 MiB that became a half.
fn packs(number: u64, chunks: u64) -> Vec<IndexedPack> {
    let range = number * SEGMENT..((number + 1) * SEGMENT).min(chunks);
    let frame = |first: u64, at: u64| {
        let count = FRAME.min(range.end - first);
        let parts = (0..count).map(|part| Part {
            id: ChunkId(bytes(first + part)),
            offset: (part as u32) << 18,
            length: (1 << 18) - (spread(first + part) as u32 & 0xffff),
        });
        Frame {
            offset: (at as u32) << 20,
            length: (1 << 20) - (spread(first) as u32 & 0xffff),
            expanded: 2 << 20,
            parts: parts.collect(),
        }
    };
    let starts = range.clone().step_by(PACK as usize);
    let pack = |start: u64| IndexedPack {
        id: PackId(bytes(start ^ 1 << 59)),
        kind: PackKind::Content,
        epoch: 1,
        sealed_bytes: 64 << 20,
        frames: (start..(start + PACK).min(range.end))
            .step_by(FRAME as usize)
            .enumerate()
            .map(|(at, first)| frame(first, at as u64))
            .collect(),
    };
    starts.map(pack).collect()
}

/// Loads the index of a repository of so many chunks, with its cache in the directory.
pub(crate) fn load(directory: &Path, chunks: u64) -> Result<Index, RepositoryError> {
    let segments = chunks.div_ceil(SEGMENT);
    let ids: Vec<SegmentId> = (0..segments).map(segment_id).collect();
    let read = move |id: &SegmentId| {
        let number = (0..segments).find(|number| segment_id(*number) == *id);
        Ok(packs(number.expect("one of these"), chunks))
    };
    Ok(Index::load(&ids, Some(directory), Arc::new(read))?)
}

/// Returns how many tables the cache has, and how many bytes they have together.
pub(crate) fn file_bytes(directory: &Path) -> (u64, u64) {
    let files = std::fs::read_dir(directory.join("index-v3")).unwrap();
    let sizes = files.map(|file| file.unwrap().metadata().unwrap().len());
    sizes
        .filter(|size| *size > 0)
        .fold((0, 0), |(n, sum), size| (n + 1, sum + size))
}
