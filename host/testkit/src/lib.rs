//! Seeded time and chance, a native sealer, faults and damage, for tests.

/// A store in which one operation goes wrong.
pub mod faults;
/// A sealer that is the `age` crate itself.
pub mod sealer;
