//! Memory that begins at an aligned address.

use crate::{ALIGNMENT, BUFFER_BYTES};

/// Room for [`BUFFER_BYTES`] at an aligned address.
pub(crate) struct Aligned {
    /// Longer than what is used of it, so that the part in use can begin where it must. It never
    /// grows, and so never moves.
    memory: Vec<u8>,
    start: usize,
}

impl Aligned {
    pub(crate) fn new() -> Self {
        let memory = vec![0; BUFFER_BYTES + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, start }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + BUFFER_BYTES]
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + BUFFER_BYTES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_aligned() {
        let aligned = Aligned::new();
        assert_eq!(aligned.as_bytes().as_ptr() as usize % ALIGNMENT, 0);
        assert_eq!(aligned.as_bytes().len(), BUFFER_BYTES);
    }
}
