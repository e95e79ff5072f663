//! For tests: one store with hooks around every operation, a native sealer, real services, and a gate before them.
//!
//! Nothing here goes wrong by chance: a test says what does, or a seed, so that a test that failed fails again.

/// A store with a hook around every operation: what the next four are made of.
pub mod hooked;

/// A hook that lets somebody else do something between two operations.
pub mod between;
/// A hook with which one operation goes wrong.
pub mod faults;
/// A hook that gives a store object lock.
pub mod locked;
/// A hook that leaves of a store its contract and nothing else.
pub mod restless;

/// A gate in front of a real service, at which things go wrong.
pub mod proxy;
/// A sealer that is the `age` crate itself.
pub mod sealer;
/// Real services, as long as a test needs them.
pub mod servers;
