//! Seeded time and chance, a native sealer, faults and damage, for tests.

/// A store at which somebody else does something between two operations.
pub mod between;
/// A store in which one operation goes wrong.
pub mod faults;
/// A store that locks what it is told to.
pub mod locked;
/// A gate in front of a real service, at which things go wrong.
pub mod proxy;
/// A store that keeps its contract and nothing else.
pub mod restless;
/// A sealer that is the `age` crate itself.
pub mod sealer;
/// Real services, as long as a test needs them.
pub mod servers;
