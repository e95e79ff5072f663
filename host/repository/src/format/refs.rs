//! The reference stream: which chunks a snapshot needs, in the order in which a reader needs them.
//!
//! Each record is a tag and a chunk id: first a piece of the item stream, then the chunks of the
//! entries in that piece. It is sealed to the catalog key, so that collection can see what is
//! needed without being able to read names or content.

use crate::format::FormatError;
use holdfast_base::id::ChunkId;

/// Bytes of one record.
pub const RECORD_BYTES: usize = 1 + ChunkId::LEN;

/// One reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// A piece of the item stream; the chunks of its entries follow.
    Items(ChunkId),
    /// The next chunk of content.
    Content(ChunkId),
}

impl Reference {
    /// Returns the chunk.
    #[must_use]
    pub fn chunk_id(&self) -> ChunkId {
        match self {
            Self::Items(id) | Self::Content(id) => *id,
        }
    }

    /// Appends the record.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.push(u8::from(matches!(self, Self::Content(_))));
        to.extend_from_slice(self.chunk_id().as_bytes());
    }

    /// Reads all records of a piece of the reference stream.
    ///
    /// # Errors
    /// The bytes are not such records.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        const WHAT: &str = "reference stream";
        let (records, rest) = bytes.as_chunks::<RECORD_BYTES>();
        if !rest.is_empty() {
            return Err(FormatError::Short { what: WHAT });
        }
        records
            .iter()
            .map(|record| {
                let mut id = [0; ChunkId::LEN];
                id.copy_from_slice(&record[1..]);
                match record[0] {
                    0 => Ok(Self::Items(ChunkId(id))),
                    1 => Ok(Self::Content(ChunkId(id))),
                    other => Err(FormatError::invalid(
                        WHAT,
                        format!("a record of kind {other}"),
                    )),
                }
            })
            .collect()
    }
}

/// Reads a list of bare chunk ids, as the trunk above the reference stream holds them.
///
/// # Errors
/// The bytes are not such a list.
pub fn decode_ids(bytes: &[u8]) -> Result<Vec<ChunkId>, FormatError> {
    let (ids, rest) = bytes.as_chunks::<{ ChunkId::LEN }>();
    if rest.is_empty() {
        Ok(ids.iter().map(|id| ChunkId(*id)).collect())
    } else {
        Err(FormatError::Short { what: "trunk" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_and_a_cut_record_is_noticed() {
        let references = [
            Reference::Items(ChunkId([1; 32])),
            Reference::Content(ChunkId([2; 32])),
        ];
        let mut bytes = Vec::new();
        for reference in references {
            reference.encode(&mut bytes);
        }
        assert_eq!(Reference::decode_all(&bytes), Ok(references.to_vec()));
        assert!(Reference::decode_all(&bytes[..40]).is_err());
        bytes[0] = 9;
        assert!(Reference::decode_all(&bytes).is_err());
    }
}
