//! The generated types of each released contract, and nothing else.

/// Contract 0.1.0.
pub mod v1;
