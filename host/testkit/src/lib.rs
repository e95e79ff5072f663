//! Seeded time and chance, a native sealer, faults and damage, for tests.

/// A sealer that is the `age` crate itself.
pub mod sealer;
