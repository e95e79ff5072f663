//! Objects that are sealed to the catalog key of an opened repository.

use crate::ground::seal::Recipient;
use crate::objects::catalog;
use crate::objects::error::ObjectError;
use crate::repository::Repository;
use holdfast_store::{Created, Name};

impl Repository {
    /// Creates an object of the catalog; returns whether it is new, and its length in the store.
    ///
    /// # Errors
    /// It does not exist, or the store does not say whether it does.
    pub(crate) fn put_catalog(
        &self,
        name: &Name,
        plain: &[u8],
    ) -> Result<(Created, u64), ObjectError> {
        catalog::put(&self.setup, &self.catalog_recipient(), name, plain)
    }

    /// Compresses and seals an object of the catalog.
    ///
    /// # Errors
    /// The encryptor failed.
    pub(crate) fn seal_catalog(&self, name: &Name, plain: &[u8]) -> Result<Vec<u8>, ObjectError> {
        catalog::seal(&self.setup, &self.catalog_recipient(), name, plain)
    }

    /// Reads an object of the catalog that expands to at most `max` bytes; one that says more is a bomb.
    ///
    /// # Errors
    /// It is absent or damaged, or the store failed.
    pub(crate) fn get_catalog(&self, name: &Name, max: usize) -> Result<Vec<u8>, ObjectError> {
        catalog::get(&self.setup, &self.catalog_identity(), name, max)
    }

    fn catalog_recipient(&self) -> [Recipient; 1] {
        [Recipient::PublicKey(self.key.catalog.public_key.clone())]
    }
}
