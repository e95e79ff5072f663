//! How far it is with packs that cannot be read yet.

use holdfast_base::advice::{Advice, SnapshotAdvice};

/// Packs that cannot be read at once, and how far it is with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frozen {
    /// How many.
    pub packs: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// How many of them were asked for, just now or before.
    pub asked: u64,
}

impl Frozen {
    /// Adds some more.
    pub fn add(&mut self, more: Self) {
        self.packs += more.packs;
        self.bytes += more.bytes;
        self.asked += more.asked;
    }

    /// Returns what to do next.
    pub(crate) fn advice(&self) -> Advice {
        if self.asked == self.packs {
            SnapshotAdvice::AwaitThaw.into()
        } else {
            SnapshotAdvice::RequestThaw.into()
        }
    }
}
