//! The four traits. A plugin is the struct of its settings.

use crate::{
    Blob, Content, Draft, Event, Failure, Finding, Identity, KeyPair, Manifest, Previous, Reader,
    Recipient, RestoreRequest, Writer,
};
use serde::de::DeserializeOwned;

/// Dumps and restores something.
pub trait Source: DeserializeOwned {
    /// What the plugin says of itself.
    const MANIFEST: Manifest;

    /// Answers "would a backup work now?" and changes nothing.
    ///
    /// # Errors
    /// The question cannot be answered.
    fn check(&self) -> Result<Vec<Finding>, Failure>;

    /// Puts everything that the job names into the draft. Returning well is the end record.
    ///
    /// # Errors
    /// Nothing is committed then.
    fn backup(&self, draft: &Draft, previous: Option<Previous>) -> Result<(), Failure>;

    /// Called after the snapshot was committed.
    ///
    /// # Errors
    /// The operator is told; the snapshot stays.
    fn committed(&self, snapshot: &str) -> Result<(), Failure> {
        let _ = snapshot;
        Ok(())
    }

    /// Brings a snapshot back to where it came from.
    ///
    /// # Errors
    /// The operator is told how far it came.
    fn restore(&self, snapshot: &Content, request: RestoreRequest) -> Result<(), Failure>;
}

/// Seals and opens streams.
pub trait Encryptor: DeserializeOwned {
    /// What the plugin says of itself.
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
    /// What the plugin says of itself.
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

/// Tells people.
pub trait Notifier: DeserializeOwned {
    /// What the plugin says of itself.
    const MANIFEST: Manifest;

    /// Answers "would a notification go out now?" and sends nothing.
    ///
    /// # Errors
    /// The question cannot be answered.
    fn check(&self) -> Result<Vec<Finding>, Failure>;

    /// Tells people.
    ///
    /// # Errors
    /// They were not told.
    fn notify(&self, event: &Event) -> Result<(), Failure>;
}
