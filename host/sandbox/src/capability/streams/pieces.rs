//! Buffers for pieces of streams, used again and again.

use holdfast_base::sync::Unpoisoned;
use std::sync::{Arc, Mutex};

/// Buffers that wait for the next piece.
const KEPT_MAX: usize = 4;

type Kept = Arc<Mutex<Vec<Vec<u8>>>>;

/// Buffers for pieces, used again and again.
#[derive(Default)]
pub(crate) struct Pieces(Kept);

/// A buffer on loan.
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    kept: Kept,
}

impl Pieces {
    /// Lends a buffer of at least this length.
    pub(crate) fn lend_piece(&self, length: usize) -> Piece {
        let bytes = self.0.lock_unpoisoned().pop();
        let mut bytes = bytes.unwrap_or_default();
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Piece {
            bytes,
            kept: Arc::clone(&self.0),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut kept = self.kept.lock_unpoisoned();
        if kept.len() < KEPT_MAX {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
