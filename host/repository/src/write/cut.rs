//! Reads content and cuts it into chunks: the one place that does, for files and for streams.
//!
//! - Where chunks end depends on the content alone, never on how it comes in.
//! - No byte is copied but those behind the last cut: at most one chunk for each buffer that is filled.

use crate::pipeline::split::Cutter;
use std::io::{self, Read};

/// Most bytes that are gathered before their chunks are handed on.
const ROOM_MAX: usize = 4 << 20;
/// The room beyond the size of a file, so that the end of one that did not grow is found in one pass.
const SLACK: usize = 1;

/// Bytes of one content on their way to be cut. Its memory is used again for the next content.
#[derive(Default)]
pub(super) struct CutBuffer {
    /// Content up to `filled`; what stands behind it was there before, and need not be zeroed again.
    bytes: Vec<u8>,
    filled: usize,
    /// Bytes at the beginning that are cut.
    cut: usize,
    /// How many bytes are gathered.
    room: usize,
    /// Bytes of the content that came in so far.
    content_bytes: u64,
}

impl CutBuffer {
    /// Begins new content of about `expected_bytes`.
    pub(super) fn restart(&mut self, cutter: &Cutter, expected_bytes: u64) {
        let expected = usize::try_from(expected_bytes).unwrap_or(usize::MAX);
        // Without room for a whole chunk, cutting might never find an end.
        self.room = expected
            .saturating_add(SLACK)
            .min(ROOM_MAX)
            .max(cutter.longest_chunk());
        self.filled = 0;
        self.cut = 0;
        self.content_bytes = 0;
    }

    /// Returns how many bytes of the content came in.
    pub(super) fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// Returns whether chunks must be taken before more bytes fit in.
    pub(super) fn is_full(&self) -> bool {
        self.filled == self.room
    }

    /// Takes as many bytes as fit in, and returns the others.
    pub(super) fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(self.room - self.filled));
        self.bytes.truncate(self.filled);
        self.bytes.reserve_exact(self.room - self.filled);
        self.bytes.extend_from_slice(now);
        self.advance(now.len());
        later
    }

    /// Reads until the buffer is full, and returns whether the content ended.
    pub(super) fn fill(&mut self, from: &mut dyn Read) -> io::Result<bool> {
        if self.bytes.len() < self.room {
            self.bytes.resize(self.room, 0);
        }
        while !self.is_full() {
            match from.read(&mut self.bytes[self.filled..self.room]) {
                Ok(0) => return Ok(true),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn advance(&mut self, count: usize) {
        self.filled += count;
        self.content_bytes += count as u64;
    }

    /// Cuts the next chunk; none while more bytes could move its end.
    pub(super) fn next_chunk(&mut self, cutter: &Cutter, is_end: bool) -> Option<&[u8]> {
        let start = self.cut;
        let rest = &self.bytes[start..self.filled];
        if rest.is_empty() {
            return None;
        }
        let length = cutter.cut(rest).or_else(|| is_end.then_some(rest.len()))?;
        self.cut += length;
        Some(&self.bytes[start..self.cut])
    }

    /// Makes room by forgetting the chunks that were cut.
    pub(super) fn discard_cut(&mut self) {
        self.bytes.copy_within(self.cut..self.filled, 0);
        self.filled -= self.cut;
        self.cut = 0;
    }

    /// Makes room by giving the memory away that the chunks lie in, from its beginning on.
    pub(super) fn take_cut(&mut self) -> Vec<u8> {
        let mut next = Vec::with_capacity(self.room);
        next.extend_from_slice(&self.bytes[self.cut..self.filled]);
        self.filled = next.len();
        self.cut = 0;
        std::mem::replace(&mut self.bytes, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::header::Splitter;
    use proptest::prelude::*;

    fn cutter() -> Cutter {
        let (min, target, max) = (1024, 4096, 16_384);
        let name = "test".into();
        Cutter::new(
            &[7; 32],
            &Splitter {
                name,
                min,
                target,
                max,
            },
        )
    }

    fn content(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    /// Cuts content that is read, into a buffer for so many bytes.
    fn cut_read(buffer: &mut CutBuffer, mut bytes: &[u8], expected_bytes: u64) -> Vec<Vec<u8>> {
        let cutter = cutter();
        buffer.restart(&cutter, expected_bytes);
        let mut chunks = Vec::new();
        loop {
            let is_end = buffer.fill(&mut bytes).unwrap();
            while let Some(chunk) = buffer.next_chunk(&cutter, is_end) {
                chunks.push(chunk.to_vec());
            }
            buffer.discard_cut();
            if is_end {
                return chunks;
            }
        }
    }

    /// Cuts content that is written in pieces.
    fn cut_written(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let cutter = cutter();
        let mut buffer = CutBuffer::default();
        buffer.restart(&cutter, 0);
        let mut chunks: Vec<Vec<u8>> = Vec::new();
        let mut cut_all = |buffer: &mut CutBuffer, is_end| {
            let mut lengths = Vec::new();
            while let Some(chunk) = buffer.next_chunk(&cutter, is_end) {
                lengths.push(chunk.len());
            }
            let taken = buffer.take_cut();
            let mut rest = taken.as_slice();
            for length in lengths {
                let (chunk, later) = rest.split_at(length);
                chunks.push(chunk.to_vec());
                rest = later;
            }
        };
        for mut rest in bytes.chunks(piece) {
            while !rest.is_empty() {
                rest = buffer.append(rest);
                if buffer.is_full() {
                    cut_all(&mut buffer, false);
                }
            }
        }
        cut_all(&mut buffer, true);
        chunks
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_same_content_has_the_same_chunks_however_it_comes_in(
            length in 0_usize..200_000,
            expected in 0_u64..200_000,
            piece in 1_usize..50_000,
        ) {
            let bytes = content(length);
            let mut buffer = CutBuffer::default();
            // What an earlier content left must not be seen.
            cut_read(&mut buffer, &[1; 70_000], 70_000);
            let chunks = cut_read(&mut buffer, &bytes, expected);
            prop_assert_eq!(chunks.concat(), bytes.clone());
            prop_assert_eq!(&chunks, &cut_read(&mut CutBuffer::default(), &bytes, u64::MAX));
            prop_assert_eq!(&chunks, &cut_written(&bytes, piece));
        }
    }
}
