//! Checks a pack's frames while it is being opened: never more than one of them is held.

use crate::format::FormatError;
use crate::format::pack::{Frame, decode_table, table_length};
use crate::format::segment::{IndexedPack, PackKind};
use crate::keys::IdKey;
use crate::objects::error::ObjectError;
use crate::pipeline::compress::{Expander, verify};
use holdfast_base::sync::Unpoisoned;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Longest end of a pack that is kept: padding, and a table of the most chunks that there may be.
const TAIL_MAX: usize = 64 << 20;

/// What is being checked. One for each thread: it keeps its memory.
#[derive(Default)]
pub(super) struct FrameCheck {
    pack: Option<Arc<IndexedPack>>,
    key: Option<IdKey>,
    expander: Option<Expander>,
    /// The frame that is coming in, or what follows the last one.
    bytes: Vec<u8>,
    /// Which frame that is.
    next: usize,
    /// What was wrong first. The rest is still taken, since its hash is wanted.
    wrong: Option<ObjectError>,
}

impl FrameCheck {
    /// Begins with a pack.
    ///
    /// # Errors
    /// zstd has no memory.
    pub(super) fn check_start(
        &mut self,
        pack: &Arc<IndexedPack>,
        key: Option<&IdKey>,
    ) -> Result<(), ObjectError> {
        if self.expander.is_none() {
            self.expander = Some(Expander::new()?);
        }
        self.pack = Some(Arc::clone(pack));
        self.key = key.cloned();
        self.bytes.clear();
        self.next = 0;
        self.wrong = None;
        Ok(())
    }

    /// Takes bytes of the opened pack.
    fn take_frames(&mut self, mut bytes: &[u8]) -> Result<(), ObjectError> {
        let Some(pack) = self.pack.clone() else {
            return Ok(());
        };
        while let Some(frame) = pack.frames.get(self.next) {
            let missing = (frame.length as usize).saturating_sub(self.bytes.len());
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = later;
            if now.len() < missing {
                return Ok(());
            }
            self.check_frame(pack.kind, frame)?;
            self.bytes.clear();
            self.next += 1;
        }
        if self.bytes.len() + bytes.len() > TAIL_MAX {
            return Err(FormatError::invalid("pack", "more than its table").into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn check_frame(&mut self, kind: PackKind, frame: &Frame) -> Result<(), ObjectError> {
        let Some(expander) = &mut self.expander else {
            return Ok(());
        };
        let expanded = expander.expand(&self.bytes, frame.expanded)?;
        let Some(key) = &self.key else { return Ok(()) };
        verify(key, kind.domains(), expanded, &frame.parts)?;
        Ok(())
    }

    /// Ends with the table.
    ///
    /// # Errors
    /// Something in the pack was wrong.
    pub(super) fn finish(&mut self) -> Result<(), ObjectError> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        let Some(pack) = self.pack.take() else {
            return Ok(());
        };
        let short = FormatError::Short { what: "pack" };
        if self.next < pack.frames.len() {
            return Err(short.into());
        }
        let last = self.bytes.last_chunk::<4>().ok_or(short)?;
        let length = table_length(*last, self.bytes.len() as u64)?;
        if decode_table(&self.bytes[self.bytes.len() - length..])? == pack.frames {
            return Ok(());
        }
        let detail = "its table and the index do not agree";
        Err(FormatError::invalid("pack", detail).into())
    }
}

/// Takes the opened pack from the encryptor.
pub(super) struct CheckedPlain(pub(super) Arc<Mutex<FrameCheck>>);

impl Write for CheckedPlain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut check = self.0.lock_unpoisoned();
        if check.wrong.is_none()
            && let Err(error) = check.take_frames(bytes)
        {
            check.wrong = Some(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
