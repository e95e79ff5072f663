//! Asked, granted and narrowed: what a plugin may do in a job.
//!
//! A grant is followed through these files in their order: [`manifest`](crate::manifest) (asked) →
//! `granted` → `narrowing` → `effective` → `check` → `denial`. Each step can only take away, and a
//! denial names the step that refused.

/// What the operator granted when the plugin was installed.
mod granted;

/// What a job takes away.
mod narrowing;

/// How granted commands are run.
mod terms;

/// What is left: asked for, granted, and named by the job.
mod effective;

/// Checks what a guest asks for during a call.
mod check;

/// What was denied, and which step refused.
mod denial;

/// Checks that a job allows only what was granted.
mod fitting;

pub use denial::{Asker, Denial, DeniedBy, Request};
pub use effective::{CommandRule, Effective, SecretRule, TreeRule, effective};
pub use fitting::{Correction, NarrowingError, Permission};
pub use granted::Grant;
pub use holdfast_base::advice::PluginRole;
pub use narrowing::Narrowing;
pub use terms::{ANY_PROGRAM, Terms, TermsTable};

#[cfg(test)]
mod tests;
