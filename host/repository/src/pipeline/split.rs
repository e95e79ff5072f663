//! Splitting: cuts a stream into chunks whose borders depend on content and a secret.
//!
//! FastCDC with normalised chunking, over a gear table that is derived from the repository's split
//! key: all 256 entries are secret, so that border positions tell nothing to who does not hold it.
//! The way back needs no code: chunks laid end to end are the stream.

use crate::format::header::Splitter;

/// Cuts content. Cheap to clone the settings of, one for each stream.
#[derive(Clone)]
pub(crate) struct Cutter {
    gear: Box<[u64; 256]>,
    min: usize,
    target: usize,
    max: usize,
    /// Demanded before the target size: harder to meet.
    mask_before: u64,
    /// Demanded after it: easier to meet.
    mask_after: u64,
}

impl Cutter {
    /// Derives the gear table from the secret.
    #[must_use]
    pub(crate) fn new(secret: &[u8; 32], splitter: &Splitter) -> Self {
        let mut bytes = [0; 2048];
        let key = blake3::derive_key("holdfast v1 splitter gear table", secret);
        blake3::Hasher::new_keyed(&key)
            .finalize_xof()
            .fill(&mut bytes);
        let mut gear = Box::new([0; 256]);
        for (entry, bytes) in gear.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *entry = u64::from_le_bytes(*bytes);
        }
        let bits = splitter.target.ilog2();
        Self {
            gear,
            min: splitter.min as usize,
            target: splitter.target as usize,
            max: splitter.max as usize,
            mask_before: high_bits(bits + 2),
            mask_after: high_bits(bits.saturating_sub(2)),
        }
    }

    /// Returns the largest chunk that will be made.
    #[must_use]
    pub(crate) fn longest_chunk(&self) -> usize {
        self.max
    }

    /// Returns the length of the first chunk of `bytes`; none while more bytes could move its end.
    ///
    /// At the end of a stream what is left is a chunk.
    #[must_use]
    pub(crate) fn cut(&self, bytes: &[u8]) -> Option<usize> {
        let before = &bytes[..bytes.len().min(self.target)];
        let reach = &bytes[..bytes.len().min(self.max)];
        let mut hash = 0_u64;
        // The hash forgets a byte after 64 more, so that looking may start shortly before the
        // smallest size and yet not depend on where the chunk began.
        let mut at = self.min.saturating_sub(64).min(reach.len());
        let warm = self.min.min(reach.len());
        for byte in &reach[at..warm] {
            hash = (hash << 1).wrapping_add(self.gear[usize::from(*byte)]);
        }
        at = warm;
        if let Some(cut) = self.scan(before, at, &mut hash, self.mask_before) {
            return Some(cut);
        }
        at = at.max(before.len());
        if let Some(cut) = self.scan(reach, at, &mut hash, self.mask_after) {
            return Some(cut);
        }
        (bytes.len() >= self.max).then_some(self.max)
    }

    /// Looks for a border; four bytes a turn, since this is where a backup's time goes.
    #[inline]
    fn scan(&self, bytes: &[u8], from: usize, hash: &mut u64, mask: u64) -> Option<usize> {
        let mut at = from;
        let mut h = *hash;
        let (quads, rest) = bytes.get(from..)?.as_chunks::<4>();
        for quad in quads {
            h = (h << 1).wrapping_add(self.gear[usize::from(quad[0])]);
            if h & mask == 0 {
                return Some(at + 1);
            }
            h = (h << 1).wrapping_add(self.gear[usize::from(quad[1])]);
            if h & mask == 0 {
                return Some(at + 2);
            }
            h = (h << 1).wrapping_add(self.gear[usize::from(quad[2])]);
            if h & mask == 0 {
                return Some(at + 3);
            }
            h = (h << 1).wrapping_add(self.gear[usize::from(quad[3])]);
            if h & mask == 0 {
                return Some(at + 4);
            }
            at += 4;
        }
        for byte in rest {
            h = (h << 1).wrapping_add(self.gear[usize::from(*byte)]);
            at += 1;
            if h & mask == 0 {
                return Some(at);
            }
        }
        *hash = h;
        None
    }
}

/// The highest bits depend on the most bytes of the window.
fn high_bits(count: u32) -> u64 {
    u64::MAX << (64 - count.clamp(1, 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cutter(secret: u8) -> Cutter {
        let splitter = Splitter {
            name: "test".into(),
            min: 1024,
            target: 4096,
            max: 16_384,
        };
        Cutter::new(&[secret; 32], &splitter)
    }

    fn noise(seed: &[u8], length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new()
            .update(seed)
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    }

    fn chunks(cutter: &Cutter, bytes: &[u8]) -> Vec<usize> {
        let mut rest = bytes;
        let mut lengths = Vec::new();
        while !rest.is_empty() {
            let length = cutter.cut(rest).unwrap_or(rest.len());
            lengths.push(length);
            rest = &rest[length..];
        }
        lengths
    }

    #[test]
    fn chunks_keep_their_sizes_and_come_near_the_target() {
        let lengths = chunks(&cutter(1), &noise(b"a", 4 << 20));
        assert!(lengths.iter().all(|length| *length <= 16_384));
        assert!(
            lengths[..lengths.len() - 1]
                .iter()
                .all(|length| *length >= 1024)
        );
        let mean = (4 << 20) / lengths.len();
        assert!((2500..8000).contains(&mean), "{mean}");
    }

    #[test]
    fn an_insertion_moves_only_the_borders_near_it() {
        let before = noise(b"b", 1 << 20);
        let mut after = before.clone();
        after.splice(500_000..500_000, *b"inserted");
        let ends = |bytes: &[u8]| {
            let mut end = 0;
            let all = chunks(&cutter(1), bytes);
            all.iter()
                .map(|length| {
                    end += length;
                    bytes.len() - end
                })
                .collect::<Vec<_>>()
        };
        let (before, after) = (ends(&before), ends(&after));
        let kept = after.iter().filter(|end| before.contains(end)).count();
        assert!(
            kept + 4 > after.len() / 2,
            "{kept} of {} borders from the end stayed",
            after.len()
        );
    }

    #[test]
    fn another_secret_cuts_elsewhere() {
        let bytes = noise(b"c", 1 << 20);
        assert_ne!(chunks(&cutter(1), &bytes), chunks(&cutter(2), &bytes));
    }

    proptest! {
        #[test]
        fn a_cut_does_not_depend_on_how_much_more_is_seen(seed: [u8; 4], more in 0_usize..50_000) {
            let bytes = noise(&seed, 20_000 + more);
            let first = cutter(1).cut(&bytes);
            prop_assert_eq!(first, cutter(1).cut(&bytes[..20_000]));
        }
    }
}
