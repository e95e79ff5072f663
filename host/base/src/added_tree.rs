//! A tree that is added to a snapshot: which names it takes there, and what of another tree it holds already.

use crate::entry::EntryPath;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Answers whether a walk that looks at the names above a directory passes over the directory itself.
pub type PassedOver = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// A tree that is added.
pub struct AddedTree {
    /// The place of its entries in the snapshot; its top if none is given.
    pub prefix: Option<EntryPath>,
    /// Where it lies on this machine.
    pub place: PathBuf,
    /// The file system that it is on, if the walk does not leave it.
    pub only_file_system: Option<u64>,
    /// The file system that it is on.
    pub file_system: u64,
    /// What its walk passes over.
    pub passed_over: PassedOver,
}

impl fmt::Debug for AddedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddedTree")
            .field("prefix", &self.prefix)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What is left to add of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftToAdd {
    /// All of it.
    Everything,
    /// What lies in it: the directory itself is an entry of a tree around it, which stays on its own file system.
    WhatLiesInIt,
    /// Nothing: a tree around it has it all.
    Nothing,
}

impl AddedTree {
    /// Returns whether an entry of this name may be one of the tree, or a file in which the tree would lie.
    #[must_use]
    pub fn collides(&self, path: &EntryPath) -> bool {
        let holds_tree = self
            .prefix
            .as_ref()
            .is_some_and(|prefix| prefix.is_within(path));
        holds_tree || strip_path(self.prefix.as_ref(), path).is_some_and(|rest| self.enters(rest))
    }

    /// Returns whether the walk meets what lies there below its root.
    fn enters(&self, rest: &[u8]) -> bool {
        rest.is_empty() || !list_ways(rest).any(|way| (self.passed_over)(way))
    }

    /// Returns what is left to add of another tree, of which this one may hold a part; none if they share names.
    #[must_use]
    pub fn find_left(&self, other: &Self) -> Option<LeftToAdd> {
        let inner = match (&self.prefix, &other.prefix) {
            (None, None) => Some(&b""[..]),
            (own, Some(prefix)) => strip_path(own.as_ref(), prefix),
            (Some(_), None) => None,
        };
        let Some(rest) = inner else {
            // They are apart, unless this one lies in the other.
            let is_held = self.prefix.as_ref().is_none_or(|own| other.collides(own));
            return (!is_held).then_some(LeftToAdd::Everything);
        };
        if !self.enters(rest) {
            return Some(LeftToAdd::Everything);
        }
        // Under one prefix the second may differ in what it passes over, and none of it would be missed.
        if rest.is_empty() {
            return None;
        }
        let place = other.place.strip_prefix(&self.place).ok()?;
        if place.as_os_str().as_bytes() != rest {
            return None;
        }
        let only = self.only_file_system;
        let has_entered = only.is_none_or(|only| only == other.file_system);
        Some(if has_entered {
            LeftToAdd::Nothing
        } else {
            LeftToAdd::WhatLiesInIt
        })
    }
}

impl fmt::Display for AddedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prefix {
            Some(prefix) => write!(f, "{prefix}"),
            None => write!(f, "{}", self.place.display()),
        }
    }
}

/// Lists the ways to a name: the directories above it, the outermost first, and the name itself.
pub fn list_ways(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(end, _)| &name[..end]).chain([name])
}

/// Returns the part of a path below a prefix, empty for the prefix itself; none if it lies elsewhere.
fn strip_path<'a>(prefix: Option<&EntryPath>, path: &'a EntryPath) -> Option<&'a [u8]> {
    let Some(prefix) = prefix else {
        return Some(path.as_bytes());
    };
    let rest = path.as_bytes().strip_prefix(prefix.as_bytes())?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(b"/")
}
