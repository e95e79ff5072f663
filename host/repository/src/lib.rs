//! From a stream to sealed packs and back; snapshots and keys.
//!
//! The way of the data is the order of the modules: format, keys, index, the steps of the pipeline,
//! what drives them forwards and backwards, snapshots, and what looks after them.

/// Small objects that are sealed to the catalog key.
mod catalog;
/// Structure and data: the first two rungs of verification.
pub mod check;
/// Collection: removes what nobody needs, without a lock.
pub mod collect;
/// Copies snapshots from one repository into another.
pub mod copy;
/// Packs that are not relied on.
mod doubt;
/// What can go wrong.
pub mod error;
/// Snapshots that are forgotten, and such that are held.
pub mod forget;
/// The bytes of every object, and nothing else.
pub mod format;
/// Tells damage from a store that does not answer.
mod harm;
/// Which chunk lies where.
pub mod index;
/// Keys: three roles, and the operators' way to everything.
pub mod keys;
/// Files that were backed up before and need not be read again.
pub mod known;
/// Object lock: what a snapshot reaches cannot be removed for a time.
pub mod lock;
/// Who can open a repository, its epochs, and whose keys no longer count.
pub mod operators;
/// Parity beside packs: what mends them without a second repository.
pub mod parity;
/// The steps that content takes, each with its way back.
pub mod pipeline;
/// Processes, and whether they still live.
mod process;
/// Drives the steps backwards: entries and their content.
pub mod read;
/// Mends what a check found, as far as something is left to mend it with.
pub mod repair;
/// A repository that was opened with a key.
pub mod repository;
/// Writes entries into a target, in parallel.
pub mod restore;
/// Writes chunks that the repository holds into new packs.
mod rewrite;
/// Puts finished entries in order and writes what a snapshot refers to.
pub mod sequence;
/// Snapshots: commit and listing.
pub mod snapshot;
/// What opens a repository is stored twice.
mod spare;
/// Sealed objects of the store, read at any place.
mod stored;
/// Which packs have to be thawed before they can be read.
pub mod thaw;
/// What opens a repository, and whether it is what it was.
mod vital;
/// Drives the steps forwards: a run that makes one snapshot.
pub mod write;

pub use error::RepositoryError;
pub use repository::{Repository, Setup};
pub use write::Session;
