//! Runs plugins: wasmtime, capabilities, grants, limits.
