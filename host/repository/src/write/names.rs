//! The names of a snapshot in the making: which are taken, and by what.
//!
//! A snapshot with two entries of one name, or with a file that something lies in, cannot be restored. Streams are
//! known by name. Of a tree only its place is known, and what it passed over: it takes all names below its prefix.

use holdfast_base::added_tree::{AddedTree, LeftToAdd, list_ways};
use holdfast_base::entry::{EntryPath, printable};
use std::collections::BTreeSet;

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct TakenNames {
    streams: BTreeSet<Vec<u8>>,
    trees: Vec<AddedTree>,
}

impl TakenNames {
    /// Takes the name of a stream.
    ///
    /// # Errors
    /// Says what is in its way.
    pub(super) fn take_stream(&mut self, path: &EntryPath) -> Result<(), String> {
        let name = path.as_bytes();
        let above = list_ways(name).find(|above| self.streams.contains(*above));
        if let Some(held) = above {
            return Err(printable(held));
        }
        let inside = [name, b"/"].concat();
        let next = self.streams.range(inside.clone()..).next();
        if let Some(held) = next.filter(|next| next.starts_with(&inside)) {
            return Err(printable(held));
        }
        if let Some(tree) = self.trees.iter().find(|tree| tree.collides(path)) {
            return Err(tree.to_string());
        }
        self.streams.insert(name.to_vec());
        Ok(())
    }

    /// Frees the name of a stream that was discarded.
    pub(super) fn free_stream(&mut self, path: &EntryPath) {
        self.streams.remove(path.as_bytes());
    }

    /// Takes the names of a tree, and returns what is left to add of it.
    ///
    /// # Errors
    /// Says what is in its way.
    pub(super) fn take_tree(&mut self, tree: AddedTree) -> Result<LeftToAdd, String> {
        let paths = self
            .streams
            .iter()
            .filter_map(|name| EntryPath::new(name.as_slice()).ok());
        if let Some(held) = paths.into_iter().find(|held| tree.collides(held)) {
            return Err(held.to_string());
        }
        let mut left = LeftToAdd::Everything;
        for held in &self.trees {
            match held.find_left(&tree) {
                Some(LeftToAdd::Everything) => {}
                Some(less) => left = less,
                None => return Err(held.to_string()),
            }
        }
        if left != LeftToAdd::Nothing {
            self.trees.push(tree);
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> EntryPath {
        EntryPath::new(name).unwrap()
    }

    /// A tree whose entries are named as it lies, on a file system of this number.
    fn tree(place: &str, file_system: u64) -> AddedTree {
        AddedTree {
            prefix: EntryPath::new(&place[1..]).ok(),
            place: place.into(),
            only_file_system: None,
            file_system,
            passed_over: Box::new(|name| name == b"cache"),
        }
    }

    #[test]
    fn a_name_is_taken_once_and_nothing_lies_in_a_stream() {
        let mut names = TakenNames::default();
        names.take_stream(&path("a/b")).unwrap();
        for taken in ["a/b", "a/b/c", "a"] {
            assert_eq!(names.take_stream(&path(taken)).unwrap_err(), "a/b");
        }
        names.take_stream(&path("a/bc")).unwrap();
        names.free_stream(&path("a/b"));
        names.take_stream(&path("a/b/c")).unwrap();
    }

    #[test]
    fn a_tree_takes_what_lies_in_it_but_not_what_it_passes_over() {
        let mut names = TakenNames::default();
        names.take_stream(&path("d/cache/dump")).unwrap();
        assert_eq!(names.take_tree(tree("/d", 1)), Ok(LeftToAdd::Everything));
        for (taken, held) in [("d", "d/cache/dump"), ("d/x", "d"), ("d/x/y", "d")] {
            assert_eq!(names.take_stream(&path(taken)).unwrap_err(), held);
        }
        names.take_stream(&path("d/cache/other")).unwrap();
        names.take_stream(&path("e")).unwrap();
        assert_eq!(names.take_tree(tree("/e/f", 1)).unwrap_err(), "e");
    }

    #[test]
    fn what_lies_in_a_tree_is_added_once_and_what_only_seems_to_is_refused() {
        let mut names = TakenNames::default();
        let outer = AddedTree {
            only_file_system: Some(1),
            ..tree("/d", 1)
        };
        names.take_tree(outer).unwrap();
        assert_eq!(names.take_tree(tree("/d", 1)).unwrap_err(), "d");
        assert_eq!(names.take_tree(tree("/d/in", 1)), Ok(LeftToAdd::Nothing));
        assert_eq!(
            names.take_tree(tree("/d/mount", 2)),
            Ok(LeftToAdd::WhatLiesInIt)
        );
        assert_eq!(
            names.take_tree(tree("/d/cache/kept", 1)),
            Ok(LeftToAdd::Everything)
        );
        assert_eq!(names.take_tree(tree("/db", 1)), Ok(LeftToAdd::Everything));
        let elsewhere = AddedTree {
            place: "/elsewhere".into(),
            ..tree("/d/link", 1)
        };
        assert_eq!(names.take_tree(elsewhere).unwrap_err(), "d");
        assert_eq!(names.take_tree(tree("/", 1)).unwrap_err(), "d");
    }

    #[test]
    fn a_tree_at_the_top_takes_every_name() {
        let mut names = TakenNames::default();
        names.take_tree(tree("/", 1)).unwrap();
        assert!(names.take_stream(&path("x")).is_err());
        assert_eq!(names.take_tree(tree("/x", 1)), Ok(LeftToAdd::Nothing));
        assert_eq!(names.take_tree(tree("/", 1)).unwrap_err(), "/");
    }
}
