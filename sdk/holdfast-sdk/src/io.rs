//! `std::io` over the host's streams.

use crate::failure::to_io;
use crate::{Failure, Reader, Writer};
use std::io;

/// Bytes that cross the boundary in one call; measured best at 256 KiB.
const PIECE: usize = 256 << 10;

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(PIECE) as u32;
        if wanted == 0 {
            return Ok(0);
        }
        match Reader::read(self, wanted) {
            Ok(Some(bytes)) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Ok(None) => Ok(0),
            Err(failure) => Err(to_io(failure)),
        }
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        Writer::write(self, piece).map_err(to_io)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer {
    /// Commits what was written and returns its length. Dropping the writer discards it instead.
    ///
    /// # Errors
    /// The host could not commit it.
    pub fn commit(self) -> Result<u64, Failure> {
        Writer::finish(self)
    }
}
