//! Write holdfast plugins.
//!
//! A plugin is a struct that holds its settings, one trait, and one macro:
//!
//! ```
//! use holdfast_sdk::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Hello {
//!     greeting: String,
//! }
//!
//! impl Source for Hello {
//!     const MANIFEST: Manifest = Manifest::source("hello", "0.1.0", "Backs up a greeting")
//!         .setting(Setting::string("greeting", "what to say").required());
//!
//!     fn check(&self) -> Result<Vec<Finding>, Failure> {
//!         Ok(Vec::new())
//!     }
//!
//!     fn backup(&self, draft: &Draft, _: Option<Previous>) -> Result<(), Failure> {
//!         let mut entry = draft.create(b"greeting.txt", &[])?;
//!         entry.write_all(self.greeting.as_bytes())?;
//!         entry.commit().map(drop)
//!     }
//!
//!     fn restore(&self, snapshot: &Content, _: RestoreRequest) -> Result<(), Failure> {
//!         let mut greeting = String::new();
//!         snapshot.open(b"greeting.txt")?.read_to_string(&mut greeting)?;
//!         log::info(&greeting);
//!         Ok(())
//!     }
//! }
//!
//! holdfast_sdk::export!(Hello as Source);
//! # fn main() {}
//! ```
//!
//! In a guest the functions and handles in [`host`] are the host's. In a native build they are the
//! doubles of `testing`, so that `cargo test` runs a plugin without holdfast.

/// The generated types of the contract, in a guest.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
/// The macro that exports a plugin.
mod export;
/// Conveniences for handles: `std::io` over streams, a builder for commands.
mod handles;
/// The four traits.
mod kinds;
/// The operator's log.
pub mod log;
/// The manifest of a plugin, written at compile time.
pub mod manifest;
/// A host made of maps, for native tests.
#[cfg(not(target_family = "wasm"))]
pub mod testing;
/// The types that all interfaces share.
pub mod types;

/// The functions and handles of the host, a module for each interface of the contract.
#[cfg(target_family = "wasm")]
pub use bindings::source::holdfast::plugin as host;
/// The functions and handles of the host, a module for each interface of the contract.
#[cfg(not(target_family = "wasm"))]
pub use testing::host;

pub use host::entries::{Content, Draft, Entry, EntryKind, Listing};
pub use host::streams::{Blob, Reader, Transfer, Writer};
pub use kinds::{Encryptor, Notifier, Source, Verifier};
pub use kinds::{Event, Identity, KeyPair, Previous, Recipient, RestoreRequest};
pub use manifest::{Manifest, Setting};
pub use types::{Failure, FailureKind, Finding, Severity};

/// Everything that most plugins need.
pub mod prelude {
    pub use crate::manifest::Access;
    pub use crate::{
        Content, Draft, Failure, FailureKind, Finding, Manifest, Previous, Reader, RestoreRequest,
        Setting, Severity, Source, Writer, host, log,
    };
    pub use std::io::{Read as _, Write as _};
}

#[doc(hidden)]
pub mod __private {
    pub use crate::export::settings;
}
