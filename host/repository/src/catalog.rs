//! Small objects that are sealed to the catalog key: whoever may list may read them.

use crate::error::RepositoryError;
use crate::pipeline::put::create_surely;
use crate::pipeline::seal::{Recipient, open_bytes, seal_bytes};
use crate::repository::{Repository, expand_small};
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
    ) -> Result<(Created, u64), RepositoryError> {
        let sealed = self.seal_catalog(name, plain)?;
        let created = create_surely(self.setup.store.as_ref(), name, &sealed)?;
        Ok((created, sealed.len() as u64))
    }

    /// Compresses and seals an object of the catalog.
    ///
    /// # Errors
    /// The encryptor failed.
    pub(crate) fn seal_catalog(
        &self,
        name: &Name,
        plain: &[u8],
    ) -> Result<Vec<u8>, RepositoryError> {
        let packed = zstd::bulk::compress(plain, 3)
            .map_err(|e| RepositoryError::io(format!("compress `{name}`"), e))?;
        let recipients = [Recipient::PublicKey(self.key.catalog.public_key.clone())];
        Ok(seal_bytes(self.setup.sealer.as_ref(), &recipients, packed)?)
    }

    /// Reads an object of the catalog that expands to at most `max` bytes; one that says more is a bomb.
    ///
    /// # Errors
    /// It is absent or damaged, or the store failed.
    pub(crate) fn get_catalog(&self, name: &Name, max: usize) -> Result<Vec<u8>, RepositoryError> {
        let sealed = self.setup.store.get(name)?;
        let packed = open_bytes(self.setup.sealer.as_ref(), &self.catalog_identity(), sealed)?;
        expand_small(&packed, max)
    }
}
