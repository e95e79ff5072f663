//! The sequencer: puts finished entries in order and writes what a snapshot refers to.
//!
//! Workers finish in any order; the item stream must not depend on it. So entries wait here until
//! it is their turn. What they wait for is bounded by the queues in front of the workers.
//!
//! A keyed hash decides at which borders of records the streams are cut: a change of one entry
//! changes one small piece, and the rest is deduplicated like any content.

use crate::format::item::Item;
use crate::format::refs::Reference;
use crate::format::root::{ROOT_IDS_MAX, Trunk};
use crate::ground::domain::Domain;
use crate::keys::IdKey;
use crate::objects::error::{IoStep, ObjectError, Stage};
use crate::pipeline::compress::{Compressor, FrameBytes};
use crate::pipeline::dedup::Dedup;
use crate::write::error::WriteError;
use crate::write::file_cache::{Known, KnownWriter};
use crossbeam_channel::{Receiver, Sender};
use holdfast_base::entry::{Entry, EntryKind, Identity};
use holdfast_base::id::ChunkId;
use holdfast_base::sync::Unpoisoned;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Frames of metadata are smaller than those of content: one is read for few entries.
const METADATA_FRAME: usize = 256 << 10;
/// One entry in so many ends a piece of the item stream.
const ITEMS_MEAN: u32 = 32;
/// A piece of the item stream holds at most this many bytes.
const ITEMS_BYTES_MAX: usize = 256 << 10;
/// An entry of so many chunks ends a piece, so that they need not be held for it.
const CONTENTS_MAX: usize = 4096;
/// One reference in so many ends a piece of the reference stream.
const REFERENCES_MEAN: u32 = 64;
/// A piece of the reference stream holds at most this many references.
const REFERENCES_MAX: usize = 4096;

/// An entry whose content is stored or known.
pub(crate) struct Done {
    /// The entry and how much content it has.
    pub item: Item,
    /// The chunks of its content.
    pub chunks: Vec<ChunkId>,
    /// What tells that its file is the same next time; none for what cannot be known.
    pub identity: Option<Identity>,
}

/// An entry whose content has ended.
pub(super) struct ClosedEntry {
    pub(super) entry: Entry,
    /// Bytes of its content.
    pub(super) content_bytes: u64,
    /// What shows next time that its file is the same; none if that cannot be known.
    pub(super) identity: Option<Identity>,
}

impl ClosedEntry {
    /// Adds the chunks of its content.
    pub(super) fn with_chunks(self, chunks: Vec<ChunkId>) -> Done {
        let item = Item {
            entry: self.entry,
            content_bytes: self.content_bytes,
            chunks: chunks.len() as u64,
        };
        Done {
            item,
            chunks,
            identity: self.identity,
        }
    }
}

/// What a worker hands over: the entries of one ticket, possibly none.
pub(crate) struct Finished {
    /// Whose turn it is.
    pub ticket: u64,
    /// The entries, in order.
    pub entries: Vec<Done>,
}

/// How far the sequencer is, for those who wait for it.
#[derive(Default)]
pub(super) struct Turn {
    next: Mutex<u64>,
    moved: Condvar,
}

impl Turn {
    fn advance(&self, next: u64) {
        *self.next.lock_unpoisoned() = next;
        self.moved.notify_all();
    }

    /// Lets those who wait go, since nothing will move any more.
    pub(super) fn abandon(&self) {
        self.advance(u64::MAX);
    }

    /// Waits until all tickets before `ticket` are done.
    pub(super) fn wait_for(&self, ticket: u64) {
        let mut next = self.next.lock_unpoisoned();
        while *next < ticket {
            next = self
                .moved
                .wait(next)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What the sequencer needs.
pub(super) struct Sequencer {
    /// Names chunks.
    pub id_key: IdKey,
    /// Knows what is held.
    pub dedup: Arc<Dedup>,
    /// The packer of the item stream.
    pub items: Sender<FrameBytes>,
    /// The packer of the reference stream.
    pub references: Sender<FrameBytes>,
    /// The list of files for the next run.
    pub known: Option<KnownWriter>,
    /// How far the sequencer is.
    pub turn: Arc<Turn>,
    /// Whether frames are looked at again.
    pub prove: bool,
}

/// What the sequencer made.
pub(super) struct Sequenced {
    /// The beginning of the reference stream.
    pub trunk: Trunk,
    /// The list for the next run.
    pub known: Option<KnownWriter>,
    /// Entries of all kinds.
    pub entries: u64,
    /// Files and streams among them.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

impl Sequencer {
    /// Takes entries until no more come.
    ///
    /// # Errors
    /// A frame could not be made, or the packers have failed.
    pub(super) fn run(mut self, finished: &Receiver<Finished>) -> Result<Sequenced, WriteError> {
        let mut streams = Streams::new(&self)?;
        let mut waiting = BTreeMap::new();
        let mut next = 0_u64;
        while let Ok(done) = finished.recv() {
            waiting.insert(done.ticket, done.entries);
            while let Some(entries) = waiting.remove(&next) {
                for entry in entries {
                    streams.push_entry(&entry)?;
                    self.note_file(entry);
                }
                next += 1;
                self.turn.advance(next);
            }
        }
        let trunk = streams.finish()?;
        let Streams {
            entries,
            files,
            bytes,
            ..
        } = streams;
        Ok(Sequenced {
            trunk,
            known: self.known,
            entries,
            files,
            bytes,
        })
    }

    fn note_file(&mut self, done: Done) {
        let Some(writer) = &mut self.known else {
            return;
        };
        let Some(identity) = done.identity else {
            return;
        };
        let EntryKind::File { extents, .. } = done.item.entry.kind else {
            return;
        };
        let known = Known {
            path: done.item.entry.path.as_bytes().to_vec(),
            identity,
            content_bytes: done.item.content_bytes,
            extents,
            xattrs: done
                .item
                .entry
                .ownership
                .map_or_else(Vec::new, |ownership| ownership.xattrs),
            chunks: done.chunks,
        };
        if let Err(error) = writer.push_file(&known) {
            tracing::warn!(%error, "files cannot be listed for the next run, which will read them again");
            self.known = None;
        }
    }
}

/// The item stream and the reference stream in the making.
struct Streams {
    id_key: IdKey,
    dedup: Arc<Dedup>,
    items_to: Sender<FrameBytes>,
    references_to: Sender<FrameBytes>,
    items_frames: Compressor,
    references_frames: Compressor,
    items: Vec<u8>,
    contents: Vec<ChunkId>,
    references: Vec<u8>,
    pieces: Vec<ChunkId>,
    entries: u64,
    files: u64,
    bytes: u64,
}

impl Streams {
    fn new(sequencer: &Sequencer) -> Result<Self, WriteError> {
        // The catalog's packs hold chunks of two domains. They need no look here: every run holds the key
        // that opens them again when they are stored.
        let frames = |check| Compressor::new(3, METADATA_FRAME, check);
        let items = sequencer
            .prove
            .then(|| (sequencer.id_key.clone(), Domain::Items));
        Ok(Self {
            id_key: sequencer.id_key.clone(),
            dedup: Arc::clone(&sequencer.dedup),
            items_to: sequencer.items.clone(),
            references_to: sequencer.references.clone(),
            items_frames: frames(items)?,
            references_frames: frames(None)?,
            items: Vec::new(),
            contents: Vec::new(),
            references: Vec::new(),
            pieces: Vec::new(),
            entries: 0,
            files: 0,
            bytes: 0,
        })
    }

    fn push_entry(&mut self, done: &Done) -> Result<(), WriteError> {
        self.entries += 1;
        self.files += u64::from(done.item.entry.has_content());
        self.bytes += done.item.content_bytes;
        done.item.encode(&mut self.items);
        let cut = self.id_key.cut_value(done.item.entry.path.as_bytes());
        if cut.is_multiple_of(ITEMS_MEAN)
            || self.items.len() >= ITEMS_BYTES_MAX
            || done.chunks.len() >= CONTENTS_MAX
        {
            self.close_items(&done.chunks)
        } else {
            self.contents.extend_from_slice(&done.chunks);
            Ok(())
        }
    }

    /// Ends a piece of the item stream, whose last entry has the content `last`.
    fn close_items(&mut self, last: &[ChunkId]) -> Result<(), WriteError> {
        if self.items.is_empty() {
            return Ok(());
        }
        let id = self.id_key.id(Domain::Items, &self.items);
        if self.dedup.claim(&id).map_err(index_failed)?
            && let Some(frame) = self.items_frames.push(id, &self.items)?
        {
            hand_over(&self.items_to, frame)?;
        }
        self.items.clear();
        self.push_reference(Reference::Items(id))?;
        let before = std::mem::take(&mut self.contents);
        for chunk in before.iter().chain(last) {
            self.push_reference(Reference::Content(*chunk))?;
        }
        Ok(())
    }

    fn push_reference(&mut self, reference: Reference) -> Result<(), WriteError> {
        reference.encode(&mut self.references);
        let count = self.references.len() / crate::format::refs::RECORD_BYTES;
        let id = reference.chunk_id();
        let cut = u32::from_le_bytes([id.0[28], id.0[29], id.0[30], id.0[31]]);
        if cut.is_multiple_of(REFERENCES_MEAN) || count >= REFERENCES_MAX {
            self.close_references()?;
        }
        Ok(())
    }

    fn close_references(&mut self) -> Result<(), WriteError> {
        if self.references.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.references);
        let id = self.store_catalog(Domain::References, &bytes)?;
        self.pieces.push(id);
        Ok(())
    }

    fn store_catalog(&mut self, domain: Domain, bytes: &[u8]) -> Result<ChunkId, WriteError> {
        let id = self.id_key.id(domain, bytes);
        if self.dedup.claim(&id).map_err(index_failed)?
            && let Some(frame) = self.references_frames.push(id, bytes)?
        {
            hand_over(&self.references_to, frame)?;
        }
        Ok(id)
    }

    /// Closes both streams, and builds the trunk until its top fits into a snapshot's root.
    fn finish(&mut self) -> Result<Trunk, WriteError> {
        self.close_items(&[])?;
        self.close_references()?;
        let mut trunk = Trunk {
            levels: 0,
            ids: std::mem::take(&mut self.pieces),
        };
        while trunk.ids.len() > ROOT_IDS_MAX {
            let mut above = Vec::new();
            for ids in trunk_pieces(&trunk.ids) {
                let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
                above.push(self.store_catalog(Domain::Trunk, &bytes)?);
            }
            trunk = Trunk {
                levels: trunk.levels + 1,
                ids: above,
            };
        }
        for frame in self.items_frames.flush()? {
            hand_over(&self.items_to, frame)?;
        }
        for frame in self.references_frames.flush()? {
            hand_over(&self.references_to, frame)?;
        }
        Ok(trunk)
    }
}

/// Cuts a list of ids at borders that the ids decide, into at most a 16th as many pieces on average.
fn trunk_pieces(ids: &[ChunkId]) -> Vec<&[ChunkId]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, id) in ids.iter().enumerate() {
        let length = at + 1 - start;
        if (length >= 8 && id.0[27].is_multiple_of(64)) || length >= 1024 {
            pieces.push(&ids[start..=at]);
            start = at + 1;
        }
    }
    if start < ids.len() {
        pieces.push(&ids[start..]);
    }
    pieces
}

fn index_failed(error: std::io::Error) -> WriteError {
    IoStep::ReadIndex.failed()(error).into()
}

fn hand_over(to: &Sender<FrameBytes>, frame: FrameBytes) -> Result<(), WriteError> {
    Ok(to
        .send(frame)
        .map_err(|_| ObjectError::StageEnded(Stage::Packing))?)
}
