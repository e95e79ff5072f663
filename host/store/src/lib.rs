//! Objects in a place. Knows names and bytes, and nothing of their meaning.
//!
//! There is no overwriting: an object is created once, whole and durable, or not at all. That one
//! property is what the repository's commit protocol stands on.

/// Names of objects, checked once.
pub mod name;

/// What a place really does, and how that is found out.
pub mod abilities;

/// What can go wrong, with the object and the place in it.
pub mod error;

/// Object lock: what keeps an object from being removed.
pub mod object_lock;

/// Why a service on the network did not do what it was asked.
pub mod cause;

/// Cold storage: objects that have to be thawed before they can be read.
pub mod cold;

/// The location of a store, from its URL.
pub mod location;

/// A directory on this machine.
pub mod local;

/// A part of a bucket on a service that speaks S3.
pub mod s3;

/// One suite of tests for every store.
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

pub use abilities::{Abilities, Ability, Probe};
pub use cause::Cause;
pub use cold::{ColdStorage, Thaw, Thawing, Warmth};
pub use error::StoreError;
pub use location::Location;
pub use name::Name;
pub use object_lock::{Extension, ObjectLock, Protection, RetentionMode, Term};
pub use s3::S3Options;

use holdfast_base::time::Instant;
use std::io::Write;
use std::sync::Arc;

/// What a create came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is new and durable.
    New,
    /// An object of that name was there before; it was left as it was, and its name is durable now.
    Existed,
}

/// How often a store may send the request that creates an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// Until it is answered. A store that repeats requests finds out by itself what a lost answer was.
    Repeated,
    /// Once. After an error nobody knows whether the object exists: only the caller can tell what may have happened
    /// before another attempt.
    Single,
}

/// What an uploaded object is for, and so how cheaply it may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// It is read often.
    Standard,
    /// It is large and seldom read: a store may keep it in a place that costs less and takes longer.
    Bulk,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Name,
    /// Its length in bytes.
    pub size: u64,
    /// When the store received it, by the store's clock.
    pub received: Instant,
    /// Whether it can be read at once.
    pub warmth: Warmth,
}

/// Objects in a place: seven operations on them, what the place is, and what it can do beyond.
///
/// No method has a default: a wrapper that forgets one would silently lose what the store below it can do.
pub trait Store: Send + Sync {
    /// Returns the address of this place, for people.
    fn place(&self) -> String;

    /// Returns a whole object.
    ///
    /// # Errors
    /// The object is absent or cannot be read.
    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError>;

    /// Returns `length` bytes from `offset`; an object that is shorter is an error.
    ///
    /// # Errors
    /// The object is absent, too short or cannot be read.
    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError>;

    /// Returns the length of an object in bytes.
    ///
    /// # Errors
    /// The object is absent or cannot be reached.
    fn size(&self, name: &Name) -> Result<u64, StoreError>;

    /// Creates an object unless one of that name exists. When this returns, it is durable.
    ///
    /// # Errors
    /// Nothing was created; after a single attempt the object may exist all the same.
    fn create(&self, name: &Name, bytes: &[u8], attempts: Attempts) -> Result<Created, StoreError>;

    /// Starts an object whose bytes come piece by piece and whose name is known only at the end.
    ///
    /// # Errors
    /// The place cannot be written to.
    fn upload(&self, placement: Placement) -> Result<Box<dyn Upload>, StoreError>;

    /// Returns the objects whose names begin with `area` and a slash, in no particular order.
    ///
    /// # Errors
    /// The place cannot be listed.
    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError>;

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// The object is still there. If object lock keeps it, nothing has happened to it.
    fn delete(&self, name: &Name) -> Result<(), StoreError>;

    /// Returns whether every request takes its time, and costs something: then few large ones are better than many
    /// small ones, and several at once better than one.
    fn is_far(&self) -> bool;

    /// Returns what the place does, as far as that is known.
    fn abilities(&self) -> Abilities;

    /// Returns how to find out the abilities, if only trying tells.
    fn probing(&self) -> Option<&dyn Probe>;

    /// Returns how objects are kept from being removed, if this kind of place can do that. Whether this very place
    /// does is one of its abilities.
    fn object_lock(&self) -> Option<&dyn ObjectLock>;

    /// Returns how objects are thawed, if this kind of place has classes of storage in which that is needed.
    fn cold_storage(&self) -> Option<&dyn ColdStorage>;
}

/// An object in the making. Dropping it discards what was written.
pub trait Upload: Write + Send {
    /// Gives the object its name and makes it durable, unless one of that name exists.
    ///
    /// # Errors
    /// Nothing was created.
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError>;
}

/// Opens the store at a URL; `options` are for one in a bucket.
///
/// # Errors
/// The URL is of no kind that is known, or no threads can be started.
pub fn open_store(url: &str, options: S3Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match Location::parse(url)? {
        Location::Local(path) => Arc::new(local::LocalStore::new(path)),
        Location::S3 { bucket, prefix } => Arc::new(s3::S3Store::new(&bucket, &prefix, options)?),
    })
}
