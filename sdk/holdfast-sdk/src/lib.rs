//! Write holdfast plugins.
//!
//! A plugin is a struct that holds its settings, one trait, and one macro:
//!
//! ```ignore
//! #[derive(serde::Deserialize)]
//! struct Hello { greeting: String }
//!
//! impl Source for Hello {
//!     const MANIFEST: Manifest = Manifest::source("hello", "0.1.0", "Backs up a greeting")
//!         .setting(Setting::string("greeting", "what to say").required());
//!
//!     fn backup(&self, draft: &Draft, _: Option<Previous>) -> Result<(), Failure> {
//!         let mut entry = draft.create(b"greeting.txt", &[])?;
//!         entry.write_all(self.greeting.as_bytes())?;
//!         entry.commit()?;
//!         Ok(())
//!     }
//! #   fn restore(&self, _: &Content, _: RestoreRequest) -> Result<(), Failure> { Ok(()) }
//! }
//!
//! holdfast_sdk::export_source!(Hello);
//! ```

/// The generated types of the contract.
#[doc(hidden)]
pub mod bindings;
/// The macros that export a plugin.
mod export;
/// Failures: from `std::io` and from words.
mod failure;
/// `std::io` over the host's streams.
mod io;
/// The four traits.
mod kinds;
/// What a plugin says of itself, written at compile time.
pub mod manifest;

pub use kinds::{Encryptor, Notifier, Source, Verifier};
pub use manifest::{Manifest, Setting};

pub use bindings::encryptor::exports::holdfast::plugin::encryptor::{Identity, KeyPair, Recipient};
pub use bindings::notifier::exports::holdfast::plugin::notifier::Event;
pub use bindings::source::exports::holdfast::plugin::source::{Previous, RestoreRequest};
pub use bindings::source::holdfast::plugin as host;
pub use host::entries::{Content, Draft, Entry, EntryKind};
pub use host::streams::{Blob, Reader, Transfer, Writer};
pub use host::types::{Failure, FailureKind, Finding, Severity};

#[doc(hidden)]
pub use serde_json;

/// What most plugins need.
pub mod prelude {
    pub use crate::manifest::Access;
    pub use crate::{
        Content, Draft, Failure, FailureKind, Finding, Manifest, Previous, Reader, RestoreRequest,
        Setting, Severity, Source, Writer, host,
    };
    pub use std::io::{Read as _, Write as _};
}

#[doc(hidden)]
pub mod __private {
    pub use crate::export::settings;
}
