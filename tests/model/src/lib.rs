//! A model of how a repository is collected while others write to it, small enough to try everything.
//!
//! - Every step of a writer, a collector or the operator is one operation on the store; between any two
//!   of them anybody else may go on, for any time. A process that is killed or suspended is one that
//!   takes no further step.
//! - There is no clock: whatever waits for a time (the grace after forgetting, the day of a tombstone,
//!   the days after which a session is expired) may happen at once. Nothing proved here rests on time.
//! - Packs, tombstones and snapshots are bits. Content is a few chunks, of which each pack holds some.
//! - `docs/decisions/0008-collection-without-locks.md` has the protocol; the steps bear its names.

/// What may be taken out of the protocol, and what the world may do to it.
pub mod rules;
/// What is in the store, and where everybody stands.
pub mod state;
/// Everything together, as the checker wants it.
pub mod world;

/// Tries everything that can happen in a world.
pub mod search;

mod collector;
mod operator;
mod writer;
