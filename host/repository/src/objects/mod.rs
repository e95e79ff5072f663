//! Objects in the store: created surely, sealed, spared, and told apart when they are damaged.

/// What operators tell every host, newest first.
pub mod announcements;
/// Small objects that are sealed to the catalog key.
pub(crate) mod catalog;
/// Creates an object and knows afterwards whether it exists.
pub(crate) mod create;
/// Tells damage from a store that does not answer.
pub(crate) mod damage;
/// Epochs: the operators' way to everything.
pub mod epochs;
/// What can go wrong with an object.
pub mod error;
/// Who can open a repository, written down.
pub(crate) mod operators;
/// Parity beside packs: what mends them without a second repository.
pub mod parity;
/// What opens a repository is stored twice.
pub(crate) mod spares;
/// Sealed objects, read at any place.
pub(crate) mod stored;
