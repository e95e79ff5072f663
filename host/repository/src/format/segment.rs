//! Index segments: which chunk lies where.
//!
//! A segment is immutable and lists whole packs. Its columns lie one after the other, since ids do
//! not compress and everything else does.

use crate::format::FormatError;
use crate::format::pack::{FRAME_EXPANDED_MAX, Frame, next_part};
use crate::format::wire::{Wire, put_u64};
use crate::ground::domain::Domain;
use holdfast_base::id::{ChunkId, PackId};

/// Most packs in one segment.
pub const PACKS_MAX: usize = 65_536;
const WHAT: &str = "index segment";
const VERSION: u64 = 1;

/// What a pack holds, which decides the key that opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackKind {
    /// Content of entries; sealed to the epoch.
    Content,
    /// The item stream; sealed to the epoch.
    Items,
    /// The reference stream; sealed to the catalog key.
    Catalog,
}

impl PackKind {
    /// Returns the domains in which its chunks may be named.
    pub(crate) fn domains(self) -> &'static [Domain] {
        match self {
            Self::Content => &[Domain::Content],
            Self::Items => &[Domain::Items],
            Self::Catalog => &[Domain::References, Domain::Trunk],
        }
    }

    /// Returns the number that stands for it.
    #[must_use]
    pub fn to_code(self) -> u8 {
        match self {
            Self::Content => 0,
            Self::Items => 1,
            Self::Catalog => 2,
        }
    }

    /// Returns the kind that a number stands for.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        [Self::Content, Self::Items, Self::Catalog]
            .into_iter()
            .find(|kind| kind.to_code() == code)
    }
}

/// A pack as a segment lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPack {
    /// Its name.
    pub id: PackId,
    /// What it holds.
    pub kind: PackKind,
    /// The epoch that it is sealed to; zero for the catalog.
    pub epoch: u32,
    /// Its length in bytes, sealed.
    pub sealed_bytes: u64,
    /// Its frames with their chunks.
    pub frames: Vec<Frame>,
}

/// Writes a segment.
#[must_use]
pub fn encode(packs: &[IndexedPack]) -> Vec<u8> {
    let mut head = Vec::new();
    let mut lengths = Vec::new();
    let mut ids = Vec::new();
    put_u64(&mut head, VERSION);
    put_u64(&mut head, packs.len() as u64);
    for pack in packs {
        head.extend_from_slice(pack.id.as_bytes());
        head.push(pack.kind.to_code());
        put_u64(&mut head, u64::from(pack.epoch));
        put_u64(&mut head, pack.sealed_bytes);
        put_u64(&mut head, pack.frames.len() as u64);
        for frame in &pack.frames {
            put_u64(&mut lengths, u64::from(frame.length));
            put_u64(&mut lengths, frame.parts.len() as u64);
            for part in &frame.parts {
                put_u64(&mut lengths, u64::from(part.length));
                ids.extend_from_slice(part.id.as_bytes());
            }
        }
    }
    let mut bytes = Vec::with_capacity(head.len() + lengths.len() + ids.len() + 20);
    put_u64(&mut bytes, head.len() as u64);
    put_u64(&mut bytes, lengths.len() as u64);
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&lengths);
    bytes.extend_from_slice(&ids);
    bytes
}

/// Reads a segment.
///
/// # Errors
/// The bytes are no segment, or one that cannot be.
pub fn decode(bytes: &[u8]) -> Result<Vec<IndexedPack>, FormatError> {
    let mut wire = Wire::new(bytes, WHAT);
    let head_bytes = wire.read_count(1)?;
    let lengths_bytes = wire.read_count(1)?;
    let mut head = Wire::new(wire.take_bytes(head_bytes)?, WHAT);
    let mut lengths = Wire::new(wire.take_bytes(lengths_bytes)?, WHAT);
    let mut ids = wire;
    let version = head.read_u64()?;
    if version > VERSION {
        return Err(FormatError::Newer {
            what: WHAT,
            found: version,
            known: VERSION,
        });
    }
    let count = head.read_count(PackId::LEN + 4)?;
    if count > PACKS_MAX {
        return Err(head.invalid("too many packs"));
    }
    let mut packs = Vec::with_capacity(count);
    for _ in 0..count {
        packs.push(decode_pack(&mut head, &mut lengths, &mut ids)?);
    }
    if head.is_empty() && lengths.is_empty() && ids.is_empty() {
        Ok(packs)
    } else {
        Err(head.invalid("more than its packs"))
    }
}

fn decode_pack(
    head: &mut Wire<'_>,
    lengths: &mut Wire<'_>,
    ids: &mut Wire<'_>,
) -> Result<IndexedPack, FormatError> {
    let id = PackId(head.read_array()?);
    let kind = PackKind::of_code(head.read_byte()?)
        .ok_or_else(|| head.invalid("an unknown kind of pack"))?;
    let epoch = head.read_u32()?;
    let sealed_bytes = head.read_u64()?;
    let mut frames = Vec::new();
    let mut frame_offset = 0_u32;
    for _ in 0..head.read_u64()? {
        let frame = decode_frame(frame_offset, lengths, ids)?;
        frame_offset = frame_offset
            .checked_add(frame.length)
            .ok_or_else(|| lengths.invalid("frames of more than 4 GiB"))?;
        frames.push(frame);
    }
    Ok(IndexedPack {
        id,
        kind,
        epoch,
        sealed_bytes,
        frames,
    })
}

fn decode_frame(
    offset: u32,
    lengths: &mut Wire<'_>,
    ids: &mut Wire<'_>,
) -> Result<Frame, FormatError> {
    let length = lengths.read_u32()?;
    let count = lengths.read_count(1)?;
    if count.saturating_mul(ChunkId::LEN) > ids.bytes_left() {
        return Err(FormatError::Short { what: WHAT });
    }
    let mut parts = Vec::with_capacity(count);
    let mut expanded = 0_u32;
    for _ in 0..count {
        let id = ChunkId(ids.read_array()?);
        let part = next_part(id, lengths.read_u32()?, &mut expanded, FRAME_EXPANDED_MAX);
        parts.push(part.ok_or_else(|| lengths.invalid("a frame that expands too far"))?);
    }
    Ok(Frame {
        offset,
        length,
        expanded,
        parts,
    })
}

#[cfg(test)]
mod tests {
    use super::super::pack::Part;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_survive() {
        let part = |n: u8, offset, length| Part {
            id: ChunkId([n; 32]),
            offset,
            length,
        };
        let frame = Frame {
            offset: 0,
            length: 10,
            expanded: 30,
            parts: vec![part(1, 0, 20), part(2, 20, 10)],
        };
        let last = Frame {
            offset: 10,
            length: 3,
            expanded: 0,
            parts: vec![part(4, 0, 0)],
        };
        let pack = |n: u8, kind| IndexedPack {
            id: PackId([n; 32]),
            kind,
            epoch: 1,
            sealed_bytes: 1000,
            frames: vec![frame.clone(), last.clone()],
        };
        let packs = vec![pack(1, PackKind::Content), pack(2, PackKind::Catalog)];
        assert_eq!(decode(&encode(&packs)), Ok(packs));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_segment_or_an_error(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
