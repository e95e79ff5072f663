//! Files that have more than one name.
//!
//! - The first name that becomes an entry holds the content; later ones are links to it.
//! - A file is forgotten once all its names were met, so that only trees that share files with
//!   something outside keep much; even then memory has a bound, beyond which names become files of
//!   their own, which loses no content.

use holdfast_base::entry::EntryPath;
use rustix::fs::Stat;
use std::collections::HashMap;

/// What remembered names may take.
const MEMORY_MAX: usize = 32 << 20;

/// What a remembered name takes beside its bytes.
const MEMORY_EACH: usize = 96;

/// The first name of a file.
struct FirstName {
    path: EntryPath,
    /// Names that were not met yet.
    left: usize,
}

/// Files with several names, at least one of which was met.
pub(crate) struct Links {
    first: HashMap<(u64, u64), FirstName>,
    memory: usize,
    memory_max: usize,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            first: HashMap::new(),
            memory: 0,
            memory_max: MEMORY_MAX,
        }
    }
}

impl Links {
    /// Returns the name by which a file was met before.
    pub(crate) fn find_first(&mut self, stat: &Stat) -> Option<EntryPath> {
        if stat.st_nlink < 2 {
            return None;
        }
        let key = (stat.st_dev, stat.st_ino);
        let first = self.first.get_mut(&key)?;
        first.left = first.left.saturating_sub(1);
        if first.left > 0 {
            return Some(first.path.clone());
        }
        let path = self.first.remove(&key)?.path;
        self.memory = self.memory.saturating_sub(memory_cost(&path));
        Some(path)
    }

    /// Remembers the first name of a file; returns whether there was room.
    pub(crate) fn remember(&mut self, stat: &Stat, path: &EntryPath) -> bool {
        if stat.st_nlink < 2 {
            return true;
        }
        let memory = self.memory + memory_cost(path);
        if memory > self.memory_max {
            return false;
        }
        self.memory = memory;
        let first = FirstName {
            path: path.clone(),
            left: usize::try_from(stat.st_nlink).unwrap_or(usize::MAX) - 1,
        };
        self.first.insert((stat.st_dev, stat.st_ino), first);
        true
    }
}

fn memory_cost(path: &EntryPath) -> usize {
    path.as_bytes().len() + MEMORY_EACH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> EntryPath {
        EntryPath::new(name).unwrap()
    }

    #[test]
    fn a_file_is_forgotten_with_its_last_name_and_memory_is_bounded() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a");
        std::fs::write(&file, b"x").unwrap();
        for name in ["b", "c"] {
            std::fs::hard_link(&file, place.path().join(name)).unwrap();
        }
        let stat = rustix::fs::stat(&file).unwrap();
        let mut links = Links::default();
        assert_eq!(links.find_first(&stat), None);
        assert!(links.remember(&stat, &path("a")));
        assert_eq!(links.find_first(&stat), Some(path("a")));
        assert_eq!(links.find_first(&stat), Some(path("a")));
        assert_eq!((links.first.len(), links.memory), (0, 0));
        links.memory_max = 10;
        assert!(!links.remember(&stat, &path("a")));
    }
}
