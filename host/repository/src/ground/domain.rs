//! What a chunk holds, which decides under which key it gets its id.

/// What a chunk holds. Chunks of different domains never share an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Content of entries.
    Content,
    /// Pieces of the item stream.
    Items,
    /// Pieces of the reference stream.
    References,
    /// Lists of chunk ids above the reference stream.
    Trunk,
}
