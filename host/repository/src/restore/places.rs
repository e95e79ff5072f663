//! Where content goes in a file with holes.

use holdfast_base::entry::Extent;

/// Returns the offsets and lengths of a range of the content in a file with holes.
#[must_use]
pub fn placed(extents: &[Extent], position: u64, length: u64) -> Vec<(u64, u64)> {
    let mut places = Vec::new();
    let mut before = 0_u64;
    let end = position + length;
    for extent in extents {
        let after = before + extent.length;
        let (from, to) = (position.max(before), end.min(after));
        if from < to {
            places.push((extent.offset + (from - before), to - from));
        }
        before = after;
        if before >= end {
            break;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_placed_around_holes() {
        let extents = [
            Extent {
                offset: 100,
                length: 10,
            },
            Extent {
                offset: 200,
                length: 5,
            },
        ];
        assert_eq!(placed(&extents, 0, 15), [(100, 10), (200, 5)]);
        assert_eq!(placed(&extents, 8, 4), [(108, 2), (200, 2)]);
        assert_eq!(placed(&extents, 10, 5), [(200, 5)]);
        assert_eq!(placed(&extents, 15, 0), []);
    }
}
