//! A run that makes one snapshot: drives the steps forwards.
//!
//! ```text
//! caller ── batches, cut streams ──> workers ── frames ──> packers ──> put
//!                                       └── finished entries ──> sequencer ── frames ──┘
//! ```
//!
//! - Every queue is bounded, and every buffer in it has a size that is bounded: together they are the
//!   run's byte budget, whatever it backs up.
//! - The first failure ends the run: everybody else finds its queue closed. Nothing is committed.
//! - Only [`Session::commit`] commits, and only with the proof that the source ended well.

mod commit;
mod cut;
mod error;
pub mod file_cache;
mod found;
mod gather;
pub(crate) mod lease;
mod note;
pub(crate) mod process;
pub(crate) mod proof;
mod sequence;
pub(crate) mod setup;
mod stream;
mod worker;

pub use error::WriteError;
pub use note::{Gauge, RunNote, SourceEnd};
pub use stream::StreamWriter;

use crate::format::item::Item;
use crate::format::segment::PackKind;
use crate::objects::error::{ObjectError, Stage};
use crate::pipeline::compress::FrameBytes;
use crate::pipeline::dedup::Dedup;
use crate::pipeline::put::{Catalogue, Put};
use crate::pipeline::split::Cutter;
use crate::repository::Repository;
use crate::write::file_cache::{Known, KnownReader, KnownWriter};
use crate::write::sequence::{Done, Finished, Sequenced, Sequencer, Turn};
use crossbeam_channel::{Receiver, Sender};
use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{Entry, EntryKind, FileContent, Warning};
use holdfast_base::limits::{FACTS_BYTES_MAX, WARNINGS_KEPT_MAX};
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::Instant;
use lease::Lease;
use proof::Proof;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// Files up to this size are read by workers, many at once; larger ones are cut by the caller's
/// thread, and their chunks go to all workers.
const SMALL_FILE_MAX: u64 = 4 << 20;
/// A batch of small files is handed over when it holds this much …
const BATCH_BYTES: u64 = 2 << 20;
/// … or this many entries.
const BATCH_ENTRIES: usize = 256;

/// What all threads of a run share.
pub(crate) struct Shared {
    pub(crate) dedup: Arc<Dedup>,
    pub(crate) id_key: crate::keys::IdKey,
    pub(crate) cutter: Cutter,
    pub(crate) cancel: Cancel,
    pub(crate) gauge: Arc<Gauge>,
    /// Whether everything must be read: what a copy cannot read is damage, and nothing that changed meanwhile.
    pub(crate) is_copy: bool,
    failure: Mutex<Option<WriteError>>,
    turn: Arc<Turn>,
    warnings: Mutex<(u64, Vec<(String, String)>)>,
}

impl Shared {
    pub(crate) fn fail_run(&self, error: WriteError) {
        tracing::debug!(%error, "the run fails");
        let mut failure = lock(&self.failure);
        // That a queue is closed is the consequence, and may be told before its cause.
        let is_consequence = |held: &WriteError| {
            matches!(
                held,
                WriteError::AlreadyFailed { .. } | WriteError::Object(ObjectError::StageEnded(_))
            )
        };
        if failure.as_ref().is_none_or(is_consequence) {
            *failure = Some(error);
        }
        drop(failure);
        self.turn.abandon();
    }

    pub(crate) fn warn(&self, warning: Warning) {
        let mut warnings = lock(&self.warnings);
        warnings.0 += 1;
        if warnings.1.len() < WARNINGS_KEPT_MAX {
            warnings.1.push((warning.subject, warning.message));
        }
    }

    fn check(&self) -> Result<(), WriteError> {
        if self.cancel.is_raised() {
            return Err(ObjectError::Cancelled.into());
        }
        match &*lock(&self.failure) {
            Some(error) => Err(WriteError::AlreadyFailed {
                cause: error.to_string(),
            }),
            None => Ok(()),
        }
    }
}

/// Work for whichever worker is free.
pub(crate) enum Job {
    /// Entries of one ticket, whose small files are to be read.
    Batch { ticket: u64, entries: Vec<Pending> },
    /// Chunks that somebody cut from a stream.
    Chunks(gather::ChunkGroup),
}

/// An entry on its way to a worker.
pub(crate) struct Pending {
    pub(crate) entry: Entry,
    pub(crate) content: Option<Box<dyn FileContent>>,
    pub(crate) known: Option<Known>,
}

/// A run that makes one snapshot.
pub struct Session {
    repository: Arc<Repository>,
    note: RunNote,
    lease: Lease,
    started: Instant,
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    done: Option<Sender<Finished>>,
    state: Mutex<State>,
    sequencer: Option<JoinHandle<Option<Sequenced>>>,
    threads: Vec<JoinHandle<()>>,
    catalogue: Arc<Catalogue>,
}

struct State {
    next_ticket: u64,
    batch: Vec<Pending>,
    batch_bytes: u64,
    known: KnownReader,
    names: HashSet<Vec<u8>>,
    facts: Vec<(String, String)>,
    facts_bytes: usize,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock_unpoisoned()
}

impl Session {
    /// Begins a run.
    ///
    /// # Errors
    /// The key cannot write, the index cannot be read, or the encryptor does not prove itself.
    pub fn begin(
        repository: &Arc<Repository>,
        note: RunNote,
        cancel: &Cancel,
        gauge: Arc<Gauge>,
    ) -> Result<Self, WriteError> {
        let keys = repository.key.writing()?;
        // What could not be signed in the end is not begun.
        repository.writable()?;
        repository
            .header
            .ensure_features_known(crate::format::header::Purpose::Write)?;
        let id_key = repository.id_key()?.clone();
        let splitter = repository.header.splitter("content")?;
        let started = repository.setup.clock.now();
        let lease = Lease::begin_session(repository, &note.purpose(), &note.host)?;
        let index = repository.index_for_writing(&lease.avoided);
        let dedup = index.inspect_err(|_| lease.give_up(repository))?;
        let dedup = Arc::new(Dedup::new(Arc::new(dedup)));
        let proof = Proof::new(repository, note.prove);
        let catalogue = setup::open_catalogue(repository, &dedup, &lease, &proof)
            .inspect_err(|_| lease.give_up(repository))?;
        let shared = Arc::new(Shared {
            dedup,
            id_key,
            cutter: Cutter::new(&keys.split_secret()?, splitter),
            cancel: cancel.clone(),
            gauge,
            is_copy: note.of.is_some(),
            failure: Mutex::default(),
            turn: Arc::default(),
            warnings: Mutex::default(),
        });
        let known_path = setup::known_path(repository, &note);
        let state = State {
            next_ticket: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            known: KnownReader::open_list(known_path.as_deref()),
            names: HashSet::new(),
            facts: Vec::new(),
            facts_bytes: 0,
        };
        let mut session = Self {
            repository: Arc::clone(repository),
            note,
            lease,
            started,
            shared,
            jobs: None,
            done: None,
            state: Mutex::new(state),
            sequencer: None,
            threads: Vec::new(),
            catalogue: Arc::new(catalogue),
        };
        if let Some(warning) = repository.unopenable() {
            session.warn(warning);
        }
        session.start_threads(
            known_path.and_then(|path| KnownWriter::start_list(&path, started).ok()),
        )?;
        Ok(session)
    }

    fn start_threads(&mut self, known: Option<KnownWriter>) -> Result<(), WriteError> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let (jobs, jobs_from) = crossbeam_channel::bounded(2);
        let (done, done_from) = crossbeam_channel::bounded(16);
        let (put, put_from) = Put::channel();
        let contents = [
            self.packer(PackKind::Content, &put)?,
            self.packer(PackKind::Content, &put)?,
        ];
        let items = self.packer(PackKind::Items, &put)?;
        let references = self.packer(PackKind::Catalog, &put)?;
        drop(put);
        for _ in 0..2 {
            let (catalogue, from) = (Arc::clone(&self.catalogue), put_from.clone());
            let proof = Proof::new(&self.repository, self.note.prove);
            self.spawn_thread("put", move |_| {
                Ok(catalogue.run(&from, &|pack| proof.read_pack_back(pack))?)
            });
        }
        let sequencer = Sequencer {
            id_key: self.shared.id_key.clone(),
            dedup: Arc::clone(&self.shared.dedup),
            items,
            references,
            known,
            turn: Arc::clone(&self.shared.turn),
            prove: self.note.prove,
        };
        let shared = Arc::clone(&self.shared);
        self.sequencer = Some(std::thread::spawn(move || {
            sequencer
                .run(&done_from)
                .map_err(|error| shared.fail_run(error))
                .ok()
        }));
        for _ in 0..workers {
            let worker = worker::Worker::new(
                Arc::clone(&self.shared),
                contents.clone(),
                done.clone(),
                &self.note,
            )?;
            let from = jobs_from.clone();
            self.spawn_thread("worker", move |_| worker.run(&from));
        }
        self.jobs = Some(jobs);
        self.done = Some(done);
        Ok(())
    }

    /// Starts a packer and returns the way to it.
    fn packer(&mut self, kind: PackKind, put: &Put) -> Result<Sender<FrameBytes>, WriteError> {
        let packs = self.shared.dedup.packs();
        let packer = setup::packer(&self.repository, kind, packs, put)?;
        let (to, from): (Sender<FrameBytes>, Receiver<FrameBytes>) = crossbeam_channel::bounded(2);
        let prove = self.note.prove;
        self.spawn_thread("packer", move |_| {
            // Proving costs a little, so it waits until there is something to seal.
            let Ok(first) = from.recv() else {
                return Ok(());
            };
            if prove {
                proof::prove_encryptor(packer.sealer.as_ref())?;
            }
            Ok(packer.run(first, &from)?)
        });
        Ok(to)
    }

    fn spawn_thread(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Shared) -> Result<(), WriteError> + Send + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        self.threads.push(std::thread::spawn(move || {
            let _span = tracing::debug_span!("thread", name).entered();
            if let Err(error) = work(&shared) {
                shared.fail_run(error);
            }
        }));
    }

    /// Adds an entry that was found in a tree, with its content if it has any.
    ///
    /// # Errors
    /// The run has failed.
    pub fn add_entry(
        &self,
        entry: Entry,
        content: Option<Box<dyn FileContent>>,
    ) -> Result<(), WriteError> {
        let bytes = match entry.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        };
        self.add_of(entry, content, bytes)
    }

    /// Adds an entry with content of about so many bytes.
    ///
    /// # Errors
    /// The run has failed.
    pub(crate) fn add_of(
        &self,
        entry: Entry,
        content: Option<Box<dyn FileContent>>,
        bytes: u64,
    ) -> Result<(), WriteError> {
        self.shared.check()?;
        if !entry.is_within_limits() {
            return Err(WriteError::EntryTooLarge {
                path: entry.path.to_string(),
            });
        }
        self.shared.gauge.entries.fetch_add(1, Ordering::Relaxed);
        let mut state = lock(&self.state);
        let identity = content.as_ref().and_then(|content| content.identity());
        let known = identity
            .and_then(|identity| state.known.find_unchanged(entry.path.as_bytes(), &identity));
        let size = if known.is_none() { bytes } else { 0 };
        if size > SMALL_FILE_MAX
            && let Some(content) = content
        {
            self.hand_over_batch(&mut state)?;
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            drop(state);
            return stream::add_large(self, ticket, entry, content);
        }
        state.batch.push(Pending {
            entry,
            content,
            known,
        });
        state.batch_bytes += size;
        if state.batch_bytes >= BATCH_BYTES || state.batch.len() >= BATCH_ENTRIES {
            self.hand_over_batch(&mut state)?;
        }
        Ok(())
    }

    /// Starts an entry of bytes.
    ///
    /// # Errors
    /// The name is taken, or the run has failed.
    pub fn stream(
        self: &Arc<Self>,
        path: holdfast_base::entry::EntryPath,
        attributes: Vec<(String, String)>,
    ) -> Result<StreamWriter, WriteError> {
        self.shared.check()?;
        let modified = self.repository.setup.clock.now();
        let entry = Entry {
            path,
            kind: EntryKind::Stream,
            modified,
            ownership: None,
            attributes,
        };
        if !entry.is_within_limits() {
            return Err(WriteError::EntryTooLarge {
                path: entry.path.to_string(),
            });
        }
        if !lock(&self.state)
            .names
            .insert(entry.path.as_bytes().to_vec())
        {
            return Err(WriteError::AddedTwice {
                path: entry.path.to_string(),
            });
        }
        Ok(StreamWriter::new(Arc::clone(self), entry))
    }

    /// Hands an entry over that has its place only now.
    pub(crate) fn ticket(&self) -> Result<u64, WriteError> {
        let mut state = lock(&self.state);
        self.hand_over_batch(&mut state)?;
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        Ok(ticket)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn send(&self, job: Job) -> Result<(), WriteError> {
        self.shared.check()?;
        let failed = || ObjectError::StageEnded(Stage::Working);
        Ok(self
            .jobs
            .as_ref()
            .ok_or_else(failed)?
            .send(job)
            .map_err(|_| failed())?)
    }

    pub(crate) fn finished(&self, finished: Finished) -> Result<(), WriteError> {
        let failed = || ObjectError::StageEnded(Stage::Sequencing);
        Ok(self
            .done
            .as_ref()
            .ok_or_else(failed)?
            .send(finished)
            .map_err(|_| failed())?)
    }

    pub(crate) fn done_sender(&self) -> Option<Sender<Finished>> {
        self.done.clone()
    }

    fn hand_over_batch(&self, state: &mut State) -> Result<(), WriteError> {
        if state.batch.is_empty() {
            return Ok(());
        }
        let entries = std::mem::take(&mut state.batch);
        state.batch_bytes = 0;
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        self.send(Job::Batch { ticket, entries })
    }

    /// Names something that was left out.
    pub fn warn(&self, warning: Warning) {
        self.shared.warn(warning);
    }

    /// Records a fact.
    ///
    /// # Errors
    /// The facts have grown too large.
    pub fn record_fact(&self, key: String, value: String) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        state.facts_bytes += key.len() + value.len();
        if state.facts_bytes > FACTS_BYTES_MAX {
            return Err(WriteError::FactsTooLarge);
        }
        state.facts.retain(|(held, _)| *held != key);
        state.facts.push((key, value));
        Ok(())
    }

    /// Waits until all that was added is stored or known; returns entries, bytes and warnings so far.
    ///
    /// # Errors
    /// The run has failed.
    pub fn settle(&self) -> Result<(u64, u64, u64), WriteError> {
        let ticket = {
            let mut state = lock(&self.state);
            self.hand_over_batch(&mut state)?;
            state.next_ticket
        };
        self.shared.turn.wait_for(ticket);
        self.shared.check()?;
        let gauge = &self.shared.gauge;
        let warnings = lock(&self.shared.warnings).0;
        Ok((
            gauge.entries.load(Ordering::Relaxed),
            gauge.bytes.load(Ordering::Relaxed),
            warnings,
        ))
    }

    /// Closes every queue in the order of the data and waits for all threads.
    fn join_threads(&mut self) -> Option<Sequenced> {
        self.jobs = None;
        self.done = None;
        let sequenced = self
            .sequencer
            .take()
            .and_then(|thread| thread.join().ok())
            .flatten();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared
                    .fail_run(ObjectError::StageEnded(Stage::Pipeline).into());
            }
        }
        sequenced
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.turn.abandon();
        self.join_threads();
    }
}

/// Makes the entry that the sequencer gets from one that needs no content.
pub(crate) fn without_content(entry: Entry) -> Done {
    Done {
        item: Item {
            entry,
            content_bytes: 0,
            chunks: 0,
        },
        chunks: Vec::new(),
        identity: None,
    }
}
