//! Runs plugins: wasmtime, capabilities, grants, limits. Knows no repository.
//!
//! Each module imports only from those above it.

/// Every limit of a plugin call, each with its reason.
pub mod limits;

/// How components become machine code.
mod codegen;

/// What a plugin says of itself, and the check of a job's settings against it.
pub mod manifest;

/// Components as files: looked at, never run.
pub mod component;

/// Patterns of command lines.
pub mod pattern;

/// Asked, granted and narrowed: what a plugin may do in a job.
pub mod grant;

/// What the sandbox needs from whoever runs plugins.
pub mod ports;

/// The types that every interface of the contract uses.
mod contract;

/// The clock that interrupts.
mod watchdog;

/// What a guest can do: handles and the work behind them.
pub mod capability;

/// The generated types of each released contract, and how they reach the capabilities.
pub mod bindings;

/// Plugins by kind: typed calls.
pub mod plugin;

/// Compiled components, made once and authenticated.
pub mod cache;

/// The engine, and what loads plugins into it.
pub mod engine;

pub use component::{ComponentError, Inspection};
pub use engine::{Sandbox, SandboxConfig};
pub use holdfast_process::{LandlockRules, ResourceLimits, find_user, has_landlock};
pub use plugin::{CallContext, CallError, Plugin};
