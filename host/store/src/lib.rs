//! Objects in a place. Knows names and bytes, and nothing of their meaning.
//!
//! There is no overwriting: an object is created once, whole and durable, or not at all. That one
//! property is what the repository's commit protocol stands on.

/// What a store in front of another does not change.
mod pass_on;

/// Names of objects, checked once.
pub mod name;

/// What a place really does.
pub mod abilities;

/// What can go wrong, with the object and the place in it.
pub mod error;

/// What keeps an object from being removed.
pub mod lock;

/// Why a service on the network did not do what it was asked.
pub mod cause;

/// Objects that have to be thawed before they can be read.
pub mod thaw;

/// Where a store is, from its URL.
pub mod location;

/// A directory on this machine.
pub mod local;

/// A part of a bucket on a service that speaks S3.
pub mod s3;

/// One suite of tests for every store.
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

pub use abilities::{Abilities, Ability};
pub use cause::Cause;
pub use error::StoreError;
pub use location::Location;
pub use lock::{Extension, Lock, LockMode, Term};
pub use name::Name;
pub use s3::S3Options;
pub use thaw::{Thaw, Thawing, Warmth};

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

/// Objects in a place.
pub trait Store: Send + Sync {
    /// Says where this is, for people.
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
    /// Nothing was created.
    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError>;

    /// Does the same, and asks the place a single time: what it did is not known after an error, and asking
    /// again is for who knows what may have happened meanwhile.
    ///
    /// A store that repeats requests by itself must not do so here.
    ///
    /// # Errors
    /// The object may exist or not.
    fn create_once(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        self.create(name, bytes)
    }

    /// Starts an object whose bytes come piece by piece and whose name is known only at the end.
    ///
    /// # Errors
    /// The place cannot be written to.
    fn upload(&self) -> Result<Box<dyn Upload>, StoreError>;

    /// Does the same for what is large and seldom read: a store may keep it where that costs less, and takes
    /// longer.
    ///
    /// # Errors
    /// The place cannot be written to.
    fn upload_bulk(&self) -> Result<Box<dyn Upload>, StoreError> {
        self.upload()
    }

    /// Returns the objects whose names begin with `area` and a slash, in no particular order.
    ///
    /// # Errors
    /// The place cannot be listed.
    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError>;

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// The object is still there; where a lock keeps it, nothing has happened to it.
    fn delete(&self, name: &Name) -> Result<(), StoreError>;

    /// Returns whether every request takes its time, and costs something: then few large ones are better than many
    /// small ones, and several at once better than one.
    fn is_far(&self) -> bool {
        false
    }

    /// Returns whether any object of the place may have to be thawed before it can be read.
    fn has_cold_classes(&self) -> bool {
        false
    }

    /// Returns whether an object can be read now, and whether it was asked for.
    ///
    /// # Errors
    /// The object is absent or cannot be reached.
    fn thaw_state(&self, name: &Name) -> Result<Thaw, StoreError> {
        let _ = name;
        Ok(Thaw::Ready)
    }

    /// Asks for an object to be thawed, where it has to be and nobody has asked.
    ///
    /// # Errors
    /// The object is absent, or the service does not do it.
    fn thaw(&self, name: &Name, how: Thawing) -> Result<Thaw, StoreError> {
        let _ = (name, how);
        Ok(Thaw::Ready)
    }

    /// Tries what the place really does, and remembers it; nothing where that needs no trying.
    ///
    /// # Errors
    /// The place cannot be used at all, or holds something else.
    fn probe(&self) -> Result<Option<Abilities>, StoreError> {
        Ok(None)
    }

    /// Returns what the place does, as far as that is known.
    fn abilities(&self) -> Abilities {
        Abilities::LOCAL
    }

    /// Takes what was found out when the repository was made.
    fn assume(&self, abilities: Abilities) {
        let _ = abilities;
    }

    /// Returns what keeps an object from being removed.
    ///
    /// # Errors
    /// The object is absent or cannot be reached.
    fn lock(&self, name: &Name) -> Result<Lock, StoreError> {
        self.size(name).map(|_| Lock::default())
    }

    /// Sees to it that an object is locked long enough, and returns the term that it has then. No term is
    /// ever made shorter by this.
    ///
    /// # Errors
    /// The object is absent, or the place cannot lock it.
    fn lock_until(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        let _ = wanted;
        Err(lock::cannot(name, self.place()))
    }

    /// Sets the hold of an object or takes it off; returns whether that changed anything.
    ///
    /// # Errors
    /// The object is absent, or the place cannot hold it.
    fn hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        let _ = is_held;
        Err(lock::cannot(name, self.place()))
    }
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
pub fn open(url: &str, options: S3Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match Location::parse(url)? {
        Location::Local(path) => Arc::new(local::LocalStore::new(path)),
        Location::S3 { bucket, prefix } => Arc::new(s3::S3Store::new(&bucket, &prefix, options)?),
    })
}
