//! Blocks: the pieces in which the rows of a table are kept and read.
//!
//! - A block has 1 KiB and a checksum, which is looked at whenever the block is read: what is damaged
//!   is never taken for an answer.
//! - Within a block the keys share what they begin with, and numbers take as many bits as the
//!   largest of their column: 26 rows if there are a hundred million.
//! - A key is the first 24 bytes of a chunk's id. That two chunks agree in 192 bits does not happen,
//!   nobody can make it happen, and whoever reads a chunk hashes it.

use crate::index::table::damaged;
use holdfast_base::id::ChunkId;
use std::io;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 1024;
/// Bytes of a key.
const KEY_BYTES: usize = 24;
/// Numbers of a row.
const COLUMNS: usize = 6;
/// Checksum, number of the first row, count, length of what keys share, widths.
const HEAD_BYTES: usize = 8 + 6 + 1 + 1 + COLUMNS;
const ROWS_MAX: usize = 255;

/// What a chunk is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::index) struct Key([u8; KEY_BYTES]);

impl Key {
    pub(super) fn of(id: &ChunkId) -> Self {
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&id.as_bytes()[..KEY_BYTES]);
        Self(key)
    }

    /// Returns what filters know.
    pub(super) fn prefix(&self) -> u64 {
        let b = &self.0;
        u64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
    }

    /// Returns what fences know.
    pub(super) fn fence(&self) -> u32 {
        (self.prefix() >> 32) as u32
    }

    fn shared_with(&self, other: &Self) -> usize {
        let pairs = self.0.iter().zip(&other.0);
        pairs.take_while(|(a, b)| a == b).count()
    }
}

/// A chunk as a table lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) struct Record {
    /// Which chunk.
    pub(in crate::index) key: Key,
    /// Place of its pack in the table's list of packs.
    pub(in crate::index) pack: u32,
    /// First byte of the frame in the pack before sealing.
    pub(in crate::index) frame_offset: u32,
    /// Length of the frame in bytes, compressed.
    pub(in crate::index) frame_length: u32,
    /// Length of the frame in bytes, expanded.
    pub(in crate::index) frame_expanded: u32,
    /// First byte of the chunk in the expanded frame.
    pub(in crate::index) offset: u32,
    /// Length of the chunk in bytes.
    pub(in crate::index) length: u32,
}

impl Record {
    fn numbers(&self) -> [u32; COLUMNS] {
        [
            self.pack,
            self.frame_offset,
            self.frame_length,
            self.frame_expanded,
            self.offset,
            self.length,
        ]
    }
}

/// Collects rows, in order, until no more fit into a block.
#[derive(Default)]
pub(super) struct BlockBuilder {
    rows: Vec<Record>,
    widths: [u8; COLUMNS],
}

impl BlockBuilder {
    /// Takes a row, or says that the block is full.
    pub(super) fn push(&mut self, row: &Record) -> bool {
        let mut widths = self.widths;
        for (width, number) in widths.iter_mut().zip(row.numbers()) {
            *width = (*width).max((u32::BITS - number.leading_zeros()) as u8);
        }
        let first = self.rows.first().unwrap_or(row);
        let shared = first.key.shared_with(&row.key);
        let count = self.rows.len() + 1;
        if count > ROWS_MAX || size(count, shared, &widths) > BLOCK_BYTES {
            return false;
        }
        self.widths = widths;
        self.rows.push(*row);
        true
    }

    pub(super) fn rows(&self) -> &[Record] {
        &self.rows
    }

    /// Writes the block and begins the next.
    pub(super) fn take(&mut self, number: u64, first_row: u64) -> [u8; BLOCK_BYTES] {
        let rows = std::mem::take(&mut self.rows);
        let widths = std::mem::take(&mut self.widths);
        let mut bytes = [0; BLOCK_BYTES];
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return bytes;
        };
        let shared = first.key.shared_with(&last.key);
        bytes[8..14].copy_from_slice(&first_row.to_le_bytes()[..6]);
        bytes[14] = rows.len() as u8;
        bytes[15] = shared as u8;
        bytes[16..HEAD_BYTES].copy_from_slice(&widths);
        let mut at = HEAD_BYTES;
        for piece in std::iter::once(&first.key.0[..shared])
            .chain(rows.iter().map(|row| &row.key.0[shared..]))
        {
            bytes[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
        let mut bit = at * 8;
        for row in &rows {
            for (number, width) in row.numbers().into_iter().zip(widths) {
                put_bits(&mut bytes, bit, number);
                bit += usize::from(width);
            }
        }
        let sum = checksum(&bytes, number);
        bytes[..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

/// Returns the bytes that rows take.
fn size(count: usize, shared: usize, widths: &[u8; COLUMNS]) -> usize {
    let bits: usize = widths.iter().map(|width| usize::from(*width)).sum();
    HEAD_BYTES + shared + count * (KEY_BYTES - shared) + (count * bits).div_ceil(8)
}

/// A block that was read and is whole.
pub(super) struct Block<'a> {
    bytes: &'a [u8; BLOCK_BYTES],
    shared: usize,
    widths: [u8; COLUMNS],
}

impl<'a> Block<'a> {
    /// Checks a block that should bear the number.
    pub(super) fn check(bytes: &'a [u8; BLOCK_BYTES], number: u64) -> io::Result<Self> {
        if bytes[..8] != checksum(bytes, number).to_le_bytes() {
            return Err(damaged());
        }
        let mut widths = [0; COLUMNS];
        widths.copy_from_slice(&bytes[16..HEAD_BYTES]);
        let shared = usize::from(bytes[15]);
        let block = Self {
            bytes,
            shared,
            widths,
        };
        let is_possible = block.count() > 0
            && shared <= KEY_BYTES
            && widths.iter().all(|width| *width <= 32)
            && size(block.count(), shared, &widths) <= BLOCK_BYTES;
        is_possible.then_some(block).ok_or_else(damaged)
    }

    pub(super) fn count(&self) -> usize {
        usize::from(self.bytes[14])
    }

    pub(super) fn first_row(&self) -> u64 {
        let b = &self.bytes[8..14];
        u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], 0, 0])
    }

    /// Returns the place of the first row that is not before the key.
    pub(super) fn position(&self, key: &Key) -> usize {
        let prefix = &self.bytes[HEAD_BYTES..HEAD_BYTES + self.shared];
        match prefix.cmp(&key.0[..self.shared]) {
            std::cmp::Ordering::Less => self.count(),
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => {
                let wanted = &key.0[self.shared..];
                let (mut low, mut high) = (0, self.count());
                while low < high {
                    let middle = low.midpoint(high);
                    if self.rest(middle) < wanted {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                low
            }
        }
    }

    /// Returns what a key has beyond what all share.
    fn rest(&self, at: usize) -> &[u8] {
        let length = KEY_BYTES - self.shared;
        let start = HEAD_BYTES + self.shared + at * length;
        &self.bytes[start..start + length]
    }

    pub(super) fn key(&self, at: usize) -> Key {
        let mut key = [0; KEY_BYTES];
        key[..self.shared].copy_from_slice(&self.bytes[HEAD_BYTES..HEAD_BYTES + self.shared]);
        key[self.shared..].copy_from_slice(self.rest(at));
        Key(key)
    }

    pub(super) fn row(&self, at: usize) -> Record {
        let bits: usize = self.widths.iter().map(|width| usize::from(*width)).sum();
        let start = size(self.count(), self.shared, &[0; COLUMNS]);
        let mut bit = start * 8 + at * bits;
        let mut numbers = [0; COLUMNS];
        for (number, width) in numbers.iter_mut().zip(self.widths) {
            *number = get_bits(self.bytes, bit, width);
            bit += usize::from(width);
        }
        let [
            pack,
            frame_offset,
            frame_length,
            frame_expanded,
            offset,
            length,
        ] = numbers;
        Record {
            key: self.key(at),
            pack,
            frame_offset,
            frame_length,
            frame_expanded,
            offset,
            length,
        }
    }
}

/// Returns the eight bytes from the byte that holds a bit, as far as there are so many.
fn window(bytes: &[u8; BLOCK_BYTES], bit: usize) -> u64 {
    let rest = &bytes[(bit / 8).min(BLOCK_BYTES)..];
    match rest.first_chunk::<8>() {
        Some(window) => u64::from_le_bytes(*window),
        None => {
            let mut window = [0; 8];
            window[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(window)
        }
    }
}

fn get_bits(bytes: &[u8; BLOCK_BYTES], bit: usize, width: u8) -> u32 {
    let mask = (1_u64 << width) - 1;
    ((window(bytes, bit) >> (bit % 8)) & mask) as u32
}

fn put_bits(bytes: &mut [u8; BLOCK_BYTES], bit: usize, number: u32) {
    let window = window(bytes, bit) | u64::from(number) << (bit % 8);
    let start = (bit / 8).min(BLOCK_BYTES);
    let end = (start + 8).min(BLOCK_BYTES);
    bytes[start..end].copy_from_slice(&window.to_le_bytes()[..end - start]);
}

/// Returns a checksum of all but the first eight bytes, which also tells which block it is.
///
/// Four lanes of multiplications, since a look-up has no time for more; against damage, not malice.
fn checksum(bytes: &[u8; BLOCK_BYTES], number: u64) -> u64 {
    const ODD: [u64; 4] = [
        0x9e37_79b9_7f4a_7c15,
        0xc2b2_ae3d_27d4_eb4f,
        0x1656_67b1_9e37_79f9,
        0xd6e8_feb8_6659_fd93,
    ];
    let mut lanes = ODD.map(|odd| odd ^ number);
    let (words, _) = bytes.as_chunks::<8>();
    let (groups, _) = words.as_chunks::<8>();
    for (at, group) in groups.iter().enumerate() {
        for lane in 0..4 {
            let mut low = u64::from_le_bytes(group[lane * 2]);
            if at == 0 && lane == 0 {
                low = 0;
            }
            let high = u64::from_le_bytes(group[lane * 2 + 1]);
            lanes[lane] = fold(lanes[lane] ^ low, high ^ ODD[lane]) ^ lanes[lane].rotate_left(29);
        }
    }
    let halves = [
        fold(lanes[0] ^ ODD[1], lanes[1]),
        fold(lanes[2] ^ ODD[3], lanes[3]),
    ];
    fold(halves[0] ^ ODD[0], halves[1] ^ ODD[2])
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(n: u64, spread: u32) -> Record {
        let hash = blake3::hash(&n.to_le_bytes());
        let number = |at: usize| {
            let b = &hash.as_bytes()[at..at + 4];
            u32::from_le_bytes([b[0], b[1], b[2], b[3]]) % spread
        };
        Record {
            key: Key::of(&ChunkId(*blake3::hash(hash.as_bytes()).as_bytes())),
            pack: number(0),
            frame_offset: number(4),
            frame_length: number(8),
            frame_expanded: number(12),
            offset: number(16),
            length: number(20),
        }
    }

    fn build(rows: &[Record]) -> ([u8; BLOCK_BYTES], usize) {
        let mut builder = BlockBuilder::default();
        let taken = rows.iter().take_while(|row| builder.push(row)).count();
        (builder.take(7, 1 << 40), taken)
    }

    proptest! {
        #[test]
        fn rows_come_back_and_are_found(seed: u32, spread in 1_u32.., copies in 1_usize..4) {
            let one = |n: u64| vec![row(u64::from(seed) + n, spread); copies];
            let mut rows: Vec<Record> = (0..300).flat_map(one).collect();
            rows.sort_by_key(|row| row.key);
            let (bytes, count) = build(&rows);
            let block = Block::check(&bytes, 7).unwrap();
            prop_assert!(count >= 20);
            prop_assert_eq!((block.count(), block.first_row()), (count, 1 << 40));
            for (at, row) in rows[..count].iter().enumerate() {
                prop_assert_eq!(block.row(at), *row);
                let first = rows.iter().position(|other| other.key == row.key).unwrap();
                prop_assert_eq!(block.position(&row.key), first);
            }
            prop_assert_eq!(block.position(&Key([0; KEY_BYTES])), 0);
            prop_assert_eq!(block.position(&Key([255; KEY_BYTES])), count);
        }
    }

    #[test]
    fn any_changed_bit_and_another_place_are_noticed() {
        let mut rows: Vec<Record> = (0..20).map(|n| row(n, u32::MAX)).collect();
        rows.sort_by_key(|row| row.key);
        let (bytes, _) = build(&rows);
        assert!(Block::check(&bytes, 7).is_ok());
        assert!(Block::check(&bytes, 8).is_err());
        assert!(Block::check(&[0; BLOCK_BYTES], 0).is_err());
        for bit in 0..BLOCK_BYTES * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Block::check(&changed, 7).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn many_rows_fit_where_ids_are_dense_and_numbers_usual() {
        let mut rows: Vec<Record> = (0..100_u32)
            .map(|n| Record {
                pack: 300_000 + n,
                frame_offset: 60_000_000,
                frame_length: 1 << 20,
                frame_expanded: 2 << 20,
                offset: 1 << 20,
                length: 256 << 10,
                ..row(u64::from(n), 1)
            })
            .collect();
        for row in &mut rows {
            row.key.0[..2].copy_from_slice(&[1, 2]);
        }
        rows.sort_by_key(|row| row.key);
        assert!(build(&rows).1 >= 25);
    }
}
