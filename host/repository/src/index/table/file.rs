//! The bytes of a table, in a file or in memory.
//!
//! First come the blocks, share by share, each share's fences and filter after its blocks; then the
//! head, which tells where shares lie, and which packs and segments there are; then the trailer, which
//! tells where the head is. So a table of any size is written in one pass that holds one share, and
//! opened by reading the head and the fronts, three hundredths of it.
//!
//! Head and fronts bear a hash that is looked at when they are read, blocks their own checksum.

use crate::format::segment::PackKind;
use crate::format::wire::Wire;
use crate::index::table::block::{BLOCK_BYTES, Block, BlockBuilder, Record};
use crate::index::table::front::{DESCRIPTOR_BYTES, Front, Share, ShareBuilder};
use crate::index::table::{PackNote, SegmentNote, Standing, damaged};
use holdfast_base::id::{PackId, SegmentId};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const MAGIC: &[u8; 8] = b"hf-idx-3";
const PAGE_BYTES: usize = 4096;
/// Magic, the head's length and hash.
const TRAILER_BYTES: usize = 8 + 8 + 32;
/// Bytes of a share, of a segment and of a pack in the head.
const NOTE_BYTES: [usize; 3] = [8 + 4 + 4 + DESCRIPTOR_BYTES + 32, 32 + 4, 32 + 1 + 4 + 4];

/// Tables up to this size come into memory once they are asked a lot: a look-up then costs a tenth. Tables
/// form levels, so that all of them together take less than twice as much.
const MEMORY_MAX: u64 = 16 << 20;
/// Reads after which a table is asked a lot.
const READS_MANY: u32 = 500;

/// Where the bytes are.
pub(super) enum Bytes {
    Memory(Vec<u8>),
    File(OnDisk),
}

/// Bytes in a file, or in memory as soon as that pays.
pub(super) struct OnDisk {
    file: File,
    reads: AtomicU32,
    memory: OnceLock<Vec<u8>>,
}

impl OnDisk {
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if let Some(bytes) = self.memory.get() {
            return copy(bytes, buffer, offset);
        }
        if self.reads.fetch_add(1, Ordering::Relaxed) == READS_MANY
            && self.file.metadata()?.len() <= MEMORY_MAX
        {
            let mut bytes = vec![0; self.file.metadata()?.len() as usize];
            self.file.read_exact_at(&mut bytes, 0).map_err(cut_short)?;
            let _ = self.memory.set(bytes);
        }
        self.file.read_exact_at(buffer, offset).map_err(cut_short)
    }
}

fn cut_short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => error,
    }
}

fn copy(bytes: &[u8], buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let start = usize::try_from(offset).map_err(|_| damaged())?;
    let end = start.checked_add(buffer.len()).ok_or_else(damaged)?;
    buffer.copy_from_slice(bytes.get(start..end).ok_or_else(damaged)?);
    Ok(())
}

impl Bytes {
    pub(super) fn of_file(file: File) -> Self {
        Self::File(OnDisk {
            file,
            reads: AtomicU32::new(0),
            memory: OnceLock::new(),
        })
    }

    /// Fills the buffer from a place.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read(buffer, offset),
            Self::Memory(bytes) => copy(bytes, buffer, offset),
        }
    }

    fn len(&self) -> io::Result<u64> {
        match self {
            Self::Memory(bytes) => Ok(bytes.len() as u64),
            Self::File(on_disk) => Ok(on_disk.file.metadata()?.len()),
        }
    }
}

/// Where a share lies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShareNote {
    offset: u64,
    blocks: u32,
    filter_bytes: u32,
    descriptor: [u8; DESCRIPTOR_BYTES],
    /// Of fences and filter.
    hash: [u8; 32],
}

impl ShareNote {
    fn front_offset(&self) -> u64 {
        self.offset + u64::from(self.blocks) * BLOCK_BYTES as u64
    }

    /// Returns the length of fences, filter and zeros: shares begin at pages, so that no block lies in two.
    fn front_bytes(&self) -> usize {
        let blocks = self.blocks as usize * BLOCK_BYTES;
        let all = blocks + self.blocks as usize * 4 + self.filter_bytes as usize;
        all.next_multiple_of(PAGE_BYTES) - blocks
    }
}

/// Takes rows in order and writes the bytes of a table.
pub(super) struct TableWriter<W: Write> {
    to: W,
    offset: u64,
    block: BlockBuilder,
    blocks: u64,
    rows: u64,
    share: ShareBuilder,
    share_blocks: u32,
    shares: Vec<ShareNote>,
}

impl<W: Write> TableWriter<W> {
    pub(super) fn new(to: W) -> Self {
        Self {
            to,
            offset: 0,
            block: BlockBuilder::default(),
            blocks: 0,
            rows: 0,
            share: ShareBuilder::default(),
            share_blocks: 0,
            shares: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: &Record) -> io::Result<()> {
        if !self.block.push(row) {
            self.close_block()?;
            assert!(self.block.push(row), "a row fits into an empty block");
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn close_block(&mut self) -> io::Result<()> {
        let rows = self.block.rows();
        if rows.is_empty() {
            return Ok(());
        }
        self.share.push(rows);
        let count = rows.len() as u64;
        let bytes = self.block.take(self.blocks, self.rows);
        self.write(&bytes)?;
        self.rows += count;
        self.blocks += 1;
        self.share_blocks += 1;
        if self.share.is_full() {
            self.close_share()?;
        }
        Ok(())
    }

    fn close_share(&mut self) -> io::Result<()> {
        let blocks = std::mem::take(&mut self.share_blocks);
        if blocks == 0 {
            return Ok(());
        }
        let offset = self.offset - u64::from(blocks) * BLOCK_BYTES as u64;
        let share = self.share.take();
        let mut front: Vec<u8> = share.fences.iter().flat_map(|f| f.to_le_bytes()).collect();
        front.extend_from_slice(&share.filter);
        let mut note = ShareNote {
            offset,
            blocks,
            filter_bytes: share.filter.len() as u32,
            descriptor: share.descriptor,
            hash: [0; 32],
        };
        front.resize(note.front_bytes(), 0);
        note.hash = *blake3::hash(&front).as_bytes();
        self.shares.push(note);
        self.write(&front)
    }

    /// Writes what comes after the rows.
    pub(super) fn finish(mut self, packs: &[PackNote], segments: &[SegmentNote]) -> io::Result<W> {
        self.close_block()?;
        self.close_share()?;
        let head = Head {
            rows: self.rows,
            blocks: self.blocks,
            shares: std::mem::take(&mut self.shares),
            segments: segments.to_vec(),
            packs: packs.to_vec(),
        };
        let bytes = head.encode();
        self.write(&bytes)?;
        let mut trailer = MAGIC.to_vec();
        trailer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        trailer.extend_from_slice(blake3::hash(&bytes).as_bytes());
        self.write(&trailer)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// What a table says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) rows: u64,
    pub(super) blocks: u64,
    shares: Vec<ShareNote>,
    pub(super) segments: Vec<SegmentNote>,
    pub(super) packs: Vec<PackNote>,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        let counts = [self.shares.len(), self.segments.len(), self.packs.len()];
        to.extend(counts.iter().flat_map(|n| (*n as u32).to_le_bytes()));
        to.extend_from_slice(&self.rows.to_le_bytes());
        to.extend_from_slice(&self.blocks.to_le_bytes());
        for share in &self.shares {
            to.extend_from_slice(&share.offset.to_le_bytes());
            to.extend_from_slice(&share.blocks.to_le_bytes());
            to.extend_from_slice(&share.filter_bytes.to_le_bytes());
            to.extend_from_slice(&share.descriptor);
            to.extend_from_slice(&share.hash);
        }
        for segment in &self.segments {
            to.extend_from_slice(segment.id.as_bytes());
            to.extend_from_slice(&segment.packs.to_le_bytes());
        }
        for pack in &self.packs {
            to.extend_from_slice(pack.id.as_bytes());
            to.push(pack.kind.to_code());
            to.extend_from_slice(&pack.epoch.to_le_bytes());
            to.extend_from_slice(&pack.chunks.to_le_bytes());
        }
        to
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(bytes, "cached index");
        let mut counts = [0; 3];
        for count in &mut counts {
            *count = u32::from_le_bytes(wire.read_array().ok()?) as usize;
        }
        let rows = u64::from_le_bytes(wire.read_array().ok()?);
        let blocks = u64::from_le_bytes(wire.read_array().ok()?);
        let needed = counts.iter().zip(NOTE_BYTES).map(|(n, size)| n * size);
        if needed.sum::<usize>() != wire.bytes_left() {
            return None;
        }
        let mut head = Self {
            rows,
            blocks,
            shares: Vec::with_capacity(counts[0]),
            segments: Vec::with_capacity(counts[1]),
            packs: Vec::with_capacity(counts[2]),
        };
        for _ in 0..counts[0] {
            head.shares.push(ShareNote {
                offset: u64::from_le_bytes(wire.read_array().ok()?),
                blocks: u32::from_le_bytes(wire.read_array().ok()?),
                filter_bytes: u32::from_le_bytes(wire.read_array().ok()?),
                descriptor: wire.read_array().ok()?,
                hash: wire.read_array().ok()?,
            });
        }
        for _ in 0..counts[1] {
            head.segments.push(SegmentNote {
                id: SegmentId(wire.read_array().ok()?),
                packs: u32::from_le_bytes(wire.read_array().ok()?),
            });
        }
        for _ in 0..counts[2] {
            head.packs.push(PackNote {
                id: PackId(wire.read_array().ok()?),
                kind: PackKind::of_code(wire.read_byte().ok()?)?,
                epoch: u32::from_le_bytes(wire.read_array().ok()?),
                chunks: u32::from_le_bytes(wire.read_array().ok()?),
                standing: Standing::Sound,
            });
        }
        Some(head)
    }

    /// Returns whether shares and notes are as a writer makes them, in so many bytes.
    fn is_whole(&self, bytes: u64) -> bool {
        let mut end = 0;
        for share in &self.shares {
            if share.offset != end || share.blocks > 1 << 24 {
                return false;
            }
            end = share.front_offset() + share.front_bytes() as u64;
        }
        let blocks: u64 = self.shares.iter().map(|s| u64::from(s.blocks)).sum();
        let packs: u64 = self.segments.iter().map(|s| u64::from(s.packs)).sum();
        end == bytes && blocks == self.blocks && packs == self.packs.len() as u64
    }

    /// Reads the head of a table.
    pub(super) fn read(from: &Bytes) -> io::Result<Self> {
        let total = from.len()?;
        let trailer_at = total
            .checked_sub(TRAILER_BYTES as u64)
            .ok_or_else(damaged)?;
        let mut trailer = [0; TRAILER_BYTES];
        from.read(&mut trailer, trailer_at)?;
        let length = u64::from_le_bytes(trailer[8..16].try_into().map_err(|_| damaged())?);
        let head_at = trailer_at.checked_sub(length).ok_or_else(damaged)?;
        if &trailer[..8] != MAGIC {
            return Err(damaged());
        }
        let mut bytes = vec![0; length as usize];
        from.read(&mut bytes, head_at)?;
        if blake3::hash(&bytes).as_bytes()[..] != trailer[16..] {
            return Err(damaged());
        }
        Self::decode(&bytes)
            .filter(|head| head.is_whole(head_at))
            .ok_or_else(damaged)
    }

    /// Reads the fronts of all shares.
    pub(super) fn read_front(&self, from: &Bytes) -> io::Result<Front> {
        let mut front = Front::with_capacity(self.blocks as usize);
        let mut bytes = Vec::new();
        for note in &self.shares {
            bytes.resize(note.front_bytes(), 0);
            from.read(&mut bytes, note.front_offset())?;
            if blake3::hash(&bytes) != note.hash {
                return Err(damaged());
            }
            let (fences, filter) = bytes.split_at(note.blocks as usize * 4);
            let fences = fences.as_chunks::<4>().0;
            let filter = &filter[..note.filter_bytes as usize];
            front.push(Share {
                fences: fences.iter().map(|f| u32::from_le_bytes(*f)).collect(),
                descriptor: note.descriptor,
                filter: filter.to_vec(),
            })?;
        }
        front.close();
        Ok(front)
    }

    /// Returns where a block lies.
    pub(super) fn block_offset(&self, block: u64, share: usize, first: u64) -> Option<u64> {
        let note = self.shares.get(share)?;
        Some(note.offset + block.checked_sub(first)? * BLOCK_BYTES as u64)
    }
}

/// Reads blocks one after the other, many at once.
pub(super) struct BlockReader<'a> {
    head: &'a Head,
    bytes: &'a Bytes,
    share: usize,
    /// Blocks of the share that were read.
    read: u32,
    number: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(head: &'a Head, bytes: &'a Bytes) -> Self {
        Self {
            head,
            bytes,
            share: 0,
            read: 0,
            number: 0,
            buffer: Vec::new(),
            at: 0,
        }
    }

    /// Gives the rows of the next block to `take`; false at the end.
    pub(super) fn next(&mut self, take: &mut Vec<Record>) -> io::Result<bool> {
        if self.at == self.buffer.len() && !self.fill()? {
            return Ok(false);
        }
        let rest = &self.buffer[self.at..];
        let bytes = rest.first_chunk::<BLOCK_BYTES>().ok_or_else(damaged)?;
        let block = Block::check(bytes, self.number)?;
        take.clear();
        take.extend((0..block.count()).map(|at| block.row(at)));
        self.at += BLOCK_BYTES;
        self.number += 1;
        Ok(true)
    }

    fn fill(&mut self) -> io::Result<bool> {
        const BLOCKS: u32 = 64;
        while let Some(note) = self.head.shares.get(self.share) {
            let blocks = (note.blocks - self.read).min(BLOCKS);
            if blocks == 0 {
                (self.share, self.read) = (self.share + 1, 0);
                continue;
            }
            self.buffer.resize(blocks as usize * BLOCK_BYTES, 0);
            let offset = note.offset + u64::from(self.read) * BLOCK_BYTES as u64;
            self.bytes.read(&mut self.buffer, offset)?;
            self.read += blocks;
            self.at = 0;
            return Ok(true);
        }
        Ok(false)
    }
}
