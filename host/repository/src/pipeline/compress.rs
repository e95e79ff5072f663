//! Compression: makes frames of chunks, and chunks of frames.
//!
//! Chunks are gathered until a frame is worth it: small files compress together and yet
//! deduplicate alone. What does not compress is told apart by looking at a sample, and kept in
//! frames of its own that cost nothing.
//!
//! - Every frame is expanded and its chunks are hashed again before it goes on: memory that flips
//!   a bit, or a compressor that errs, is found while the data is still there to be read again.
//! - Expanding is bounded by the size that the index names, itself bounded by the format.

use crate::format::pack::{FRAME_CHUNKS, FRAME_EXPANDED_MAX, FrameError, Part, put_raw_frame};
use crate::ground::domain::Domain;
use crate::keys::IdKey;
use holdfast_base::id::ChunkId;

/// A group of chunks is closed when it holds this much.
pub(crate) const FRAME_TARGET: usize = 2 << 20;
/// How much of a chunk is looked at to tell whether it compresses.
const SAMPLE: usize = 4 << 10;

/// A frame on its way into a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameBytes {
    /// The zstd frame.
    pub bytes: Vec<u8>,
    /// Its length in bytes, expanded.
    pub expanded: u32,
    /// The chunks in it.
    pub parts: Vec<Part>,
}

/// Gathers chunks into frames. One for each worker: it keeps the compressor's memory.
pub(crate) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    sampler: Sampler,
    expander: Expander,
    check: Option<(IdKey, Domain)>,
    target: usize,
    compressible: Group,
    raw: Group,
    scratch: Vec<u8>,
}

#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

impl Compressor {
    /// Makes a compressor. With `check`, every frame is expanded and hashed again.
    ///
    /// # Errors
    /// zstd refuses the level.
    pub(crate) fn new(
        level: i32,
        target: usize,
        check: Option<(IdKey, Domain)>,
    ) -> Result<Self, FrameError> {
        Ok(Self {
            zstd: compressor(level).map_err(refused)?,
            sampler: Sampler::new().map_err(refused)?,
            expander: Expander::new()?,
            check,
            target,
            compressible: Group::default(),
            raw: Group::default(),
            scratch: Vec::new(),
        })
    }

    /// Takes a chunk; returns a frame when one is full.
    ///
    /// # Errors
    /// The frame could not be made, or did not come back as it went in.
    pub(crate) fn push(
        &mut self,
        id: ChunkId,
        bytes: &[u8],
    ) -> Result<Option<FrameBytes>, FrameError> {
        let is_raw = !self.sampler.compresses(bytes);
        let group = if is_raw {
            &mut self.raw
        } else {
            &mut self.compressible
        };
        let offset = group.bytes.len() as u32;
        group.bytes.extend_from_slice(bytes);
        group.parts.push(Part {
            id,
            offset,
            length: bytes.len() as u32,
        });
        if group.bytes.len() >= self.target || group.parts.len() >= FRAME_CHUNKS {
            self.close(is_raw).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Returns what is left as frames.
    ///
    /// # Errors
    /// As for [`Compressor::push`].
    pub(crate) fn flush(&mut self) -> Result<Vec<FrameBytes>, FrameError> {
        let mut frames = Vec::new();
        for is_raw in [false, true] {
            let group = if is_raw {
                &self.raw
            } else {
                &self.compressible
            };
            if !group.parts.is_empty() {
                frames.push(self.close(is_raw)?);
            }
        }
        Ok(frames)
    }

    fn close(&mut self, is_raw: bool) -> Result<FrameBytes, FrameError> {
        let group = if is_raw {
            &mut self.raw
        } else {
            &mut self.compressible
        };
        let expanded = group.bytes.len();
        let mut bytes = Vec::new();
        if is_raw {
            bytes.reserve_exact(expanded + 16 + expanded / (100 << 10) * 3);
            put_raw_frame(&mut bytes, &group.bytes);
        } else {
            // Compressing into a scratch buffer and copying keeps frames as small as they are:
            // they wait in queues, and memory is what bounds those.
            self.scratch.clear();
            self.scratch
                .reserve(zstd::zstd_safe::compress_bound(expanded));
            self.zstd
                .compress_to_buffer(&group.bytes, &mut self.scratch)
                .map_err(refused)?;
            bytes.extend_from_slice(&self.scratch);
        }
        let parts = std::mem::take(&mut group.parts);
        group.bytes.clear();
        let frame = FrameBytes {
            bytes,
            expanded: expanded as u32,
            parts,
        };
        if let Some((key, domain)) = &self.check {
            let plain = self.expander.expand(&frame.bytes, frame.expanded)?;
            verify(key, &[*domain], plain, &frame.parts)?;
        }
        Ok(frame)
    }
}

/// Expands frames. One for each worker: it keeps its memory.
pub(crate) struct Expander {
    zstd: zstd::bulk::Decompressor<'static>,
    plain: Vec<u8>,
}

impl Expander {
    /// Makes an expander.
    ///
    /// # Errors
    /// zstd has no memory.
    pub(crate) fn new() -> Result<Self, FrameError> {
        Ok(Self {
            zstd: zstd::bulk::Decompressor::new().map_err(refused)?,
            plain: Vec::new(),
        })
    }

    /// Expands a frame that must come to exactly `expanded` bytes.
    ///
    /// # Errors
    /// The frame is damaged, or is a bomb.
    pub(crate) fn expand(&mut self, frame: &[u8], expanded: u32) -> Result<&[u8], FrameError> {
        if expanded > FRAME_EXPANDED_MAX {
            return Err(FrameError::Length);
        }
        self.plain.clear();
        self.plain.reserve(expanded as usize);
        self.zstd
            .decompress_to_buffer(frame, &mut self.plain)
            .map_err(refused)?;
        if self.plain.len() == expanded as usize {
            Ok(&self.plain)
        } else {
            Err(FrameError::Length)
        }
    }
}

/// Checks that every chunk of an expanded frame has the content that its name says, in one of the domains.
///
/// # Errors
/// Names the first that has not.
pub(crate) fn verify(
    key: &IdKey,
    domains: &[Domain],
    plain: &[u8],
    parts: &[Part],
) -> Result<(), FrameError> {
    for part in parts {
        let end = part.offset as usize + part.length as usize;
        let bytes = plain
            .get(part.offset as usize..end)
            .ok_or(FrameError::Length)?;
        if domains
            .iter()
            .all(|domain| key.id(*domain, bytes) != part.id)
        {
            return Err(FrameError::Content { chunk: part.id });
        }
    }
    Ok(())
}

fn refused(error: std::io::Error) -> FrameError {
    FrameError::Zstd {
        detail: error.to_string(),
    }
}

/// Makes a compressor of a level.
///
/// Level 3 is meant for long streams: its tables overflow the cache that a core has to itself, and a
/// frame of two mebibytes gains nothing from them. Tables of half the size are a tenth faster and
/// cost 0.7 % of the length.
fn compressor(level: i32) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    use zstd::zstd_safe::CParameter::{ChainLog, HashLog};
    let mut zstd = zstd::bulk::Compressor::new(level)?;
    if level == 3 {
        zstd.set_parameter(HashLog(16))?;
        zstd.set_parameter(ChainLog(16))?;
    }
    Ok(zstd)
}

/// Tells by a sample whether zstd would gain anything.
struct Sampler {
    zstd: zstd::bulk::Compressor<'static>,
    small: Vec<u8>,
}

impl Sampler {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Compressor::new(-1)?,
            small: Vec::with_capacity(zstd::zstd_safe::compress_bound(2 * SAMPLE)),
        })
    }

    /// Sealed, compressed and random bytes are equally frequent: the sum of squared counts of a
    /// sample is then near its smallest. Whatever looks like that is tried once more by a fast
    /// compression, which finds repetitions that frequencies do not show.
    fn compresses(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() < 64 {
            return true;
        }
        let stride = (bytes.len() / SAMPLE).max(1);
        let mut counts = [0_u32; 256];
        let mut taken = 0_u64;
        for byte in bytes.iter().step_by(stride) {
            counts[usize::from(*byte)] += 1;
            taken += 1;
        }
        let squares: u64 = counts
            .iter()
            .map(|count| u64::from(*count) * u64::from(*count))
            .sum();
        // Random bytes give taken²/256 + taken; a tenth more speaks of structure.
        let random = taken * taken / 256 + taken;
        if squares * 10 > random * 11 {
            return true;
        }
        let middle = (bytes.len() / 2).saturating_sub(SAMPLE);
        let sample = &bytes[middle..bytes.len().min(middle + 2 * SAMPLE)];
        self.small.clear();
        let length = self.zstd.compress_to_buffer(sample, &mut self.small);
        length.is_ok_and(|length| length + sample.len() / 32 < sample.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn compressor() -> Compressor {
        let key = IdKey::new(&[1; 32]);
        Compressor::new(3, FRAME_TARGET, Some((key, Domain::Content))).unwrap()
    }

    #[test]
    fn text_is_told_from_noise() {
        let mut sampler = Sampler::new().unwrap();
        assert!(sampler.compresses(&b"INSERT INTO orders VALUES (17, 'paid');\n".repeat(500)));
        assert!(!sampler.compresses(&noise(1 << 20)));
        assert!(!sampler.compresses(&noise(9_000)));
        assert!(sampler.compresses(&noise(2_000).repeat(10)));
    }

    #[test]
    fn a_flipped_bit_in_a_frame_is_always_noticed() {
        let key = IdKey::new(&[1; 32]);
        let bytes = noise(5_000);
        let id = key.id(Domain::Content, &bytes);
        let mut compressor = compressor();
        compressor.push(id, &bytes).unwrap();
        let frame = compressor.flush().unwrap().remove(0);
        for at in (0..frame.bytes.len() * 8).step_by(37) {
            let mut changed = frame.bytes.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let mut expander = Expander::new().unwrap();
            let sound = expander
                .expand(&changed, frame.expanded)
                .is_ok_and(|plain| verify(&key, &[Domain::Content], plain, &frame.parts).is_ok());
            // A bit of the frame's head may mean nothing; content must never differ.
            if sound {
                assert_eq!(expander.plain, bytes);
            }
        }
    }

    proptest! {
        #[test]
        fn chunks_come_back(chunks: Vec<Vec<u8>>) {
            let key = IdKey::new(&[1; 32]);
            let mut compressor = compressor();
            for chunk in &chunks {
                compressor.push(key.id(Domain::Content, chunk), chunk).unwrap();
            }
            let mut found = 0;
            for frame in compressor.flush().unwrap() {
                let mut expander = Expander::new().unwrap();
                let plain = expander.expand(&frame.bytes, frame.expanded).unwrap();
                verify(&key, &[Domain::Content], plain, &frame.parts).unwrap();
                found += frame.parts.len();
            }
            prop_assert_eq!(found, chunks.len());
        }
    }
}
