//! Packs, as they are before sealing.
//!
//! A pack is a row of zstd frames: each holds one large chunk or a group of small ones. Then comes
//! a skippable frame of padding and, last, a skippable frame with the table. So `zstd -d` turns the
//! whole into its chunks, one after the other, and the table says where each begins.
//!
//! - What does not compress lies in frames of raw blocks, which cost nothing to write or read.
//! - The last four bytes are the length of the table frame: a reader finds it from the end.

use crate::format::FormatError;
use crate::format::wire::{Wire, put_u64};
use holdfast_base::id::ChunkId;

/// Largest chunk that any splitter may make. A frame that expands to more is a bomb.
pub const CHUNK_MAX: u32 = 32 << 20;
/// Largest frame, expanded: one chunk, or a group that stopped growing at the target.
pub const FRAME_EXPANDED_MAX: u32 = CHUNK_MAX;
/// A writer closes a frame that holds so many chunks, however small they are.
pub const FRAME_CHUNKS: usize = 4_096;
/// A writer closes a pack that holds so many; bounds the memory that a table takes.
pub const PACK_CHUNKS: usize = 65_536;

const WHAT: &str = "pack";
const TABLE_VERSION: u8 = 1;
const FRAME_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const TABLE_MAGIC: [u8; 4] = [0x5e, 0x2a, 0x4d, 0x18];
const PADDING_MAGIC: [u8; 4] = [0x5f, 0x2a, 0x4d, 0x18];
const SKIPPABLE_HEAD: usize = 8;
const RAW_BLOCK_MAX: usize = 128 << 10;

/// A chunk inside a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which chunk.
    pub id: ChunkId,
    /// Its first byte in the expanded frame.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// A frame inside a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its first byte in the pack before sealing.
    pub offset: u32,
    /// Its length in bytes, compressed.
    pub length: u32,
    /// Its length in bytes, expanded.
    pub expanded: u32,
    /// The chunks in it, one after the other.
    pub parts: Vec<Part>,
}

/// Says why a frame cannot be made or expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// zstd refused.
    #[error("zstd refused: {detail}")]
    Zstd {
        /// What it said.
        detail: String,
    },
    /// A frame came back with another length.
    #[error("a frame expands to another length than its table says")]
    Length,
    /// A chunk came back with other content.
    #[error("chunk {chunk} has other content than its name says")]
    Content {
        /// The chunk.
        chunk: ChunkId,
    },
}

/// Writes bytes as a zstd frame of raw blocks.
pub fn put_raw_frame(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&FRAME_MAGIC);
    // A single segment whose content size takes four bytes.
    to.push(0b1010_0000);
    to.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    let mut rest = bytes;
    loop {
        let (block, after) = rest.split_at(rest.len().min(RAW_BLOCK_MAX));
        let head = (block.len() as u32) << 3 | u32::from(after.is_empty());
        to.extend_from_slice(&head.to_le_bytes()[..3]);
        to.extend_from_slice(block);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// Returns what the length of a pack is a multiple of, if it is about `bytes`.
#[must_use]
pub fn padding_quantum(bytes: u64) -> u64 {
    (bytes.next_power_of_two() / 64).clamp(64, 64 << 10)
}

/// Returns what comes after the frames: padding up to a rounded length, and the table.
///
/// Rounding hides the exact sizes of the chunks: to 1/32 of the length for small packs, to 64 KiB
/// for large ones.
#[must_use]
pub fn encode_tail(frames: &[Frame], frames_bytes: u64) -> Vec<u8> {
    let mut table = vec![TABLE_VERSION];
    put_u64(&mut table, frames.len() as u64);
    for frame in frames {
        put_u64(&mut table, u64::from(frame.length));
        put_u64(&mut table, u64::from(frame.expanded));
        put_u64(&mut table, frame.parts.len() as u64);
        for part in &frame.parts {
            table.extend_from_slice(part.id.as_bytes());
            put_u64(&mut table, u64::from(part.length));
        }
    }
    let table_frame = SKIPPABLE_HEAD + table.len() + 4;
    let unpadded = frames_bytes + (SKIPPABLE_HEAD + table_frame) as u64;
    let quantum = padding_quantum(unpadded);
    let padding = (unpadded.next_multiple_of(quantum) - unpadded) as usize;

    let mut tail = Vec::with_capacity(SKIPPABLE_HEAD + padding + table_frame);
    tail.extend_from_slice(&PADDING_MAGIC);
    tail.extend_from_slice(&(padding as u32).to_le_bytes());
    tail.resize(tail.len() + padding, 0);
    tail.extend_from_slice(&TABLE_MAGIC);
    tail.extend_from_slice(&(table.len() as u32 + 4).to_le_bytes());
    tail.extend_from_slice(&table);
    tail.extend_from_slice(&(table_frame as u32).to_le_bytes());
    tail
}

/// Returns the length of the table frame from the last four bytes of a pack.
///
/// # Errors
/// It cannot be.
pub fn table_length(last_four: [u8; 4], pack_bytes: u64) -> Result<usize, FormatError> {
    let length = u32::from_le_bytes(last_four);
    if (length as usize) < SKIPPABLE_HEAD + 6 || u64::from(length) > pack_bytes {
        return Err(FormatError::invalid(
            WHAT,
            format!("a table of {length} bytes"),
        ));
    }
    Ok(length as usize)
}

/// Reads the table frame.
///
/// # Errors
/// The bytes are no table, or one that cannot be.
pub fn decode_table(bytes: &[u8]) -> Result<Vec<Frame>, FormatError> {
    let mut wire = Wire::new(bytes, WHAT);
    if wire.read_array()? != TABLE_MAGIC {
        return Err(wire.invalid("no table at its end"));
    }
    let length = u32::from_le_bytes(wire.read_array()?) as usize;
    if length != wire.bytes_left() || length < 4 {
        return Err(wire.invalid("a table of another length"));
    }
    let mut wire = Wire::new(wire.take_bytes(length - 4)?, WHAT);
    match wire.read_byte()? {
        TABLE_VERSION => {}
        other => {
            let (found, known) = (u64::from(other), u64::from(TABLE_VERSION));
            return Err(FormatError::Newer {
                what: WHAT,
                found,
                known,
            });
        }
    }
    let mut frames = Vec::new();
    let mut offset = 0_u32;
    for _ in 0..wire.read_count(3)? {
        let frame = decode_frame(&mut wire, offset)?;
        offset = offset
            .checked_add(frame.length)
            .ok_or_else(|| wire.invalid("frames of more than 4 GiB"))?;
        frames.push(frame);
    }
    if wire.is_empty() {
        Ok(frames)
    } else {
        Err(wire.invalid("more than its table"))
    }
}

fn decode_frame(wire: &mut Wire<'_>, offset: u32) -> Result<Frame, FormatError> {
    let length = wire.read_u32()?;
    let expanded = wire.read_u32()?;
    if expanded > FRAME_EXPANDED_MAX {
        return Err(wire.invalid(&format!("a frame that expands to {expanded} bytes")));
    }
    let mut parts = Vec::new();
    let mut at = 0_u32;
    for _ in 0..wire.read_count(ChunkId::LEN + 1)? {
        let id = ChunkId(wire.read_array()?);
        let part = next_part(id, wire.read_u32()?, &mut at, expanded);
        parts.push(part.ok_or_else(|| wire.invalid("chunks that leave their frame"))?);
    }
    if at != expanded {
        return Err(wire.invalid("a frame that its chunks do not fill"));
    }
    Ok(Frame {
        offset,
        length,
        expanded,
        parts,
    })
}

/// Lays a chunk behind the last one, which ended at `end`; none if it would go beyond `limit`.
pub(super) fn next_part(id: ChunkId, length: u32, end: &mut u32, limit: u32) -> Option<Part> {
    let offset = *end;
    *end = offset.checked_add(length).filter(|end| *end <= limit)?;
    Some(Part { id, offset, length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames() -> Vec<Frame> {
        let part = |n: u8, offset, length| Part {
            id: ChunkId([n; 32]),
            offset,
            length,
        };
        vec![
            Frame {
                offset: 0,
                length: 90,
                expanded: 300,
                parts: vec![part(1, 0, 100), part(2, 100, 200)],
            },
            Frame {
                offset: 90,
                length: 10,
                expanded: 5,
                parts: vec![part(3, 0, 5)],
            },
        ]
    }

    #[test]
    fn the_table_is_found_from_the_end() {
        let mut pack = vec![0; 100];
        pack.extend(encode_tail(&frames(), 100));
        let last = *pack.last_chunk().unwrap();
        let length = table_length(last, pack.len() as u64).unwrap();
        assert_eq!(decode_table(&pack[pack.len() - length..]), Ok(frames()));
    }

    #[test]
    fn lengths_are_rounded() {
        for bytes in [100_u64, 5_000, 700_000, 33 << 20] {
            let total = bytes + encode_tail(&frames(), bytes).len() as u64;
            let quantum = (total.next_power_of_two() / 64).clamp(64, 64 << 10);
            assert_eq!(total % quantum, 0, "{bytes}");
        }
    }

    #[test]
    fn any_zstd_expands_a_raw_frame() {
        for length in [0, 1, RAW_BLOCK_MAX, RAW_BLOCK_MAX + 1, 3 * RAW_BLOCK_MAX] {
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut frame = Vec::new();
            put_raw_frame(&mut frame, &bytes);
            assert_eq!(zstd::decode_all(frame.as_slice()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_bomb_in_the_table_is_refused() {
        let mut frames = frames();
        frames[0].expanded = u32::MAX;
        let tail = encode_tail(&frames, 100);
        let length = table_length(*tail.last_chunk().unwrap(), 10_000).unwrap();
        assert!(decode_table(&tail[tail.len() - length..]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_table_or_an_error(bytes: Vec<u8>) {
            let _ = decode_table(&bytes);
        }
    }
}
