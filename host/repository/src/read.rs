//! Reading: drives the steps backwards, from a snapshot's root to entries and their content.
//!
//! Whatever is read is checked by its name: a chunk that hashes to another id is an error that
//! names the pack, never content.

/// What can go wrong.
mod error;
/// The frames of a pack, opened.
mod frames;
/// Whether a pack is what the index says.
pub(crate) mod pack_check;
/// What can go wrong with what is stored.
pub(crate) mod stored_error;

pub use error::ReadError;
pub use stored_error::StoredError;

use crate::format::item::Item;
use crate::format::pack::FrameError;
use crate::format::refs::{Reference, decode_ids};
use crate::format::root::Root;
use crate::format::segment::PackKind;
use crate::ground::domain::Domain;
use crate::ground::names::pack_name;
use crate::ground::seal::{Identity, SealedBytes, open_range};
use crate::index::{Index, Location};
use crate::objects::error::{IoStep, ObjectError};
use crate::objects::stored::{Heads, StoredObject};
use crate::pipeline::compress::Expander;
use crate::repository::Repository;
use holdfast_base::entry::EntryPath;
use holdfast_base::id::{ChunkId, PackId};
use holdfast_base::sync::Unpoisoned;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

/// Expanded frames that are kept because more of them may be needed soon.
const FRAMES_KEPT: usize = 8;

/// An expanded frame, by its pack and its place in it.
type KeptFrame = (PackId, u32, Arc<Vec<u8>>);

/// Reads snapshots. Shared by threads.
pub struct Reader {
    pub(crate) repository: Arc<Repository>,
    pub(crate) index: Index,
    frames: Mutex<VecDeque<KeptFrame>>,
    heads: Heads,
}

impl Reader {
    /// Loads what reading needs.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn new(repository: Arc<Repository>) -> Result<Self, ObjectError> {
        let index = repository.index()?;
        Ok(Self {
            repository,
            index,
            frames: Mutex::default(),
            heads: Heads::default(),
        })
    }

    /// Finds the pack of a chunk, and its place in it.
    ///
    /// # Errors
    /// The index does not list it.
    pub fn locate(&self, id: &ChunkId) -> Result<Location, ReadError> {
        let found = self.index.find(id);
        found
            .map_err(IoStep::ReadIndex.failed())?
            .ok_or(ReadError::MissingChunk { chunk: *id })
    }

    pub(crate) fn identity(
        &self,
        kind: PackKind,
        epoch: u32,
    ) -> Result<[Identity; 1], ObjectError> {
        match kind {
            PackKind::Catalog => Ok(self.repository.catalog_identity()),
            PackKind::Content | PackKind::Items => Ok(self.repository.epoch_identity(epoch)?),
        }
    }

    /// Opens a range of a pack before sealing.
    pub(crate) fn open_pack(
        &self,
        at: &Location,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, ObjectError> {
        let name = pack_name(&at.pack);
        let open = || -> Result<Vec<u8>, ObjectError> {
            let setup = &self.repository.setup;
            let sealed = StoredObject::open(&setup.store, name.clone(), &self.heads, length)?;
            let sealed = Arc::new(sealed);
            let identity = self.identity(at.kind, at.epoch)?;
            let source: Arc<dyn SealedBytes> = Arc::clone(&sealed) as _;
            sealed.told(open_range(
                setup.sealer.as_ref(),
                &identity,
                source,
                offset,
                length,
            ))
        };
        open().map_err(|e| e.in_sealed(name.as_str()))
    }

    fn read_frame(&self, at: &Location) -> Result<Arc<Vec<u8>>, ObjectError> {
        let kept = || self.frames.lock_unpoisoned();
        let held = kept()
            .iter()
            .find(|(pack, offset, _)| *pack == at.pack && *offset == at.frame_offset)
            .map(|(_, _, frame)| Arc::clone(frame));
        if let Some(frame) = held {
            return Ok(frame);
        }
        let bytes = self.open_pack(at, u64::from(at.frame_offset), at.frame_length as usize)?;
        let mut expander = Expander::new()?;
        let plain = expander
            .expand(&bytes, at.frame_expanded)
            .map_err(|e| ObjectError::from(e).in_object(at.pack.to_string()))?;
        let frame = Arc::new(plain.to_vec());
        let mut frames = kept();
        if frames.len() == FRAMES_KEPT {
            frames.pop_front();
        }
        frames.push_back((at.pack, at.frame_offset, Arc::clone(&frame)));
        Ok(frame)
    }

    /// Returns a chunk.
    ///
    /// # Errors
    /// It is missing or damaged, or the key does not open it.
    pub fn read_chunk(&self, domain: Domain, id: &ChunkId) -> Result<Vec<u8>, ReadError> {
        Ok(self.chunk_at(domain, id, &self.locate(id)?)?)
    }

    /// Returns a chunk from a place where it should lie.
    pub(crate) fn chunk_at(
        &self,
        domain: Domain,
        id: &ChunkId,
        at: &Location,
    ) -> Result<Vec<u8>, ObjectError> {
        let frame = self.read_frame(at)?;
        let end = at.offset as usize + at.length as usize;
        let bytes = frame
            .get(at.offset as usize..end)
            .ok_or(FrameError::Length)?;
        // The audit role cannot name chunks; the catalog is sealed and signed for it all the same.
        if let Some(key) = &self.repository.id_key
            && key.id(domain, bytes) != *id
        {
            let error = ObjectError::from(FrameError::Content { chunk: *id });
            return Err(error.in_object(at.pack.to_string()));
        }
        Ok(bytes.to_vec())
    }

    /// Returns the references of a snapshot, as they come.
    ///
    /// # Errors
    /// The trunk cannot be read.
    pub fn references<'a>(&'a self, root: &Root) -> Result<References<'a>, ReadError> {
        let mut ids = root.references.ids.clone();
        for _ in 0..root.references.levels {
            let mut below = Vec::new();
            for id in &ids {
                below.extend(decode_ids(&self.read_chunk(Domain::Trunk, id)?)?);
            }
            ids = below;
        }
        Ok(References {
            reader: self,
            pieces: ids.into(),
            current: VecDeque::new(),
        })
    }

    /// Returns the pieces that the reference stream of a snapshot is made of, trunk included.
    ///
    /// # Errors
    /// The trunk cannot be read.
    pub fn catalog_chunks(&self, root: &Root) -> Result<Vec<ChunkId>, ReadError> {
        let mut all = root.references.ids.clone();
        let mut ids = root.references.ids.clone();
        for _ in 0..root.references.levels {
            let mut below = Vec::new();
            for id in &ids {
                below.extend(decode_ids(&self.read_chunk(Domain::Trunk, id)?)?);
            }
            all.extend_from_slice(&below);
            ids = below;
        }
        Ok(all)
    }

    /// Returns the entries of a snapshot, in order, with the chunks of their content.
    ///
    /// # Errors
    /// The trunk cannot be read.
    pub fn read_items<'a>(&'a self, root: &Root) -> Result<Items<'a>, ReadError> {
        Ok(Items {
            references: self.references(root)?,
            pending: VecDeque::new(),
            is_lost: false,
        })
    }

    /// Finds an entry.
    ///
    /// # Errors
    /// There is none of that path, or the snapshot cannot be read.
    pub fn find_entry(
        &self,
        root: &Root,
        path: &EntryPath,
    ) -> Result<(Item, Vec<ChunkId>), ReadError> {
        for item in self.read_items(root)? {
            let (item, chunks) = item?;
            if item.entry.path == *path {
                return Ok((item, chunks));
            }
        }
        Err(ReadError::NoEntry {
            path: path.to_string(),
        })
    }
}

/// The references of a snapshot, as they come.
pub struct References<'a> {
    reader: &'a Reader,
    pieces: VecDeque<ChunkId>,
    current: VecDeque<Reference>,
}

impl Iterator for References<'_> {
    type Item = Result<Reference, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.current.is_empty() {
            let piece = self.pieces.pop_front()?;
            let read = self.reader.read_chunk(Domain::References, &piece);
            match read.and_then(|bytes| Ok(Reference::decode_all(&bytes)?)) {
                Ok(references) => self.current = references.into(),
                Err(error) => return Some(Err(error)),
            }
        }
        self.current.pop_front().map(Ok)
    }
}

/// The entries of a snapshot, in order, with the chunks of their content.
///
/// After a piece that cannot be read it goes on with the next: the first error is not the end.
pub struct Items<'a> {
    references: References<'a>,
    pending: VecDeque<Item>,
    /// Whether references are passed over until the next piece of the item stream.
    is_lost: bool,
}

impl Items<'_> {
    fn load_piece(&mut self) -> Option<Result<(), ReadError>> {
        while self.pending.is_empty() {
            let id = match self.references.next()? {
                Ok(Reference::Items(id)) => id,
                Ok(Reference::Content(_)) if self.is_lost => continue,
                Ok(Reference::Content(_)) => return Some(Err(self.report_lost(misplaced()))),
                Err(error) => return Some(Err(self.report_lost(error))),
            };
            let read = self.references.reader.read_chunk(Domain::Items, &id);
            match read.and_then(|bytes| Ok(Item::decode_all(&bytes)?)) {
                Ok(items) => self.pending = items.into(),
                Err(error) => return Some(Err(self.report_lost(error))),
            }
            self.is_lost = false;
        }
        Some(Ok(()))
    }

    /// Gives up this piece of the item stream.
    fn report_lost(&mut self, error: ReadError) -> ReadError {
        self.pending.clear();
        self.is_lost = true;
        error
    }

    fn chunks(&mut self, count: u64) -> Result<Vec<ChunkId>, ReadError> {
        let mut chunks = Vec::new();
        for _ in 0..count {
            match self.references.next() {
                Some(Ok(Reference::Content(id))) => chunks.push(id),
                Some(Err(error)) => return Err(self.report_lost(error)),
                Some(Ok(Reference::Items(_))) | None => return Err(self.report_lost(misplaced())),
            }
        }
        Ok(chunks)
    }
}

fn misplaced() -> ReadError {
    crate::format::FormatError::invalid(
        "reference stream",
        "entries and chunks do not fit together",
    )
    .into()
}

impl Iterator for Items<'_> {
    type Item = Result<(Item, Vec<ChunkId>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.load_piece()? {
            return Some(Err(error));
        }
        let item = self.pending.pop_front()?;
        match self.chunks(item.chunks) {
            Ok(chunks) => Some(Ok((item, chunks))),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Names the entries of a piece of the item stream that cannot be read.
pub(crate) fn unread_after(last: Option<&str>) -> String {
    last.map_or_else(
        || "the first entries".to_owned(),
        |last| format!("entries after `{last}`"),
    )
}

/// The content of one entry as a stream. Holes of a sparse file read as zeros.
pub struct ContentReader {
    reader: Arc<Reader>,
    chunks: VecDeque<ChunkId>,
    current: Vec<u8>,
    at: usize,
}

impl ContentReader {
    /// Starts at the first chunk.
    #[must_use]
    pub fn new(reader: Arc<Reader>, chunks: Vec<ChunkId>) -> Self {
        Self {
            reader,
            chunks: chunks.into(),
            current: Vec::new(),
            at: 0,
        }
    }
}

impl io::Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() {
            let Some(id) = self.chunks.pop_front() else {
                return Ok(0);
            };
            self.current = self
                .reader
                .read_chunk(Domain::Content, &id)
                .map_err(io::Error::other)?;
            self.at = 0;
        }
        let rest = &self.current[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
