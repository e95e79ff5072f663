//! A run that makes one snapshot: drives the steps forwards.
//!
//! ```text
//! caller ── batches, cut streams ──> workers ── frames ──> packers ──> put
//!                                       └── finished entries ──> sequencer ── frames ──┘
//! ```
//!
//! - Every queue is bounded, and every buffer in it has a size that is bounded: together they are the
//!   run's byte budget, whatever it backs up.
//! - The first failure ends the run: everybody else finds its queue closed. Nothing is committed.
//! - Only [`SnapshotWriter::commit`] commits, and only with the proof that the source ended well.

/// The end of a run.
mod commit;
/// Reads content and cuts it.
mod cut;
/// What can go wrong while a snapshot is written.
mod error;
/// What the last run knew of its files.
mod file_cache;
/// Reads files that a walk found.
mod found;
/// Gathers the chunks of one content again.
mod gather;
/// Cuts large content into groups of chunks.
mod groups;
/// The session of a run in the store, which collection respects.
pub(crate) mod lease;
/// What is left out because the system refuses to give it.
mod left_out;
/// Which names are taken.
mod names;
/// What a run is told, and what it tells while it works.
mod note;
/// Processes, and whether they still live.
pub(crate) mod process;
/// The queues to the other threads.
mod queues;
/// Reads back what was stored.
pub(crate) mod read_back;
/// Puts finished entries in order.
mod sequence;
/// What a run needs before its first entry.
pub(crate) mod setup;
/// What all threads of a run share.
mod shared;
/// The run itself.
mod snapshot_writer;
/// Entries whose bytes are written by the caller.
mod stream;
/// Reads small files, names chunks, and makes frames.
mod worker;

pub use error::WriteError;
pub use note::{Gauge, RunNote, SourceEnd};
pub use snapshot_writer::SnapshotWriter;
pub use stream::StreamWriter;
