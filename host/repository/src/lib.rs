//! From a stream to sealed packs and back; snapshots and keys.
