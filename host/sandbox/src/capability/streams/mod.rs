//! Bytes in motion and at rest.

/// Readers, writers and blobs.
mod handles;
/// Buffers for pieces of streams.
mod pieces;
/// Transfers in the background.
mod transfer;

pub use handles::{Blob, BlobBytes, Reader, Writer};
pub(crate) use handles::{PlainTarget, SPLICE_BYTES, copy_stream};
pub(crate) use pieces::Pieces;
pub use transfer::Transfer;
pub(crate) use transfer::Transfers;
