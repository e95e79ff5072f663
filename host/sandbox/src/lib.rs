//! Runs plugins: wasmtime, capabilities, grants, limits. Knows no repository.
//!
//! Each module imports only from those above it.

/// The generated types of each released contract, and how they reach the capabilities.
pub mod bindings;
/// Compiled components, made once and authenticated.
pub mod cache;
/// What a guest can do: handles and the work behind them.
pub mod capability;
/// How components become machine code.
mod codegen;
/// Components as files: looked at, never run.
pub mod component;
/// The types that every interface of the contract uses.
mod contract;
/// The engine, and what loads plugins into it.
pub mod engine;
/// Asked, granted and narrowed: what a plugin may do in a job.
pub mod grant;
/// Every limit of a plugin call, each with its reason.
pub mod limits;
/// What a plugin says of itself, and the check of a job's settings against it.
pub mod manifest;
/// Patterns of command lines.
pub mod pattern;
/// Plugins by kind: typed calls.
pub mod plugin;
/// What the sandbox needs from whoever runs plugins.
pub mod ports;
/// The clock that interrupts.
mod watchdog;

pub use component::{ComponentError, Inspection};
pub use engine::{Sandbox, SandboxConfig};
pub use holdfast_process::{LandlockRules, ResourceLimits, find_user, has_landlock};
pub use plugin::{CallContext, CallError, Plugin};
