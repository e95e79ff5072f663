//! Packing: fills packs with frames while they are being sealed.
//!
//! A packer never holds a whole pack: frames go through the encryptor into the store's upload as
//! they come, and the table follows them. So memory does not grow with the size of packs.

use crate::format::pack::{Frame, PACK_CHUNKS, encode_tail};
use crate::format::segment::PackKind;
use crate::ground::seal::{Recipient, SealError, Sealer};
use crate::objects::error::{IoStep, ObjectError};
use crate::pipeline::compress::FrameBytes;
use crate::pipeline::put::{Finished, Put};
use crossbeam_channel::Receiver;
use holdfast_base::sync::Unpoisoned;
use holdfast_store::{Placement, Store, StoreError, Upload};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

/// A pack of content is closed when it holds this much …
const CONTENT_PACK_MIN: u64 = 32 << 20;
/// … and in a large repository when it holds this much, so that there are fewer to list.
const CONTENT_PACK_MAX: u64 = 128 << 20;
/// So many packs have to be there for another mebibyte in the next ones.
const PACKS_PER_MEBIBYTE: u64 = 32;
/// A pack of metadata is closed when it holds this much.
pub(crate) const METADATA_PACK_BYTES: u64 = 8 << 20;

/// Returns the size at which a pack of content is closed in a repository that has `packs` of them.
#[must_use]
pub(crate) fn content_pack_bytes(packs: usize) -> u64 {
    let mebibytes = packs as u64 / PACKS_PER_MEBIBYTE;
    (mebibytes << 20).clamp(CONTENT_PACK_MIN, CONTENT_PACK_MAX)
}

/// What a packer needs, beside its frames.
pub(crate) struct Packer {
    /// Where packs go.
    pub store: Arc<dyn Store>,
    /// Who seals them.
    pub sealer: Arc<dyn Sealer>,
    /// To whom.
    pub recipient: String,
    /// What they hold.
    pub kind: PackKind,
    /// The epoch that they are sealed to; zero for the catalog.
    pub epoch: u32,
    /// The size at which one is closed.
    pub target: u64,
    /// Who makes them durable.
    pub put: Put,
}

impl Packer {
    /// Packs frames until no more come.
    ///
    /// # Errors
    /// Sealing or writing failed.
    pub(crate) fn run(
        &self,
        first: FrameBytes,
        frames: &Receiver<FrameBytes>,
    ) -> Result<(), ObjectError> {
        self.pack(first, frames)?;
        while let Ok(next) = frames.recv() {
            self.pack(next, frames)?;
        }
        Ok(())
    }

    fn pack(&self, first: FrameBytes, more: &Receiver<FrameBytes>) -> Result<(), ObjectError> {
        let table = Arc::new(Mutex::new(Vec::new()));
        let plain = PackReader {
            frames: more.clone(),
            next: Some(first),
            current: Vec::new(),
            at: 0,
            written: 0,
            chunks: 0,
            target: self.target,
            table: Arc::clone(&table),
            ended: false,
        };
        let slot = Arc::new(Mutex::new(Some(Sealed {
            upload: start(self.store.as_ref(), self.kind)?,
            hash: blake3::Hasher::new(),
            bytes: 0,
            failure: None,
        })));
        let sink = SealedSink(Arc::clone(&slot));
        let recipients = [Recipient::PublicKey(self.recipient.clone())];
        let done = self
            .sealer
            .seal(&recipients, Box::new(plain), Box::new(sink));
        let mut sealed = slot.lock_unpoisoned().take();
        if let Some(failure) = sealed.as_mut().and_then(|sealed| sealed.failure.take()) {
            return Err(IoStep::WritePack.failed()(failure));
        }
        done?;
        let Some(sealed) = sealed else {
            return Err(SealError::Encryptor {
                detail: "it gave nothing back".into(),
            }
            .into());
        };
        let frames = std::mem::take(&mut *table.lock_unpoisoned());
        if frames.is_empty() {
            return Err(SealError::Encryptor {
                detail: "it did not read the pack".into(),
            }
            .into());
        }
        self.put.send(Finished {
            upload: sealed.upload,
            hash: sealed.hash.finalize(),
            bytes: sealed.bytes,
            kind: self.kind,
            epoch: self.epoch,
            frames,
        })
    }
}

/// Starts a pack where its kind belongs: content is read to be restored, everything else all the time.
///
/// # Errors
/// The store cannot be written to.
pub(crate) fn start(store: &dyn Store, kind: PackKind) -> Result<Box<dyn Upload>, StoreError> {
    match kind {
        PackKind::Content => store.upload(Placement::Bulk),
        PackKind::Items | PackKind::Catalog => store.upload(Placement::Standard),
    }
}

/// Gives a pack's bytes as the encryptor asks for them.
struct PackReader {
    frames: Receiver<FrameBytes>,
    next: Option<FrameBytes>,
    current: Vec<u8>,
    at: usize,
    written: u64,
    chunks: usize,
    target: u64,
    table: Arc<Mutex<Vec<Frame>>>,
    ended: bool,
}

impl PackReader {
    /// Makes the next bytes current: a frame, the tail, or nothing.
    fn advance(&mut self) {
        self.at = 0;
        self.current.clear();
        let is_full = self.written >= self.target || self.chunks >= PACK_CHUNKS;
        let next = self.next.take().or_else(|| {
            if is_full {
                None
            } else {
                self.frames.recv().ok()
            }
        });
        let mut table = self.table.lock_unpoisoned();
        if let Some(frame) = next {
            table.push(Frame {
                offset: self.written as u32,
                length: frame.bytes.len() as u32,
                expanded: frame.expanded,
                parts: frame.parts,
            });
            self.chunks += table.last().map_or(0, |frame| frame.parts.len());
            self.written += frame.bytes.len() as u64;
            self.current = frame.bytes;
        } else if !self.ended {
            self.ended = true;
            self.current = encode_tail(&table, self.written);
        }
    }
}

impl Read for PackReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.current.len() && !self.ended {
            self.advance();
        }
        let rest = &self.current[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

struct Sealed {
    upload: Box<dyn Upload>,
    hash: blake3::Hasher,
    bytes: u64,
    /// Why the store took no more: the encryptor would tell it in words only.
    failure: Option<io::Error>,
}

/// Takes what the encryptor writes: to the store, and into the hash that will be its name.
struct SealedSink(Arc<Mutex<Option<Sealed>>>);

impl Write for SealedSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut slot = self.0.lock_unpoisoned();
        let Some(sealed) = slot.as_mut() else {
            return Err(io::Error::other("the pack was closed"));
        };
        if let Err(error) = sealed.upload.write_all(bytes) {
            let told = io::Error::new(error.kind(), error.to_string());
            sealed.failure = Some(error);
            return Err(told);
        }
        sealed.hash.update(bytes);
        sealed.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_grow_with_the_repository_and_not_for_ever() {
        assert_eq!(content_pack_bytes(0), 32 << 20);
        assert_eq!(content_pack_bytes(1_000), 32 << 20);
        assert_eq!(content_pack_bytes(2_048), 64 << 20);
        assert_eq!(content_pack_bytes(1_000_000), 128 << 20);
    }
}
