//! What keeps the code as it should be read. Each file here holds one part of it.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

/// Which files there are.
mod checkout;
/// Which module imports from which.
mod imports;
/// What in a file is code, comment or literal.
mod reader;

/// Crates depend on each other in one direction.
mod arrows;
/// Documents name what exists.
mod documents;
/// Figures of the whole.
mod figures;
/// So do the modules of a crate.
mod modules;
/// Files and functions are short.
mod sizes;
/// Commands are spelled in one place, and errors are compared by type.
mod words;
