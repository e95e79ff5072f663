//! Small objects that are sealed to the catalog key: whoever may list may read them.

use crate::ground::seal::{Identity, Recipient, open_bytes, seal_bytes};
use crate::ground::setup::Setup;
use crate::objects::create::create_surely;
use crate::objects::error::{IoStep, ObjectError};
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
) -> Result<(Created, u64), ObjectError> {
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
) -> Result<Vec<u8>, ObjectError> {
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
) -> Result<Vec<u8>, ObjectError> {
    let packed = open_bytes(setup.sealer.as_ref(), catalog, sealed)?;
    expand_small(&packed, max)
}

/// Compresses and seals what such an object holds.
///
/// # Errors
/// The encryptor failed.
pub(crate) fn seal(
    setup: &Setup,
    catalog: &[Recipient],
    name: &Name,
    plain: &[u8],
) -> Result<Vec<u8>, ObjectError> {
    let packed =
        zstd::bulk::compress(plain, 3).map_err(IoStep::CompressObject(name.clone()).failed())?;
    Ok(seal_bytes(setup.sealer.as_ref(), catalog, packed)?)
}

/// Expands a small zstd object that says how large it is.
pub(crate) fn expand_small(bytes: &[u8], max: usize) -> Result<Vec<u8>, ObjectError> {
    let size = zstd::zstd_safe::get_frame_content_size(bytes)
        .ok()
        .flatten()
        .unwrap_or(u64::MAX);
    let size = usize::try_from(size).ok().filter(|size| *size <= max);
    let size = size.ok_or(crate::format::pack::FrameError::Length)?;
    zstd::bulk::decompress(bytes, size).map_err(|e| {
        crate::format::pack::FrameError::Zstd {
            detail: e.to_string(),
        }
        .into()
    })
}
