//! Cold storage: some classes give an object back only hours after they were asked to thaw it.
//!
//! A store says of each object that it lists whether it may lie in such a class, of a single one whether it
//! can be read now, and asks the service to bring one back.

use crate::{Name, StoreError};

/// A place with classes of storage whose objects have to be thawed before they can be read.
pub trait ColdStorage: Send + Sync {
    /// Returns whether an object can be read now, and whether it was asked for.
    ///
    /// # Errors
    /// The object is absent or cannot be reached.
    fn thaw_state(&self, name: &Name) -> Result<Thaw, StoreError>;

    /// Asks for an object to be thawed if it has to be and nobody has asked.
    ///
    /// # Errors
    /// The object is absent, or the service does not do it.
    fn request_thaw(&self, name: &Name, how: Thawing) -> Result<Thaw, StoreError>;
}

/// Whether an object can be read at once, as far as a listing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmth {
    /// It can.
    Warm,
    /// It lies in a class that has to be asked first. It may have been asked already.
    Cold,
    /// Only the object itself tells: its class moves what nobody reads to a colder place by itself.
    Unsure,
}

/// Whether an object can be read, and what is being done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thaw {
    /// It can be read.
    Ready,
    /// It is cold, and nobody has asked for it.
    Cold,
    /// Somebody has asked for it before; it is not there yet.
    Going,
    /// It was asked for just now.
    Asked,
}

/// How fast a service brings objects back, and so for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The cheapest, within two days.
    Bulk,
    /// Within half a day.
    Standard,
    /// Within minutes, if the class can do that.
    Expedited,
}

/// What a service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thawing {
    /// How many days the object can then be read; afterwards it is cold again.
    pub days: u16,
    /// How fast it is to be there.
    pub tier: Tier,
}
