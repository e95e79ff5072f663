//! Workers: read small files, name chunks, and make frames of those that are new.

use crate::format::item::Item;
use crate::ground::domain::Domain;
use crate::objects::error::{IoStep, ObjectError, Stage};
use crate::pipeline::compress::{Compressor, FRAME_TARGET, FrameBytes};
use crate::write::WriteError;
use crate::write::found::{changed_under_reader, leave_out, opened};
use crate::write::sequence::{Done, Finished};
use crate::write::stream::CutChunks;
use crate::write::{Job, Pending, RunNote, Shared, without_content};
use crossbeam_channel::{Receiver, Sender};
use holdfast_base::entry::{Entry, EntryKind, FileContent};
use holdfast_base::id::ChunkId;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The room that a file is read into beyond its size, so that one read finds its end.
const SLACK: usize = 1;

pub(super) struct Worker {
    shared: Arc<Shared>,
    packers: [Sender<FrameBytes>; 2],
    done: Sender<Finished>,
    compressor: Compressor,
    buffer: Vec<u8>,
    /// Decides which of the open packs a frame goes to, so that sizes of packs tell little.
    dice: u64,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        packers: [Sender<FrameBytes>; 2],
        done: Sender<Finished>,
        note: &RunNote,
    ) -> Result<Self, WriteError> {
        let check = note.prove.then(|| (shared.id_key.clone(), Domain::Content));
        let compressor = Compressor::new(note.level, FRAME_TARGET, check)?;
        let dice = u64::from_le_bytes(crate::ground::chance::random()?) | 1;
        Ok(Self {
            shared,
            packers,
            done,
            compressor,
            buffer: Vec::new(),
            dice,
        })
    }

    pub(super) fn run(mut self, jobs: &Receiver<Job>) -> Result<(), WriteError> {
        while let Ok(job) = jobs.recv() {
            if self.shared.cancel.is_raised() {
                return Err(ObjectError::Cancelled.into());
            }
            match job {
                Job::Batch { ticket, entries } => self.batch(ticket, entries)?,
                Job::Chunks(chunks) => self.chunks(chunks)?,
            }
        }
        for frame in self.compressor.flush()? {
            self.pack(frame)?;
        }
        Ok(())
    }

    fn batch(&mut self, ticket: u64, pending: Vec<Pending>) -> Result<(), WriteError> {
        let mut entries = Vec::with_capacity(pending.len());
        for one in pending {
            entries.extend(self.entry(one)?);
        }
        let closed = |_| ObjectError::StageEnded(Stage::Sequencing);
        Ok(self
            .done
            .send(Finished { ticket, entries })
            .map_err(closed)?)
    }

    fn entry(&mut self, pending: Pending) -> Result<Option<Done>, WriteError> {
        let Pending {
            mut entry,
            content,
            known,
        } = pending;
        let Some(content) = content else {
            return Ok(Some(without_content(entry)));
        };
        let identity = content.identity();
        if let Some(known) = known
            && self.holds_all(&known.chunks)?
        {
            let gauge = &self.shared.gauge;
            gauge.unchanged.fetch_add(1, Ordering::Relaxed);
            gauge
                .bytes
                .fetch_add(known.content_bytes, Ordering::Relaxed);
            if let EntryKind::File { extents, .. } = &mut entry.kind {
                *extents = known.extents;
            }
            if let Some(ownership) = &mut entry.ownership {
                ownership.xattrs = known.xattrs;
            }
            let chunks = known.chunks.len() as u64;
            let item = Item {
                entry,
                content_bytes: known.content_bytes,
                chunks,
            };
            return Ok(Some(Done {
                item,
                chunks: known.chunks,
                identity,
            }));
        }
        match self.read(&mut entry, content) {
            Ok((content_bytes, ids, changed)) => {
                if changed {
                    self.shared.warn(changed_under_reader(&entry));
                }
                let item = Item {
                    entry,
                    content_bytes,
                    chunks: ids.len() as u64,
                };
                Ok(Some(Done {
                    item,
                    chunks: ids,
                    identity: identity.filter(|_| !changed),
                }))
            }
            Err(ReadError::File(error)) => {
                leave_out(&self.shared, &entry, error)?;
                Ok(None)
            }
            Err(ReadError::Run(error)) => Err(error),
        }
    }

    fn holds_all(&self, chunks: &[ChunkId]) -> Result<bool, WriteError> {
        for id in chunks {
            let held = self.shared.dedup.is_held(id);
            if !held.map_err(IoStep::ReadIndex.failed())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a small file whole; one that has grown since it was found is cut as it comes.
    fn read(
        &mut self,
        entry: &mut Entry,
        content: Box<dyn FileContent>,
    ) -> Result<(u64, Vec<ChunkId>, bool), ReadError> {
        let mut file = content.open().map_err(ReadError::File)?;
        opened(&self.shared, entry, file.as_ref());
        let mut ids = Vec::new();
        let mut content_bytes = 0_u64;
        let mut buffer = std::mem::take(&mut self.buffer);
        let wanted = (file.size() as usize).min(super::SMALL_FILE_MAX as usize) + SLACK;
        if buffer.len() < wanted.max(self.shared.cutter.max()) {
            buffer.resize(wanted.max(self.shared.cutter.max()), 0);
        }
        let mut filled = 0;
        loop {
            let count = read_some(file.as_mut(), &mut buffer[filled..]).map_err(ReadError::File)?;
            filled += count;
            content_bytes += count as u64;
            let is_end = filled < buffer.len();
            let mut at = 0;
            while at < filled {
                let rest = &buffer[at..filled];
                match self
                    .shared
                    .cutter
                    .cut(rest)
                    .or_else(|| is_end.then_some(rest.len()))
                {
                    Some(length) => {
                        ids.push(self.chunk(&rest[..length]).map_err(ReadError::Run)?);
                        at += length;
                    }
                    None => break,
                }
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
            if is_end {
                break;
            }
        }
        self.buffer = buffer;
        let changed = file.has_changed().map_err(ReadError::File)?;
        self.shared
            .gauge
            .bytes
            .fetch_add(content_bytes, Ordering::Relaxed);
        Ok((content_bytes, ids, changed))
    }

    fn chunks(&mut self, chunks: CutChunks) -> Result<(), WriteError> {
        let mut ids = Vec::with_capacity(chunks.lengths.len());
        let mut at = 0;
        for length in &chunks.lengths {
            ids.push(self.chunk(&chunks.bytes[at..at + length])?);
            at += length;
        }
        self.shared
            .gauge
            .bytes
            .fetch_add(at as u64, Ordering::Relaxed);
        chunks.complete(ids)
    }

    /// Names a chunk, and sends it on its way if nobody has it.
    fn chunk(&mut self, bytes: &[u8]) -> Result<ChunkId, WriteError> {
        let id = self.shared.id_key.id(Domain::Content, bytes);
        let is_new = self.shared.dedup.claim(&id);
        if is_new.map_err(IoStep::ReadIndex.failed())? {
            let gauge = &self.shared.gauge;
            gauge.new_chunks.fetch_add(1, Ordering::Relaxed);
            gauge
                .new_bytes
                .fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if let Some(frame) = self.compressor.push(id, bytes)? {
                self.pack(frame)?;
            }
        }
        Ok(id)
    }

    fn pack(&mut self, frame: FrameBytes) -> Result<(), WriteError> {
        // xorshift: chance enough for choosing one of two.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let packer = &self.packers[usize::from(self.dice & 1 == 1)];
        Ok(packer
            .send(frame)
            .map_err(|_| ObjectError::StageEnded(Stage::Packing))?)
    }
}

/// Fills the buffer as far as the file goes.
fn read_some(file: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whose fault it is: a file's, which is then left out, or the run's, which then ends.
enum ReadError {
    File(io::Error),
    Run(WriteError),
}
