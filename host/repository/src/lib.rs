//! From a stream to sealed packs and back; snapshots and keys.
//!
//! The modules are floors, in this order: each imports only from those above it in this list. (An empty line between
//! two keeps the formatter from sorting them.)

/// Names of objects, domains of chunks, sealing, and what comes from outside.
pub mod ground;

/// The bytes of every object, and nothing else.
pub mod format;

/// Keys: three roles, and who signs.
pub mod keys;

/// Objects in the store: created surely, sealed, spared, damaged.
pub mod objects;

/// Which chunk lies where.
mod index;

/// The steps that content takes, each with its way back.
mod pipeline;

/// A repository that was opened with a key.
pub mod repository;

/// Snapshots: commit and listing.
pub mod snapshot;

/// Drives the steps backwards: entries and their content.
pub mod read;

/// Writes entries into a target, in parallel.
pub mod restore;

/// Drives the steps forwards: a run that makes one snapshot.
pub mod write;

/// What looks after a repository: check, collect, copy, repair and what operators do.
pub mod upkeep;

/// What can go wrong.
pub mod error;

pub use error::{ObjectError, ObjectFault, RepositoryError};
pub use ground::seal;
pub use ground::setup::Setup;
pub use index::{Index, Location};
pub use objects::parity;
pub use read::{ReadError, StoredError};
pub use repository::{OpenError, Repository};
pub use snapshot::SnapshotError;
pub use upkeep::{
    OperatorsError, UpkeepError, check, collect, copy, forget, object_lock, operators, repair, thaw,
};
pub use write::{SnapshotWriter, WriteError};
