//! Reads and writes directory trees faithfully, and never outside of the directory that it was given.

/// Opens what lies below a directory, and nothing else.
mod beneath;
/// Compares two trees.
pub mod compare;
/// Files that were found, and are read later.
mod content;
/// Which entries are left out.
pub mod exclude;
/// Writes entries into a directory.
pub mod extract;
/// Files that have more than one name.
mod links;
/// The names of one directory.
mod names;
/// A directory that access was given to.
pub mod tree;
/// Opens directories on ways that nobody else laid.
pub mod trusted;
/// Goes through a tree, in order.
pub mod walk;
/// Extended attributes, POSIX ACLs among them.
mod xattr;

pub use exclude::{Excludes, PatternError};
pub use extract::{ExtractOptions, Extractor};
pub use tree::Tree;
pub use trusted::TrustedDirectory;
pub use walk::{Found, Walk, WalkOptions};
