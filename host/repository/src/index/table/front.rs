//! What stands in front of the rows, in memory: filters and fences.
//!
//! - A filter of nine bits a chunk answers nearly every "no".
//! - A fence, the first four bytes of each block's first key, leads a "yes" to its block; the
//!   fences themselves are found by what ids begin with, since ids are spread evenly. Where they are
//!   not, a search finds them all the same.

use crate::index::table::block::{Key, Record};
use crate::index::table::damaged;
use std::io;
use std::ops::RangeInclusive;
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

/// A filter is made for so many chunks at a time, which bounds the memory that making it takes.
const SHARE_CHUNKS: usize = 1 << 18;
/// Bytes that tell how a filter is used.
pub(super) const DESCRIPTOR_BYTES: usize = BinaryFuse8::DESCRIPTOR_LEN;
/// So many fences, on average, begin alike.
const FENCES_ALIKE: usize = 8;

/// The front of some blocks that follow one another.
pub(super) struct Share {
    /// The first four bytes of each block's first key.
    pub(super) fences: Vec<u32>,
    /// How the filter is used.
    pub(super) descriptor: [u8; DESCRIPTOR_BYTES],
    /// The filter; empty if none could be made, and then nothing is ruled out.
    pub(super) filter: Vec<u8>,
}

impl Share {
    /// Returns whether all places that the descriptor leads to lie in the filter.
    fn filter_fits(&self) -> bool {
        let number = |at: usize| {
            let b = &self.descriptor[at..at + 4];
            u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        };
        let (segment, mask, all) = (number(8), number(12), number(16));
        self.filter.is_empty()
            || (segment.is_power_of_two()
                && mask == segment - 1
                && all.is_multiple_of(segment)
                && all + 2 * segment <= self.filter.len() as u64)
    }
}

/// Collects what a share needs, block by block.
#[derive(Default)]
pub(super) struct ShareBuilder {
    fences: Vec<u32>,
    keys: Vec<u64>,
}

impl ShareBuilder {
    pub(super) fn push(&mut self, block: &[Record]) {
        self.fences.extend(block.first().map(|row| row.key.fence()));
        for row in block {
            let key = row.key.prefix();
            if self.keys.last() != Some(&key) {
                self.keys.push(key);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= SHARE_CHUNKS
    }

    /// Makes the share and begins the next.
    pub(super) fn take(&mut self) -> Share {
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        let mut filter = Vec::new();
        // Making one fails only on keys that repeat, and sorted keys are made unique above.
        if let Ok(made) = BinaryFuse8::try_from(&self.keys) {
            made.dma_copy_descriptor_to(&mut descriptor);
            filter = made.fingerprints.into_vec();
        }
        self.keys.clear();
        let mut share = Share {
            fences: std::mem::take(&mut self.fences),
            descriptor,
            filter,
        };
        if !share.filter_fits() {
            share.filter.clear();
        }
        share
    }
}

/// The fronts of all blocks of a table.
#[derive(Default)]
pub(super) struct Front {
    fences: Vec<u32>,
    /// For each beginning of an id the first fence that has it or a later one, and one more.
    starts: Vec<u32>,
    /// Bits of such a beginning.
    start_bits: u32,
    /// The first block of each share.
    firsts: Vec<u32>,
    filters: Vec<([u8; DESCRIPTOR_BYTES], Box<[u8]>)>,
}

impl Front {
    pub(super) fn with_capacity(blocks: usize) -> Self {
        Self {
            fences: Vec::with_capacity(blocks),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, share: Share) -> io::Result<()> {
        if !share.filter_fits() {
            return Err(damaged());
        }
        self.firsts.push(self.fences.len() as u32);
        self.fences.extend_from_slice(&share.fences);
        self.filters
            .push((share.descriptor, share.filter.into_boxed_slice()));
        Ok(())
    }

    /// Notes where fences begin, when all are there.
    pub(super) fn close(&mut self) {
        let wanted = (self.fences.len() / FENCES_ALIKE).max(1);
        self.start_bits = wanted.ilog2();
        let mut starts = Vec::with_capacity((1 << self.start_bits) + 1);
        for beginning in 0..1_u64 << self.start_bits {
            let first = (beginning << (32 - self.start_bits)) as u32;
            starts.push(self.fences.partition_point(|fence| *fence < first) as u32);
        }
        starts.push(self.fences.len() as u32);
        self.starts = starts;
    }

    /// Returns the blocks in which a key may be; of nearly all keys that are nowhere, none.
    pub(super) fn blocks(&self, key: &Key) -> Option<RangeInclusive<usize>> {
        let wanted = key.fence();
        let beginning = (u64::from(wanted) >> (32 - self.start_bits)) as usize;
        let (start, end) = (
            *self.starts.get(beginning)? as usize,
            *self.starts.get(beginning + 1)? as usize,
        );
        let alike = &self.fences[start..end];
        let after = start + alike.partition_point(|fence| *fence <= wanted);
        let last = after.checked_sub(1)?;
        // Keys may begin as a block's first key does, and lie in the block before it.
        let before = start + alike.partition_point(|fence| *fence < wanted);
        let blocks = before.saturating_sub(1)..=last;
        self.may_hold(&blocks, key).then_some(blocks)
    }

    fn may_hold(&self, blocks: &RangeInclusive<usize>, key: &Key) -> bool {
        let share = |block: usize| {
            self.firsts
                .partition_point(|first| *first as usize <= block)
        };
        let shares = share(*blocks.start())..=share(*blocks.end());
        shares
            .filter_map(|after| self.filters.get(after.checked_sub(1)?))
            .any(|(descriptor, filter)| {
                filter.is_empty()
                    || BinaryFuse8Ref::from_dma(descriptor, filter).contains(&key.prefix())
            })
    }

    /// Returns which share a block is in, and that share's first block.
    pub(super) fn share(&self, block: usize) -> Option<(usize, u64)> {
        let after = self
            .firsts
            .partition_point(|first| *first as usize <= block);
        let share = after.checked_sub(1)?;
        Some((share, u64::from(*self.firsts.get(share)?)))
    }

    /// Returns the bytes that it holds in memory.
    pub(super) fn bytes(&self) -> usize {
        let filters: usize = self.filters.iter().map(|(_, filter)| filter.len()).sum();
        filters + (self.fences.capacity() + self.starts.capacity() + self.firsts.capacity()) * 4
    }
}
