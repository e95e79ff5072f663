//! The words of holdfast: what every other crate may speak of. No I/O happens here.

/// Names of things: repositories, snapshots, packs, chunks.
pub mod id;

/// Bytes as hexadecimal digits.
pub mod hex;

/// Sizes in bytes, written the way people write them.
pub mod size;

/// Instants, clocks and RFC 3339.
pub mod time;

/// Entries: the named things inside a snapshot, and the two traits that move their content.
pub mod entry;

/// Trees that are added to a snapshot.
pub mod added_tree;

/// What an operator can do about a failure.
pub mod advice;

/// What kind of failure it was, which decides the exit code; and how an error and its causes are joined.
pub mod error;

/// Every limit of the program, each with its reason.
pub mod limits;

/// Cancelling a run: one flag that everything that waits also listens to.
pub mod cancel;

/// The known word that a mistyped one is nearest to.
pub mod nearest;

/// Locks that outlive a panic of one of their holders.
pub mod sync;

/// Work on many items at once, by a bounded number of threads.
pub mod parallel;

/// How far a piece of work has come.
pub mod progress;
