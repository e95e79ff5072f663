//! Every limit that more than one crate relies on, each with its reason.

use crate::size::ByteSize;

/// Longest path of an entry. Linux takes 4,096 in one call; trees can be deeper than that.
pub const PATH_BYTES_MAX: usize = 32 << 10;

/// Longest name of one path component, as Linux has it.
pub const NAME_BYTES_MAX: usize = 255;

/// Extended attributes of one entry, together. Linux allows 64 KiB a value.
pub const XATTR_BYTES_MAX: usize = 1 << 20;

/// Largest piece that crosses the plugin boundary in one call; measured best at 256 KiB.
pub const PIECE_MAX: ByteSize = ByteSize::mib(1);

/// The piece that readers and writers use unless told otherwise.
pub const PIECE: ByteSize = ByteSize::kib(256);

/// Attributes of one entry, together: they stand in the item stream.
pub const ATTRIBUTES_BYTES_MAX: usize = 64 << 10;

/// Facts of one snapshot, together: they stand in its root object.
pub const FACTS_BYTES_MAX: usize = 1 << 20;

/// Warnings of one run that are kept by name; more are only counted.
pub const WARNINGS_KEPT_MAX: usize = 1_000;
