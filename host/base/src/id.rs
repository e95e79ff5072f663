//! Names of things.
//!
//! Each kind of name is a type of its own, so that a pack can never be asked for by a chunk's id.
//! All of them print as lower-case hex and parse back from it.

use crate::hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Says why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: expected {digits} hexadecimal digits")]
pub struct IdError {
    text: String,
    what: &'static str,
    digits: usize,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Length of the name in bytes.
            pub const LEN: usize = $bytes;

            /// Returns the bytes of the name.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Returns the first eight hexadecimal digits, enough for people.
            #[must_use]
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError {
                    text: text.to_owned(),
                    what: $what,
                    digits: $bytes * 2,
                })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&hex::encode(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type!(
    /// Names a chunk: the keyed BLAKE3 of its content.
    ChunkId, 32, "a chunk id"
);
id_type!(
    /// Names a pack: the BLAKE3 of the sealed object, so that anyone can check it.
    PackId, 32, "a pack id"
);
id_type!(
    /// Names an index segment: the BLAKE3 of the sealed object.
    SegmentId, 32, "a segment id"
);
id_type!(
    /// Names a snapshot: random.
    SnapshotId, 16, "a snapshot id"
);
id_type!(
    /// Names a repository: random, chosen once at `init`.
    RepositoryId, 16, "a repository id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_printing_and_parsing() {
        let id = ChunkId([7; 32]);
        assert_eq!(id.to_string().parse::<ChunkId>(), Ok(id));
    }

    #[test]
    fn a_text_of_the_wrong_length_is_refused_by_name() {
        let error = "abcd".parse::<SnapshotId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`abcd` is not a snapshot id: expected 32 hexadecimal digits"
        );
    }
}
