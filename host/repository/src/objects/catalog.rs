//! Small objects that are sealed to the catalog key: whoever may list may read them.

use crate::error::RepositoryError;
use crate::ground::seal::{Identity, Recipient, open_bytes, seal_bytes};
use crate::ground::setup::Setup;
use crate::objects::create::create_surely;
use crate::repository::Repository;
use holdfast_store::{Created, Name};

/// Creates an object that is sealed to the catalog key; returns whether it is new, and its length in the store.
///
/// # Errors
/// It does not exist, or the store does not say whether it does.
pub(crate) fn put(
    setup: &Setup,
    catalog: &[Recipient],
    name: &Name,
    plain: &[u8],
) -> Result<(Created, u64), RepositoryError> {
    let sealed = seal(setup, catalog, name, plain)?;
    let created = create_surely(setup.store.as_ref(), name, &sealed)?;
    Ok((created, sealed.len() as u64))
}

/// Reads an object that the catalog key opens, and that expands to at most `max` bytes.
///
/// # Errors
/// It is absent or damaged, or the store failed.
pub(crate) fn get(
    setup: &Setup,
    catalog: &[Identity],
    name: &Name,
    max: usize,
) -> Result<Vec<u8>, RepositoryError> {
    open(setup, catalog, setup.store.get(name)?, max)
}

/// Opens what such an object holds.
///
/// # Errors
/// It is damaged.
pub(crate) fn open(
    setup: &Setup,
    catalog: &[Identity],
    sealed: Vec<u8>,
    max: usize,
) -> Result<Vec<u8>, RepositoryError> {
    let packed = open_bytes(setup.sealer.as_ref(), catalog, sealed)?;
    expand_small(&packed, max)
}

fn seal(
    setup: &Setup,
    catalog: &[Recipient],
    name: &Name,
    plain: &[u8],
) -> Result<Vec<u8>, RepositoryError> {
    let packed = zstd::bulk::compress(plain, 3)
        .map_err(|e| RepositoryError::io(format!("compress `{name}`"), e))?;
    Ok(seal_bytes(setup.sealer.as_ref(), catalog, packed)?)
}

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
        put(&self.setup, &self.catalog_recipient(), name, plain)
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
        seal(&self.setup, &self.catalog_recipient(), name, plain)
    }

    /// Reads an object of the catalog that expands to at most `max` bytes; one that says more is a bomb.
    ///
    /// # Errors
    /// It is absent or damaged, or the store failed.
    pub(crate) fn get_catalog(&self, name: &Name, max: usize) -> Result<Vec<u8>, RepositoryError> {
        get(&self.setup, &self.catalog_identity(), name, max)
    }

    fn catalog_recipient(&self) -> [Recipient; 1] {
        [Recipient::PublicKey(self.key.catalog.public_key.clone())]
    }
}

/// Expands a small zstd object that says how large it is.
pub(crate) fn expand_small(bytes: &[u8], max: usize) -> Result<Vec<u8>, RepositoryError> {
    let size = zstd::zstd_safe::get_frame_content_size(bytes)
        .ok()
        .flatten()
        .unwrap_or(u64::MAX);
    let size = usize::try_from(size).ok().filter(|size| *size <= max);
    let size = size.ok_or(crate::pipeline::compress::CompressError::Length)?;
    zstd::bulk::decompress(bytes, size).map_err(|e| {
        crate::pipeline::compress::CompressError::Zstd {
            detail: e.to_string(),
        }
        .into()
    })
}
