//! The generated types of each released contract, and how they reach the capabilities.

/// Contract 0.1.0.
pub mod v1;
/// WASI, whose waiting ends with the call.
mod wasi;
