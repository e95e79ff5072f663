//! Putting: makes sealed packs durable, then lists them.
//!
//! A pack is noted in the journal, then the store gets it for good, then it is listed; a segment names
//! only packs that are listed; a snapshot is committed only after its segments. This order is the whole of crash safety.

use crate::format::pack::Frame;
use crate::format::segment::{self, IndexedPack, PackKind};
use crate::ground::names::{pack_name, segment_name};
use crate::ground::seal::{Identity, KeyPair, Recipient, open_bytes, seal_bytes};
use crate::ground::setup::Setup;
use crate::index::Index;
use crate::index::journal::Journal;
use crate::objects::error::{IoStep, ObjectError, Stage};
use crate::pipeline::dedup::Dedup;
use crossbeam_channel::{Receiver, Sender};
use holdfast_base::id::{PackId, SegmentId};
use holdfast_base::sync::Unpoisoned;
use holdfast_store::{Attempts, Name, Upload};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Chunks after which a segment is written in the middle of a run, so that memory stays bounded.
const SEGMENT_CHUNKS: usize = 150_000;

/// A sealed pack that is not durable yet.
pub(crate) struct Finished {
    /// What was written.
    pub upload: Box<dyn Upload>,
    /// The hash of it, which becomes its name.
    pub hash: blake3::Hash,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it holds.
    pub kind: PackKind,
    /// The epoch that it is sealed to.
    pub epoch: u32,
    /// Its frames with their chunks.
    pub frames: Vec<Frame>,
}

/// Hands finished packs to whoever makes them durable.
#[derive(Clone)]
pub(crate) struct Put(Sender<Finished>);

impl Put {
    /// Makes the two ends; at most two packs wait between them.
    #[must_use]
    pub(crate) fn channel() -> (Self, Receiver<Finished>) {
        let (to, from) = crossbeam_channel::bounded(2);
        (Self(to), from)
    }

    /// Hands a pack over; waits while others are in the way.
    ///
    /// # Errors
    /// The run has failed.
    pub(crate) fn send(&self, pack: Finished) -> Result<(), ObjectError> {
        self.0
            .send(pack)
            .map_err(|_| ObjectError::StageEnded(Stage::Storing))
    }
}

/// Lists durable packs and writes them into segments.
pub(crate) struct Catalogue {
    setup: Setup,
    catalog: KeyPair,
    dedup: Arc<Dedup>,
    pending: Mutex<Pending>,
    stored: AtomicU64,
}

#[derive(Default)]
struct Pending {
    packs: Vec<IndexedPack>,
    chunks: usize,
    journal: Option<Journal>,
    /// Everything that was ever listed here, with its length.
    listed: Vec<(PackId, u64)>,
}

impl Catalogue {
    /// Starts with nothing listed.
    #[must_use]
    pub(crate) fn new(
        setup: &Setup,
        catalog: &KeyPair,
        dedup: Arc<Dedup>,
        journal: Option<Journal>,
    ) -> Self {
        let pending = Mutex::new(Pending {
            journal,
            ..Pending::default()
        });
        Self {
            setup: setup.clone(),
            catalog: catalog.clone(),
            dedup,
            pending,
            stored: AtomicU64::new(0),
        }
    }

    /// Starts with nothing listed, for packs that are listed as they are: nothing is deduplicated.
    #[must_use]
    pub(crate) fn without_dedup(setup: &Setup, catalog: &KeyPair) -> Self {
        let dedup = Dedup::new(Arc::new(Index::default()));
        Self::new(setup, catalog, Arc::new(dedup), None)
    }

    /// Returns the bytes that were added to the store so far.
    #[must_use]
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Returns the packs that were listed, with their lengths.
    #[must_use]
    pub(crate) fn packs(&self) -> Vec<(PackId, u64)> {
        let pending = self.pending.lock_unpoisoned();
        pending.listed.clone()
    }

    /// Makes packs durable until no more come, and lists those that `read_back` finds to be as they should.
    ///
    /// # Errors
    /// The store failed, or a pack did not come back as it was.
    pub(crate) fn run(
        &self,
        packs: &Receiver<Finished>,
        read_back: &dyn Fn(&Arc<IndexedPack>) -> Result<(), ObjectError>,
    ) -> Result<(), ObjectError> {
        while let Ok(finished) = packs.recv() {
            let pack = Arc::new(IndexedPack {
                id: PackId(*finished.hash.as_bytes()),
                kind: finished.kind,
                epoch: finished.epoch,
                sealed_bytes: finished.bytes,
                frames: finished.frames,
            });
            self.note(&pack);
            finished.upload.commit(&pack_name(&pack.id))?;
            self.stored.fetch_add(pack.sealed_bytes, Ordering::Relaxed);
            if let Err(error) = read_back(&pack) {
                self.strike(Arc::unwrap_or_clone(pack));
                return Err(error);
            }
            self.list(Arc::unwrap_or_clone(pack))?;
        }
        Ok(())
    }

    /// Notes a pack in the journal before it is durable, so that no kill comes between the two.
    /// Whoever takes the journal over asks the store which of them it has.
    pub(crate) fn note(&self, pack: &IndexedPack) {
        let mut pending = self.pending.lock_unpoisoned();
        if let Some(journal) = &mut pending.journal
            && let Err(error) = journal.note(pack)
        {
            // Without the journal a kill costs work, never data.
            tracing::warn!(%error, "the run cannot note its progress in the cache");
            pending.journal = None;
        }
    }

    /// Takes a pack out of the journal, so that no later run takes it over.
    fn strike(&self, pack: IndexedPack) {
        let mut pending = self.pending.lock_unpoisoned();
        if let Some(journal) = &mut pending.journal
            && journal.strike(pack).is_err()
            && let Some(journal) = pending.journal.take()
        {
            journal.remove();
        }
    }

    /// Lists a durable pack.
    ///
    /// # Errors
    /// A segment was due and could not be written.
    pub(crate) fn list(&self, pack: IndexedPack) -> Result<(), ObjectError> {
        let mut pending = self.pending.lock_unpoisoned();
        pending.chunks += pack
            .frames
            .iter()
            .map(|frame| frame.parts.len())
            .sum::<usize>();
        pending.listed.push((pack.id, pack.sealed_bytes));
        pending.packs.push(pack);
        if pending.chunks >= SEGMENT_CHUNKS {
            self.write_segment(&mut pending)
        } else {
            Ok(())
        }
    }

    /// Writes what is listed and not yet in a segment.
    ///
    /// # Errors
    /// The segment could not be written.
    pub(crate) fn flush(&self) -> Result<(), ObjectError> {
        let mut pending = self.pending.lock_unpoisoned();
        self.write_segment(&mut pending)
    }

    /// Ends the journal: every pack in it is in a segment.
    pub(crate) fn close_journal(&self) {
        let journal = self.pending.lock_unpoisoned().journal.take();
        if let Some(journal) = journal {
            journal.remove();
        }
    }

    fn write_segment(&self, pending: &mut Pending) -> Result<(), ObjectError> {
        if pending.packs.is_empty() {
            return Ok(());
        }
        let packs = std::mem::take(&mut pending.packs);
        pending.chunks = 0;
        let plain = zstd::bulk::compress(&segment::encode(&packs), 3)
            .map_err(IoStep::CompressSegment.failed())?;
        let recipients = [Recipient::PublicKey(self.catalog.public_key.clone())];
        let sealed = seal_bytes(self.setup.sealer.as_ref(), &recipients, plain.clone())?;
        let id = SegmentId(*blake3::hash(&sealed).as_bytes());
        let name = segment_name(&id);
        self.setup
            .store
            .create(&name, &sealed, Attempts::Repeated)?;
        self.read_segment_back(&name, &plain)
            .map_err(|error| match error {
                overtaken @ ObjectError::Overtaken { .. } => overtaken,
                error => error.read_back_failed(&name),
            })?;
        self.stored
            .fetch_add(sealed.len() as u64, Ordering::Relaxed);
        self.dedup
            .indexed(&packs, id, self.setup.cache.as_deref())
            .map_err(IoStep::SortIndex.failed())
    }

    /// Opens a segment again as the store has it: a chunk that it forgot would be lost.
    fn read_segment_back(&self, name: &Name, plain: &[u8]) -> Result<(), ObjectError> {
        let identity = [Identity::Key(self.catalog.identity.clone())];
        let stored = match self.setup.store.get(name) {
            // Collection has ended the session, and written the index anew.
            Err(error) if error.is_absent() => {
                return Err(ObjectError::Overtaken { pack: None });
            }
            other => other?,
        };
        if open_bytes(self.setup.sealer.as_ref(), &identity, stored)? == plain {
            return Ok(());
        }
        Err(ObjectError::ContentMismatch)
    }
}
