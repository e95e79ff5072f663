//! The steps that content takes on its way to the store, each with its way back.

/// Makes frames of chunks, and chunks of frames.
pub(crate) mod compress;
/// Answers "do we hold this chunk already?" without asking the store.
pub(crate) mod dedup;
/// Fills packs with frames.
pub(crate) mod pack;
/// Makes sealed packs durable.
pub(crate) mod put;
/// Cuts a stream into chunks whose borders depend on content and a secret.
pub(crate) mod split;
