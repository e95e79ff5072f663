//! Writes chunks that the repository holds, or should hold, into new packs.
//!
//! For whatever moves chunks without making a snapshot of its own: repacking, sealing anew, healing, copying.
//! What goes in was checked by whoever read it; what was stored is read back like a run's packs, and
//! listed only then. The old copies stay: collection removes what nobody needs.

use crate::format::segment::PackKind;
use crate::ground::domain::Domain;
use crate::objects::error::{ObjectError, Stage};
use crate::pipeline::compress::{Compressor, FRAME_TARGET, FrameBytes};
use crate::pipeline::put::{Catalogue, Put};
use crate::repository::Repository;
use crate::write::lease::Lease;
use crate::write::read_back::{ReadBack, prove_encryptor};
use crate::write::setup::packer;
use crossbeam_channel::Sender;
use holdfast_base::id::{ChunkId, PackId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The level at which chunks are compressed again if they cannot be taken as they are.
const LEVEL: i32 = 3;

/// Writes chunks into new packs.
pub(crate) struct Rewriter<'a> {
    repository: &'a Arc<Repository>,
    /// Held for as long as the new packs are needed by nothing but this.
    _lease: &'a Lease,
    catalogue: Arc<Catalogue>,
    put: Option<Put>,
    ways: BTreeMap<PackKind, Way>,
    threads: Vec<JoinHandle<Result<(), ObjectError>>>,
}

/// The way of one kind of frames.
struct Way {
    compressor: Compressor,
    packer: Sender<FrameBytes>,
}

impl<'a> Rewriter<'a> {
    /// Begins with nothing written.
    ///
    /// # Errors
    /// The encryptor does not prove itself.
    pub(crate) fn begin_rewrite(
        repository: &'a Arc<Repository>,
        lease: &'a Lease,
    ) -> Result<Self, ObjectError> {
        let setup = &repository.setup;
        prove_encryptor(setup.sealer.as_ref())?;
        let catalogue = Arc::new(Catalogue::without_dedup(setup, &repository.key.catalog));
        let (put, from) = Put::channel();
        let read_back = ReadBack::new(repository, true);
        let storing = Arc::clone(&catalogue);
        let thread =
            std::thread::spawn(move || storing.run(&from, &|pack| read_back.check_stored(pack)));
        Ok(Self {
            repository,
            _lease: lease,
            catalogue,
            put: Some(put),
            ways: BTreeMap::new(),
            threads: vec![thread],
        })
    }

    /// Adds a frame as it is.
    ///
    /// # Errors
    /// The key cannot write this kind, or storing has failed.
    pub(crate) fn take_frame(
        &mut self,
        kind: PackKind,
        frame: FrameBytes,
    ) -> Result<(), ObjectError> {
        let sent = self.packer_for(kind)?.packer.send(frame);
        sent.map_err(|_| self.failure())
    }

    /// Adds a chunk, which is gathered with others into a frame.
    ///
    /// # Errors
    /// The key cannot write this kind, or storing has failed.
    pub(crate) fn take_chunk(
        &mut self,
        kind: PackKind,
        id: ChunkId,
        bytes: &[u8],
    ) -> Result<(), ObjectError> {
        match self.packer_for(kind)?.compressor.push(id, bytes)? {
            Some(frame) => self.take_frame(kind, frame),
            None => Ok(()),
        }
    }

    /// Makes everything durable and lists it; returns the new packs with their lengths.
    ///
    /// # Errors
    /// Storing failed. What was listed before stays; nothing depends on it.
    pub(crate) fn finish(mut self) -> Result<Vec<(PackId, u64)>, ObjectError> {
        let mut rest = Vec::new();
        for (kind, way) in &mut self.ways {
            let frames = way.compressor.flush()?;
            rest.extend(frames.into_iter().map(|frame| (*kind, frame)));
        }
        for (kind, frame) in rest {
            self.take_frame(kind, frame)?;
        }
        self.join_threads()?;
        self.catalogue.flush()?;
        Ok(self.catalogue.packs())
    }

    fn packer_for(&mut self, kind: PackKind) -> Result<&mut Way, ObjectError> {
        if !self.ways.contains_key(&kind) {
            let way = self.start_packer(kind)?;
            self.ways.insert(kind, way);
        }
        let closed = || ObjectError::StageEnded(Stage::Packing);
        self.ways.get_mut(&kind).ok_or_else(closed)
    }

    fn start_packer(&mut self, kind: PackKind) -> Result<Way, ObjectError> {
        let closed = || ObjectError::StageEnded(Stage::Storing);
        let put = self.put.as_ref().ok_or_else(closed)?;
        let packer = packer(self.repository, kind, 0, put)?;
        let domain = match kind {
            PackKind::Content => Some(Domain::Content),
            PackKind::Items => Some(Domain::Items),
            // The catalog's frames hold chunks of two domains; the stored pack is read back all the same.
            PackKind::Catalog => None,
        };
        let check = self.repository.id_key.clone().zip(domain);
        let (to, from) = crossbeam_channel::bounded(2);
        self.threads
            .push(std::thread::spawn(move || match from.recv() {
                Ok(first) => packer.run(first, &from),
                Err(_) => Ok(()),
            }));
        Ok(Way {
            compressor: Compressor::new(LEVEL, FRAME_TARGET, check)?,
            packer: to,
        })
    }

    /// Closes every queue in the order of the data and waits for all threads.
    fn join_threads(&mut self) -> Result<(), ObjectError> {
        self.ways.clear();
        self.put = None;
        let mut ended = Ok(());
        for thread in self.threads.drain(..) {
            let result = thread
                .join()
                .unwrap_or(Err(ObjectError::StageEnded(Stage::Rewriting)));
            // That a queue was closed is the consequence, never the cause.
            if ended.is_ok() || matches!(ended, Err(ObjectError::StageEnded(_))) {
                ended = result.and(ended);
            }
        }
        ended
    }

    fn failure(&mut self) -> ObjectError {
        let ended = || ObjectError::StageEnded(Stage::Packing);
        self.join_threads().err().unwrap_or_else(ended)
    }
}

impl Drop for Rewriter<'_> {
    fn drop(&mut self) {
        let _ = self.join_threads();
    }
}
