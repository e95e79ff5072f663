//! The steps that content takes on its way to the store, each with its way back.

/// Makes frames of chunks, and chunks of frames.
pub mod compress;
/// Answers "do we hold this chunk already?" without asking the store.
pub mod dedup;
/// Fills packs with frames.
pub mod pack;
/// Makes sealed packs durable.
pub mod put;
/// Seals packs and small objects, by an encryptor that somebody else provides.
pub mod seal;
/// Cuts a stream into chunks whose borders depend on content and a secret.
pub mod split;
