//! Runs plugins: wasmtime, capabilities, grants, limits.

/// What the sandbox needs from whoever runs plugins.
pub mod ports;
