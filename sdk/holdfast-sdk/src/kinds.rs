//! The four traits. A plugin is the struct of its settings.

use crate::{Blob, Content, Draft, Failure, Finding, Manifest, Reader, Writer};
use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
pub use crate::bindings::{
    encryptor::exports::holdfast::plugin::encryptor::{Identity, KeyPair, Recipient},
    notifier::exports::holdfast::plugin::notifier::Event,
    source::exports::holdfast::plugin::source::{Previous, RestoreRequest},
};
#[cfg(not(target_family = "wasm"))]
pub use native::{Event, Identity, KeyPair, Previous, Recipient, RestoreRequest};

/// What the generated bindings hold in a guest.
#[cfg(not(target_family = "wasm"))]
mod native {
    use crate::types::{Attributes, Severity};

    /// The newest committed snapshot of the same job.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Previous {
        /// Its id.
        pub snapshot: String,
        /// The facts that it recorded.
        pub facts: Attributes,
    }

    /// What to restore.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RestoreRequest {
        /// Restore only what is at or below these paths; everything if the list is empty.
        pub paths: Vec<Vec<u8>>,
        /// Whether what stands in the way may be replaced.
        pub overwrite: bool,
        /// Options that the operator gave, for example a point in time.
        pub options: Attributes,
    }

    /// To whom something is sealed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Recipient {
        /// A public key in the encryptor's own notation.
        PublicKey(String),
        /// A passphrase.
        Passphrase(String),
    }

    /// What opens something sealed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Identity {
        /// The content of a key file in the encryptor's own notation.
        Key(String),
        /// A passphrase.
        Passphrase(String),
    }

    /// A new pair of keys.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KeyPair {
        /// The content of a key file.
        pub identity: String,
        /// Its public half.
        pub public_key: String,
    }

    /// Something that people should know.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Event {
        /// What happened: `backup.failed`, `verification.damaged` …
        pub name: String,
        /// How much it matters.
        pub severity: Severity,
        /// One line.
        pub title: String,
        /// The whole story, plain text.
        pub body: String,
        /// Everything else: job, snapshot, host, duration …
        pub attributes: Attributes,
    }
}

impl RestoreRequest {
    /// Makes a request for everything that overwrites nothing.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            paths: Vec::new(),
            overwrite: false,
            options: Vec::new(),
        }
    }

    /// Returns whether the request covers an entry.
    #[must_use]
    pub fn includes(&self, path: &[u8]) -> bool {
        let is_below = |wanted: &Vec<u8>| {
            path.strip_prefix(wanted.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        self.paths.is_empty() || self.paths.iter().any(is_below)
    }
}

/// Dumps and restores something.
pub trait Source: DeserializeOwned {
    /// The plugin's name, settings and capabilities.
    const MANIFEST: Manifest;

    /// Answers "would a backup work now?" and changes nothing.
    ///
    /// # Errors
    /// The question cannot be answered.
    fn check(&self) -> Result<Vec<Finding>, Failure>;

    /// Puts everything that the job names into the draft. Returning `Ok` is the end record.
    ///
    /// # Errors
    /// Nothing is committed then.
    fn backup(&self, draft: &Draft, previous: Option<Previous>) -> Result<(), Failure>;

    /// Called after the snapshot was committed.
    ///
    /// # Errors
    /// The run reports it; the snapshot stays.
    fn committed(&self, snapshot: &str) -> Result<(), Failure> {
        let _ = snapshot;
        Ok(())
    }

    /// Brings a snapshot back to where it came from.
    ///
    /// # Errors
    /// The run reports it, and how much was restored.
    fn restore(&self, snapshot: &Content, request: RestoreRequest) -> Result<(), Failure>;
}

/// Seals and opens streams.
pub trait Encryptor: DeserializeOwned {
    /// The plugin's name, settings and capabilities.
    const MANIFEST: Manifest;

    /// Answers "would sealing to these recipients work?" and changes nothing.
    ///
    /// # Errors
    /// The question cannot be answered.
    fn check(&self, recipients: &[Recipient]) -> Result<Vec<Finding>, Failure>;

    /// Makes a new pair of keys.
    ///
    /// # Errors
    /// None could be made.
    fn generate(&self) -> Result<KeyPair, Failure>;

    /// Seals a stream to all recipients, and commits the writer.
    ///
    /// # Errors
    /// What was written is worth nothing.
    fn seal(&self, recipients: &[Recipient], plain: Reader, sealed: Writer) -> Result<(), Failure>;

    /// Opens a sealed stream, and commits the writer.
    ///
    /// # Errors
    /// What was written is worth nothing.
    fn open(&self, identities: &[Identity], sealed: Reader, plain: Writer) -> Result<(), Failure>;

    /// Opens a range of the plaintext, and commits the writer.
    ///
    /// # Errors
    /// What was written is worth nothing.
    fn open_range(
        &self,
        identities: &[Identity],
        sealed: &Blob,
        offset: u64,
        length: u64,
        plain: Writer,
    ) -> Result<(), Failure>;
}

/// Judges a backup's content.
pub trait Verifier: DeserializeOwned {
    /// The plugin's name, settings and capabilities.
    const MANIFEST: Manifest;

    /// Answers "would a verification work now?" and changes nothing.
    ///
    /// # Errors
    /// The question cannot be answered.
    fn check(&self) -> Result<Vec<Finding>, Failure>;

    /// Reads a snapshot's entries and says what it finds; one error makes the snapshot unsound.
    ///
    /// # Errors
    /// The snapshot could not be judged.
    fn verify(&self, snapshot: &Content) -> Result<Vec<Finding>, Failure>;
}

/// Sends messages to people.
pub trait Notifier: DeserializeOwned {
    /// The plugin's name, settings and capabilities.
    const MANIFEST: Manifest;

    /// Answers "would a notification go out now?" and sends nothing.
    ///
    /// # Errors
    /// The question cannot be answered.
    fn check(&self) -> Result<Vec<Finding>, Failure>;

    /// Sends the message.
    ///
    /// # Errors
    /// The message was not delivered.
    fn notify(&self, event: &Event) -> Result<(), Failure>;
}
