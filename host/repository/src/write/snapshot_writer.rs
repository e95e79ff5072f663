//! The run itself: its threads, and the way in for entries.

use crate::format::header::Purpose;
use crate::format::segment::PackKind;
use crate::objects::error::{ObjectError, Stage};
use crate::pipeline::compress::FrameBytes;
use crate::pipeline::dedup::Dedup;
use crate::pipeline::put::{Catalogue, Put};
use crate::pipeline::split::Cutter;
use crate::repository::Repository;
use crate::write::error::WriteError;
use crate::write::file_cache::{KnownReader, KnownWriter};
use crate::write::lease::Lease;
use crate::write::names::TakenNames;
use crate::write::note::{Gauge, RunNote};
use crate::write::queues::{Job, Pending, Queues};
use crate::write::read_back::{self, ReadBack};
use crate::write::sequence::{Sequenced, Sequencer};
use crate::write::shared::Shared;
use crate::write::worker::Worker;
use crate::write::{groups, setup};
use crossbeam_channel::{Receiver, Sender};
use holdfast_base::added_tree::{AddedTree, LeftToAdd};
use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{Entry, EntryKind, FileContent, Warning};
use holdfast_base::limits::FACTS_BYTES_MAX;
use holdfast_base::sync::Unpoisoned;
use holdfast_base::time::Instant;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Files up to this size are read by workers, many at once; larger ones are cut by the caller's
/// thread, and their chunks go to all workers.
const SMALL_FILE_MAX: u64 = 4 << 20;
/// A batch of small files is handed over when it holds this much …
const BATCH_BYTES: u64 = 2 << 20;
/// … or this many entries.
const BATCH_ENTRIES: usize = 256;

/// A run that makes one snapshot.
pub struct SnapshotWriter {
    pub(super) repository: Arc<Repository>,
    pub(super) note: RunNote,
    pub(super) lease: Lease,
    pub(super) started: Instant,
    pub(super) shared: Arc<Shared>,
    /// Gone when no more entries come.
    queues: Option<Queues>,
    pub(super) state: Mutex<State>,
    pub(super) names: Mutex<TakenNames>,
    sequencer: Option<JoinHandle<Option<Sequenced>>>,
    threads: Vec<JoinHandle<()>>,
    pub(super) catalogue: Arc<Catalogue>,
}

pub(super) struct State {
    next_ticket: u64,
    batch: Vec<Pending>,
    batch_bytes: u64,
    known: KnownReader,
    pub(super) facts: Vec<(String, String)>,
    facts_bytes: usize,
}

impl State {
    fn take_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket - 1
    }
}

impl SnapshotWriter {
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
        repository.header.ensure_features_known(Purpose::Write)?;
        let id_key = repository.id_key()?.clone();
        let splitter = repository.header.splitter("content")?;
        let started = repository.setup.clock.now();
        let lease = Lease::begin_session(repository, &note.purpose(), &note.host)?;
        let index = repository.index_for_writing(&lease.avoided);
        let dedup = index.inspect_err(|_| lease.give_up(repository))?;
        let dedup = Arc::new(Dedup::new(Arc::new(dedup)));
        let read_back = ReadBack::new(repository, note.prove);
        let catalogue = setup::open_catalogue(repository, &dedup, &lease, &read_back)
            .inspect_err(|_| lease.give_up(repository))?;
        let shared = Arc::new(Shared {
            dedup,
            id_key,
            cutter: Cutter::new(&keys.split_secret()?, splitter),
            cancel: cancel.clone(),
            gauge,
            is_copy: note.of.is_some(),
            device_failures: AtomicU64::default(),
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
            facts: Vec::new(),
            facts_bytes: 0,
        };
        let mut writer = Self {
            repository: Arc::clone(repository),
            note,
            lease,
            started,
            shared,
            queues: None,
            state: Mutex::new(state),
            names: Mutex::default(),
            sequencer: None,
            threads: Vec::new(),
            catalogue: Arc::new(catalogue),
        };
        if let Some(warning) = repository.warn_operators() {
            writer.add_warning(warning);
        }
        writer.start_threads(
            known_path.and_then(|path| KnownWriter::start_list(&path, started).ok()),
        )?;
        Ok(writer)
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
            let read_back = ReadBack::new(&self.repository, self.note.prove);
            self.spawn_thread("put", move |_| {
                Ok(catalogue.run(&from, &|pack| read_back.check_stored(pack))?)
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
            let worker = Worker::new(
                Arc::clone(&self.shared),
                contents.clone(),
                done.clone(),
                &self.note,
            )?;
            let from = jobs_from.clone();
            self.spawn_thread("worker", move |_| worker.run(&from));
        }
        let shared = Arc::clone(&self.shared);
        self.queues = Some(Queues { shared, jobs, done });
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
                read_back::prove_encryptor(packer.sealer.as_ref())?;
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
        self.shared.ensure_running()?;
        ensure_within_limits(&entry)?;
        self.shared.gauge.entries.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock_unpoisoned();
        let identity = content.as_ref().and_then(|content| content.identity());
        let known = identity
            .and_then(|identity| state.known.find_unchanged(entry.path.as_bytes(), &identity));
        let size = if known.is_none() { bytes } else { 0 };
        if size > SMALL_FILE_MAX
            && let Some(content) = content
        {
            self.hand_over_batch(&mut state)?;
            let ticket = state.take_ticket();
            drop(state);
            return groups::store_large(self.queues()?, ticket, entry, content);
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

    /// Takes the next place among the entries.
    pub(super) fn take_ticket(&self) -> Result<u64, WriteError> {
        let mut state = self.state.lock_unpoisoned();
        self.hand_over_batch(&mut state)?;
        Ok(state.take_ticket())
    }

    /// Returns the ways to the other threads.
    pub(super) fn queues(&self) -> Result<&Queues, WriteError> {
        let ended = || ObjectError::StageEnded(Stage::Working);
        Ok(self.queues.as_ref().ok_or_else(ended)?)
    }

    /// Sends the entries that were gathered to the workers.
    pub(super) fn hand_over_batch(&self, state: &mut State) -> Result<(), WriteError> {
        if state.batch.is_empty() {
            return Ok(());
        }
        let entries = std::mem::take(&mut state.batch);
        state.batch_bytes = 0;
        let ticket = state.take_ticket();
        self.queues()?.send_job(Job::Batch { ticket, entries })
    }

    /// Names something that was left out.
    pub fn add_warning(&self, warning: Warning) {
        self.shared.add_warning(warning);
    }

    /// Takes the names of a tree whose entries are added next, and returns what is left to add of it.
    ///
    /// # Errors
    /// Some of them are taken.
    pub fn take_tree(&self, tree: AddedTree) -> Result<LeftToAdd, WriteError> {
        let path = tree.to_string();
        let taken = self.names.lock_unpoisoned().take_tree(tree);
        taken.map_err(|held| WriteError::NameTaken { path, held })
    }

    /// Leaves something out that the system refused to give, and names it.
    ///
    /// # Errors
    /// The system is short of something, and would refuse whatever comes next: the run has failed.
    pub fn leave_out(&self, warning: Warning, answer: io::Error) -> Result<(), WriteError> {
        let left_out = self.shared.leave_out(warning, answer);
        left_out.or_else(|error| {
            self.shared.fail_run(error);
            self.shared.ensure_running()
        })
    }

    /// Counts what the options of a walk left out, and what nobody misses.
    pub fn count_left_out(&self, excluded: u64, noted: u64) {
        let gauge = &self.shared.gauge;
        gauge.excluded.fetch_add(excluded, Ordering::Relaxed);
        gauge.noted.fetch_add(noted, Ordering::Relaxed);
    }

    /// Records a fact.
    ///
    /// # Errors
    /// The facts have grown too large.
    pub fn record_fact(&self, key: String, value: String) -> Result<(), WriteError> {
        let mut state = self.state.lock_unpoisoned();
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
            let mut state = self.state.lock_unpoisoned();
            self.hand_over_batch(&mut state)?;
            state.next_ticket
        };
        self.shared.turn.wait_for(ticket);
        self.shared.ensure_running()?;
        let gauge = &self.shared.gauge;
        let warnings = self.shared.warnings.lock_unpoisoned().count;
        Ok((
            gauge.entries.load(Ordering::Relaxed),
            gauge.bytes.load(Ordering::Relaxed),
            warnings,
        ))
    }

    /// Closes every queue in the order of the data and waits for all threads.
    pub(super) fn join_threads(&mut self) -> Option<Sequenced> {
        self.queues = None;
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

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        self.shared.turn.abandon();
        self.join_threads();
    }
}

/// Refuses an entry whose path or attributes are larger than any reader must accept.
pub(super) fn ensure_within_limits(entry: &Entry) -> Result<(), WriteError> {
    if entry.is_within_limits() {
        return Ok(());
    }
    Err(WriteError::EntryTooLarge {
        path: entry.path.to_string(),
    })
}
