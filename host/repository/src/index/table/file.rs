//! Tables in files: a head with packs and segments, the rows, and a hash of both.
//!
//! The head tells how many rows there are, which is known only when all are written: it is written
//! last, into the room that was left for it.

use super::{Front, FrontBuilder, PackNote, RECORD_BYTES, Record, Rows, Table};
use crate::format::segment::PackKind;
use crate::format::wire::Wire;
use holdfast_base::id::{PackId, SegmentId};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: &[u8; 8] = b"hf-idx-2";
/// Magic and the length of what follows.
const START_BYTES: usize = 16;

/// Writes a table, whole or not at all; `next` gives its rows in order.
pub(super) fn write(
    path: &Path,
    packs: &[PackNote],
    segments: &[SegmentId],
    next: impl FnMut() -> io::Result<Option<Record>>,
) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    write_to(&temporary, packs, segments, next)
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

fn write_to(
    path: &Path,
    packs: &[PackNote],
    segments: &[SegmentId],
    mut next: impl FnMut() -> io::Result<Option<Record>>,
) -> io::Result<()> {
    let mut head = encode_head(packs, segments, 0);
    let mut file = File::create(path)?;
    file.seek(SeekFrom::Start((START_BYTES + head.len()) as u64))?;
    let mut to = BufWriter::with_capacity(1 << 20, &file);
    let mut hash = blake3::Hasher::new();
    let mut rows = Vec::new();
    let mut count = 0_u64;
    loop {
        let row = next()?;
        rows.extend(row.iter().flat_map(Record::encode));
        // Hashing is fast on long pieces only.
        if row.is_none() || rows.len() >= 64 << 10 {
            hash.update(&rows);
            to.write_all(&rows)?;
            rows.clear();
        }
        if row.is_none() {
            break;
        }
        count += 1;
    }
    head = encode_head(packs, segments, count);
    hash.update(&head);
    to.write_all(hash.finalize().as_bytes())?;
    to.flush()?;
    drop(to);
    let mut start = MAGIC.to_vec();
    start.extend_from_slice(&(head.len() as u64).to_le_bytes());
    start.extend_from_slice(&head);
    file.write_all_at(&start, 0)
}

fn encode_head(packs: &[PackNote], segments: &[SegmentId], rows: u64) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend_from_slice(&(packs.len() as u32).to_le_bytes());
    head.extend_from_slice(&(segments.len() as u32).to_le_bytes());
    head.extend_from_slice(&rows.to_le_bytes());
    for pack in packs {
        head.extend_from_slice(pack.id.as_bytes());
        head.push(pack.kind.code());
        head.extend_from_slice(&pack.epoch.to_le_bytes());
    }
    for segment in segments {
        head.extend_from_slice(segment.as_bytes());
    }
    head
}

fn decode_head(head: &[u8]) -> Option<(Vec<PackNote>, Vec<SegmentId>, u64)> {
    let mut wire = Wire::new(head, "cached index");
    let pack_count = u32::from_le_bytes(wire.array().ok()?);
    let segment_count = u32::from_le_bytes(wire.array().ok()?);
    let count = u64::from_le_bytes(wire.array().ok()?);
    let mut packs = Vec::new();
    for _ in 0..pack_count {
        let id = PackId(wire.array().ok()?);
        let kind = PackKind::of_code(wire.byte().ok()?)?;
        packs.push(PackNote {
            id,
            kind,
            epoch: u32::from_le_bytes(wire.array().ok()?),
        });
    }
    let mut segments = Vec::new();
    for _ in 0..segment_count {
        segments.push(SegmentId(wire.array().ok()?));
    }
    wire.is_empty().then_some((packs, segments, count))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")
}

/// Opens a table, and checks it.
pub(super) fn open(path: &Path) -> io::Result<Table> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    let mut start = [0; START_BYTES];
    file.read_exact(&mut start)?;
    let head_bytes = u64::from_le_bytes(start[8..].try_into().map_err(|_| damaged())?);
    if &start[..8] != MAGIC || head_bytes > total {
        return Err(damaged());
    }
    let mut head = vec![0; head_bytes as usize];
    file.read_exact(&mut head)?;
    let (packs, segments, count) = decode_head(&head).ok_or_else(damaged)?;
    let offset = START_BYTES as u64 + head_bytes;
    let rows_bytes = count.checked_mul(RECORD_BYTES as u64).ok_or_else(damaged)?;
    if total.checked_sub(offset + 32) != Some(rows_bytes) {
        return Err(damaged());
    }
    let (filters, fences) = read_front(&mut file, &head, count)?;
    Ok(Table {
        packs,
        segments,
        rows: Rows::File {
            file,
            offset,
            count,
        },
        filters,
        fences,
    })
}

/// Reads all rows once: for the filter and the fences, and to see that the file is whole.
fn read_front(file: &mut File, head: &[u8], count: u64) -> io::Result<Front> {
    let mut hash = blake3::Hasher::new();
    let mut builder = FrontBuilder::default();
    let mut buffer = vec![0; RECORD_BYTES * 16_384];
    let mut left = count;
    while left > 0 {
        let rows = left.min(16_384);
        let bytes = &mut buffer[..rows as usize * RECORD_BYTES];
        file.read_exact(bytes)?;
        hash.update(bytes);
        for row in bytes.as_chunks::<RECORD_BYTES>().0 {
            builder.push(&Record::decode(row).id);
        }
        left -= rows;
    }
    hash.update(head);
    let mut stored = [0; 32];
    file.read_exact(&mut stored)?;
    if hash.finalize() == stored {
        Ok(builder.finish())
    } else {
        Err(damaged())
    }
}
