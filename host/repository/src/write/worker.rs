//! Workers: read small files, name chunks, and make frames of those that are new.

use crate::ground::domain::Domain;
use crate::objects::error::{IoStep, ObjectError, Stage, ensure_not_cancelled};
use crate::pipeline::compress::{Compressor, FRAME_TARGET, FrameBytes};
use crate::write::cut::CutBuffer;
use crate::write::error::WriteError;
use crate::write::file_cache::Known;
use crate::write::found::{UnknownChange, read_file};
use crate::write::gather::ChunkGroup;
use crate::write::note::RunNote;
use crate::write::queues::{Job, Pending};
use crate::write::sequence::{ClosedEntry, Done, Finished};
use crate::write::shared::Shared;
use crossbeam_channel::{Receiver, Sender};
use holdfast_base::entry::{Entry, EntryKind, FileContent, Identity};
use holdfast_base::id::ChunkId;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) struct Worker {
    shared: Arc<Shared>,
    done: Sender<Finished>,
    chunker: Chunker,
    buffer: CutBuffer,
}

/// Names chunks, and makes frames of those that nobody has.
struct Chunker {
    shared: Arc<Shared>,
    packers: [Sender<FrameBytes>; 2],
    compressor: Compressor,
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
        let chunker = Chunker {
            shared: Arc::clone(&shared),
            packers,
            compressor: Compressor::new(note.level, FRAME_TARGET, check)?,
            dice: u64::from_le_bytes(crate::ground::chance::random()?) | 1,
        };
        Ok(Self {
            shared,
            done,
            chunker,
            buffer: CutBuffer::default(),
        })
    }

    pub(super) fn run(mut self, jobs: &Receiver<Job>) -> Result<(), WriteError> {
        while let Ok(job) = jobs.recv() {
            ensure_not_cancelled(&self.shared.cancel)?;
            match job {
                Job::Batch { ticket, entries } => self.finish_batch(ticket, entries)?,
                Job::Chunks(group) => self.store_group(group)?,
            }
        }
        self.chunker.flush_frames()
    }

    fn finish_batch(&mut self, ticket: u64, batch: Vec<Pending>) -> Result<(), WriteError> {
        let mut entries = Vec::with_capacity(batch.len());
        for pending in batch {
            entries.extend(self.finish_entry(pending)?);
        }
        let closed = |_| ObjectError::StageEnded(Stage::Sequencing);
        Ok(self
            .done
            .send(Finished { ticket, entries })
            .map_err(closed)?)
    }

    fn finish_entry(&mut self, pending: Pending) -> Result<Option<Done>, WriteError> {
        let Some(content) = pending.content else {
            let closed = ClosedEntry {
                entry: pending.entry,
                content_bytes: 0,
                identity: None,
            };
            return Ok(Some(closed.with_chunks(Vec::new())));
        };
        if let Some(known) = pending.known
            && self.holds_all(&known.chunks)?
        {
            let identity = content.identity();
            return Ok(Some(self.take_known(pending.entry, known, identity)));
        }
        self.store_file(pending.entry, content)
    }

    /// Takes an unchanged file over from the last run.
    fn take_known(&self, mut entry: Entry, known: Known, identity: Option<Identity>) -> Done {
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
        let closed = ClosedEntry {
            entry,
            content_bytes: known.content_bytes,
            identity,
        };
        closed.with_chunks(known.chunks)
    }

    fn holds_all(&self, chunks: &[ChunkId]) -> Result<bool, WriteError> {
        for id in chunks {
            let is_held = self.shared.dedup.is_held(id);
            if !is_held.map_err(IoStep::ReadIndex.failed())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a file, and stores its chunks as they are cut.
    fn store_file(
        &mut self,
        entry: Entry,
        content: Box<dyn FileContent>,
    ) -> Result<Option<Done>, WriteError> {
        let mut chunks = Vec::new();
        let (shared, chunker) = (&self.shared, &mut self.chunker);
        let read = read_file(
            shared,
            entry,
            content,
            &mut self.buffer,
            UnknownChange::LeaveOut,
            |buffer, is_end| {
                while let Some(chunk) = buffer.next_chunk(&shared.cutter, is_end) {
                    chunks.push(chunker.store_chunk(chunk)?);
                }
                buffer.discard_cut();
                Ok(())
            },
        )?;
        let Some(closed) = read else { return Ok(None) };
        let gauge = &self.shared.gauge;
        gauge
            .bytes
            .fetch_add(closed.content_bytes, Ordering::Relaxed);
        Ok(Some(closed.with_chunks(chunks)))
    }

    /// Stores chunks that the caller's thread has cut.
    fn store_group(&mut self, group: ChunkGroup) -> Result<(), WriteError> {
        let mut ids = Vec::new();
        let mut bytes = 0;
        for chunk in group.chunks() {
            ids.push(self.chunker.store_chunk(chunk)?);
            bytes += chunk.len() as u64;
        }
        self.shared.gauge.bytes.fetch_add(bytes, Ordering::Relaxed);
        group.complete(ids)
    }
}

impl Chunker {
    /// Names a chunk, and sends it on its way if nobody has it.
    fn store_chunk(&mut self, bytes: &[u8]) -> Result<ChunkId, WriteError> {
        let id = self.shared.id_key.id(Domain::Content, bytes);
        let is_new = self.shared.dedup.claim(&id);
        if is_new.map_err(IoStep::ReadIndex.failed())? {
            let gauge = &self.shared.gauge;
            gauge.new_chunks.fetch_add(1, Ordering::Relaxed);
            gauge
                .new_bytes
                .fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if let Some(frame) = self.compressor.push(id, bytes)? {
                self.send_frame(frame)?;
            }
        }
        Ok(id)
    }

    fn send_frame(&mut self, frame: FrameBytes) -> Result<(), WriteError> {
        // xorshift: chance enough for choosing one of two.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let packer = &self.packers[usize::from(self.dice & 1 == 1)];
        Ok(packer
            .send(frame)
            .map_err(|_| ObjectError::StageEnded(Stage::Packing))?)
    }

    /// Sends the frames that are not full yet.
    fn flush_frames(&mut self) -> Result<(), WriteError> {
        for frame in self.compressor.flush()? {
            self.send_frame(frame)?;
        }
        Ok(())
    }
}
