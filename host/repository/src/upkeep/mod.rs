//! What looks after a repository: nothing that backs up or restores needs it.

/// Structure and data: the first two rungs of verification.
pub mod check;
/// Collection: removes what nobody needs, without a lock.
pub mod collect;
/// Copies snapshots from one repository into another.
pub mod copy;
/// What can go wrong.
mod error;
/// Snapshots that are forgotten, and snapshots that are held.
pub mod forget;
/// How far it is with packs that cannot be read yet.
mod frozen;
/// Object lock: what a snapshot reaches cannot be removed for a time.
pub mod object_lock;
/// Who can open a repository, its epochs, and whose keys no longer count.
pub mod operators;
/// Mends what a check found, as far as something is left to mend it with.
pub mod repair;
/// Writes chunks that the repository holds into new packs.
pub(crate) mod rewrite;
/// Which packs have to be thawed before they can be read.
pub mod thaw;

pub use error::{OperatorsError, UpkeepError};
