//! What every floor stands on: names of objects, domains of chunks, sealing, and what comes from outside.

/// Random bytes.
pub(crate) mod chance;
/// What a chunk holds.
pub mod domain;
/// The name of every object, and the area that it lies in.
pub mod names;
/// Seals packs and small objects, by an encryptor that somebody else provides.
pub mod seal;
/// What a repository needs from outside.
pub mod setup;
