//! The names of one directory.
//!
//! - They lie in one buffer, each behind its length, and are sorted by their bytes: a million names
//!   of 20 bytes take some 26 MiB, while they are read and after.
//! - A directory that cannot be read to its end gives what was read, and the error.

use rustix::fs::RawDir;
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// How much of a directory is asked for in one call.
const LISTING_BYTES: usize = 64 << 10;

/// Names beyond this are not taken: offsets have 32 bits.
const NAMES_BYTES_MAX: usize = u32::MAX as usize - (64 << 10);

/// Where the system writes the names that were asked for.
pub(crate) type Listing = Vec<MaybeUninit<u8>>;

/// Makes a buffer for one listing.
pub(crate) fn new_listing() -> Listing {
    vec![MaybeUninit::uninit(); LISTING_BYTES]
}

/// The names of one directory, sorted.
#[derive(Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    order: Vec<u32>,
}

impl Names {
    /// Reads the names of a directory from the position of its descriptor.
    pub(crate) fn read_sorted(
        directory: &OwnedFd,
        listing: &mut Listing,
    ) -> (Self, Option<io::Error>) {
        let mut names = Self::default();
        let mut trouble = None;
        let mut entries = RawDir::new(directory, listing);
        while let Some(found) = entries.next() {
            match found {
                Ok(found) => {
                    let name = found.file_name().to_bytes();
                    if name == b"." || name == b".." {
                        continue;
                    }
                    if !names.add_name(name) {
                        trouble = Some(io::Error::other("it has too many names"));
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    trouble = Some(error.into());
                    break;
                }
            }
        }
        names.sort_names();
        (names, trouble)
    }

    fn add_name(&mut self, name: &[u8]) -> bool {
        let (Ok(start), Ok(length)) = (u32::try_from(self.bytes.len()), u16::try_from(name.len()))
        else {
            return false;
        };
        if self.bytes.len() > NAMES_BYTES_MAX {
            return false;
        }
        self.order.push(start);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(name);
        true
    }

    fn sort_names(&mut self) {
        let bytes = &self.bytes;
        self.order
            .sort_unstable_by_key(|start| name_at(bytes, *start));
        self.bytes.shrink_to_fit();
        self.order.shrink_to_fit();
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn get(&self, at: usize) -> &[u8] {
        name_at(&self.bytes, self.order[at])
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.order
            .binary_search_by(|start| name_at(&self.bytes, *start).cmp(name))
            .is_ok()
    }

    /// Returns how much memory the names take.
    #[cfg(test)]
    fn memory(&self) -> usize {
        self.bytes.capacity() + self.order.capacity() * size_of::<u32>()
    }
}

fn name_at(bytes: &[u8], start: u32) -> &[u8] {
    let start = start as usize;
    let length = u16::from_ne_bytes([bytes[start], bytes[start + 1]]) as usize;
    &bytes[start + 2..start + 2 + length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_million_names_stay_small() {
        let mut names = Names::default();
        for at in 0..1_000_000_u32 {
            assert!(
                names.add_name(format!("name-{:015}", at.wrapping_mul(2_654_435_761)).as_bytes())
            );
        }
        assert!(names.memory() < 60 << 20, "{}", names.memory());
        names.sort_names();
        assert!(names.memory() < 30 << 20, "{}", names.memory());
        assert!((1..names.len()).all(|at| names.get(at - 1) <= names.get(at)));
    }

    proptest! {
        #[test]
        fn names_come_back_sorted_by_their_bytes(mut given in prop::collection::vec(
            prop::collection::vec(1_u8.., 1..255), 0..50,
        )) {
            let mut names = Names::default();
            for name in &given {
                prop_assert!(names.add_name(name));
            }
            names.sort_names();
            given.sort();
            let sorted: Vec<_> = (0..names.len()).map(|at| names.get(at).to_vec()).collect();
            prop_assert_eq!(&sorted, &given);
            prop_assert!(given.iter().all(|name| names.contains(name)));
        }
    }
}
