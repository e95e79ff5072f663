//! The bytes of every object, and nothing else: no I/O, no keys.
//!
//! What is read here came from a store and may be anything: every parser answers with a
//! [`FormatError`], never with a panic and never with memory that the input names but does not fill.

/// What an operator tells every host.
pub mod announcement;
/// What the root says of the keys of hosts.
pub mod certificate;
/// The object `format`: what this repository is.
pub mod header;
/// Entries as the item stream holds them.
pub mod item;
/// Tombstones of snapshots, and holds.
pub mod mark;
/// Packs: frames, padding and the table.
pub mod pack;
/// Parity objects: how a pack is cut, and what shows which parts are lost.
pub mod parity;
/// The reference stream: which chunks a snapshot needs.
pub mod refs;
/// Snapshot roots.
pub mod root;
/// Index segments: which chunk lies where.
pub mod segment;
/// Sessions and what ends them: how runs and collection meet without a lock.
pub mod session;
/// Signed JSON: one line of body, one line of signature, and who signed it.
pub mod signed;
/// Numbers of variable length, and a reader that never runs past its end.
pub mod wire;

use holdfast_base::time::Instant;

/// Says why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes end too early.
    #[error("the {what} ends too early")]
    Short {
        /// What was being read.
        what: &'static str,
    },
    /// A value cannot be.
    #[error("the {what} holds a value that cannot be: {detail}")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// Which value.
        detail: String,
    },
    /// The object was written by a newer version.
    #[error("the {what} has version {found}, and this holdfast reads up to {known}")]
    Newer {
        /// What was being read.
        what: &'static str,
        /// Version in the object.
        found: u64,
        /// Newest version known here.
        known: u64,
    },
    /// A host signed what another is said to have made.
    #[error(
        "the {what} says that host `{claimed}` made it, and it is host `{signed}` that signed it"
    )]
    Impostor {
        /// What was being read.
        what: &'static str,
        /// The host that it names.
        claimed: String,
        /// The host that signed it.
        signed: String,
    },
    /// The key that signed was revoked.
    #[error("the {what} is signed with a key of host `{host}` that was revoked on {when}")]
    Revoked {
        /// What was being read.
        what: &'static str,
        /// The host.
        host: String,
        /// When the key was revoked.
        when: Instant,
    },
    /// The signature does not fit.
    #[error("the signature of the {what} does not fit")]
    Signature {
        /// What was being read.
        what: &'static str,
    },
}

impl FormatError {
    /// Makes an error about a value.
    pub(crate) fn invalid(what: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid {
            what,
            detail: detail.into(),
        }
    }
}
