//! Streams and large files: cut on the caller's thread, named and compressed by all workers.

use crate::format::item::Item;
use crate::objects::error::{ObjectError, Stage};
use crate::write::WriteError;
use crate::write::found::{changed_under_reader, leave_out, opened};
use crate::write::sequence::{Done, Finished};
use crate::write::{Job, Session, lock};
use crossbeam_channel::Sender;
use holdfast_base::entry::{Entry, FileContent, Identity};
use holdfast_base::id::ChunkId;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

/// Bytes that are gathered before their chunks are handed to a worker.
const GROUP_BYTES: usize = 4 << 20;

/// Chunks of one stream on their way to a worker.
pub(crate) struct CutChunks {
    pub(super) bytes: Vec<u8>,
    pub(super) lengths: Vec<usize>,
    group: usize,
    slot: Arc<Slot>,
}

impl CutChunks {
    pub(super) fn complete(self, ids: Vec<ChunkId>) -> Result<(), WriteError> {
        self.slot.complete(self.group, ids)
    }
}

/// Where the chunks of one stream come together again.
struct Slot {
    ticket: u64,
    done: Sender<Finished>,
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    /// The chunks of all groups up to the first that is outstanding.
    chunks: Vec<ChunkId>,
    /// How many groups are in `chunks`.
    gathered: usize,
    /// The groups after them: they come back in any order.
    groups: VecDeque<Option<Vec<ChunkId>>>,
    closed: Option<(Entry, u64, Option<Identity>)>,
}

impl Slot {
    fn complete(&self, group: usize, ids: Vec<ChunkId>) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        let place = group - state.gathered;
        state.groups[place] = Some(ids);
        while let Some(Some(ids)) = state.groups.front_mut().map(Option::take) {
            state.chunks.extend(ids);
            state.groups.pop_front();
            state.gathered += 1;
        }
        self.hand_over(&mut state)
    }

    fn close_entry(
        &self,
        entry: Entry,
        content_bytes: u64,
        identity: Option<Identity>,
    ) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        state.closed = Some((entry, content_bytes, identity));
        self.hand_over(&mut state)
    }

    /// Hands the entry over when its last chunk is done: whoever comes last does it.
    fn hand_over(&self, state: &mut SlotState) -> Result<(), WriteError> {
        if !state.groups.is_empty() {
            return Ok(());
        }
        let Some((entry, content_bytes, identity)) = state.closed.take() else {
            return Ok(());
        };
        let chunks = std::mem::take(&mut state.chunks);
        let item = Item {
            entry,
            content_bytes,
            chunks: chunks.len() as u64,
        };
        self.send(vec![Done {
            item,
            chunks,
            identity,
        }])
    }

    fn send(&self, entries: Vec<Done>) -> Result<(), WriteError> {
        let closed = |_| ObjectError::StageEnded(Stage::Sequencing);
        Ok(self
            .done
            .send(Finished {
                ticket: self.ticket,
                entries,
            })
            .map_err(closed)?)
    }
}

/// Cuts one stream.
struct Cutting {
    slot: Arc<Slot>,
    buffer: Vec<u8>,
    /// Bytes at the beginning of the buffer that are cut.
    cut: usize,
    lengths: Vec<usize>,
    content_bytes: u64,
}

impl Cutting {
    fn start(session: &Session, ticket: u64) -> Result<Self, WriteError> {
        let ended = || ObjectError::StageEnded(Stage::Sequencing);
        let done = session.done_sender().ok_or_else(ended)?;
        let slot = Arc::new(Slot {
            ticket,
            done,
            state: Mutex::default(),
        });
        let buffer = Vec::with_capacity(GROUP_BYTES);
        Ok(Self {
            slot,
            buffer,
            cut: 0,
            lengths: Vec::new(),
            content_bytes: 0,
        })
    }

    /// Cuts what came in, and hands a group over when it is large enough.
    fn cut(&mut self, session: &Session, is_end: bool) -> Result<(), WriteError> {
        let cutter = &session.shared().cutter;
        while self.cut < self.buffer.len() {
            let rest = &self.buffer[self.cut..];
            match cutter.cut(rest).or_else(|| is_end.then_some(rest.len())) {
                Some(length) => {
                    self.cut += length;
                    self.lengths.push(length);
                }
                None => break,
            }
        }
        let is_full = self.buffer.len() >= GROUP_BYTES - cutter.max();
        if (is_full || is_end) && !self.lengths.is_empty() {
            self.hand_over(session)
        } else {
            Ok(())
        }
    }

    fn hand_over(&mut self, session: &Session) -> Result<(), WriteError> {
        let mut next = Vec::with_capacity(GROUP_BYTES);
        next.extend_from_slice(&self.buffer[self.cut..]);
        let bytes = std::mem::replace(&mut self.buffer, next);
        self.cut = 0;
        let group = {
            let mut state = lock(&self.slot.state);
            state.groups.push_back(None);
            state.gathered + state.groups.len() - 1
        };
        let lengths = std::mem::take(&mut self.lengths);
        session.send(Job::Chunks(CutChunks {
            bytes,
            lengths,
            group,
            slot: Arc::clone(&self.slot),
        }))
    }

    fn push(&mut self, session: &Session, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let room = GROUP_BYTES - self.buffer.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.buffer.extend_from_slice(now);
            self.content_bytes += now.len() as u64;
            bytes = later;
            if self.buffer.len() == GROUP_BYTES {
                self.cut(session, false)?;
            }
        }
        Ok(())
    }

    /// Reads straight into the buffer; returns whether the end was reached.
    fn fill_from(&mut self, from: &mut dyn io::Read) -> io::Result<bool> {
        let start = self.buffer.len();
        let room = (GROUP_BYTES - start) as u64;
        let count = io::Read::read_to_end(&mut io::Read::take(from, room), &mut self.buffer)?;
        self.content_bytes += count as u64;
        Ok((count as u64) < room)
    }
}

/// Takes the bytes of one entry. Dropping it discards them.
pub struct StreamWriter {
    session: Arc<Session>,
    entry: Entry,
    cutting: Option<Cutting>,
    is_finished: bool,
}

impl StreamWriter {
    pub(super) fn new(session: Arc<Session>, entry: Entry) -> Self {
        Self {
            session,
            entry,
            cutting: None,
            is_finished: false,
        }
    }

    fn cutting(&mut self) -> Result<&mut Cutting, WriteError> {
        if self.cutting.is_none() {
            let ticket = self.session.ticket()?;
            self.cutting = Some(Cutting::start(&self.session, ticket)?);
        }
        Ok(self
            .cutting
            .as_mut()
            .ok_or(ObjectError::StageEnded(Stage::Stream))?)
    }

    /// Takes bytes; waits while the workers are busy.
    ///
    /// # Errors
    /// The run has failed.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let session = Arc::clone(&self.session);
        self.cutting()?.push(&session, bytes)
    }

    /// Commits the entry to the draft and returns its length.
    ///
    /// # Errors
    /// The run has failed.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        let session = Arc::clone(&self.session);
        let entry = self.entry.clone();
        session
            .shared()
            .gauge
            .entries
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let cutting = self.cutting()?;
        cutting.cut(&session, true)?;
        let bytes = cutting.content_bytes;
        cutting.slot.close_entry(entry, bytes, None)?;
        self.is_finished = true;
        Ok(bytes)
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        lock(&self.session.state)
            .names
            .remove(self.entry.path.as_bytes());
        // Its turn must pass, or all that come later would wait for it.
        if let Some(cutting) = &self.cutting {
            let ticket = cutting.slot.ticket;
            let _ = self.session.finished(Finished {
                ticket,
                entries: Vec::new(),
            });
        }
    }
}

/// Adds a file that is too large for one worker.
pub(super) fn add_large(
    session: &Session,
    ticket: u64,
    mut entry: Entry,
    content: Box<dyn FileContent>,
) -> Result<(), WriteError> {
    let identity = content.identity();
    let mut cutting = Cutting::start(session, ticket)?;
    let mut file = match content.open() {
        Ok(file) => file,
        Err(error) => {
            leave_out(session.shared(), &entry, error)?;
            return cutting.slot.send(Vec::new());
        }
    };
    opened(session.shared(), &mut entry, file.as_ref());
    loop {
        match cutting.fill_from(file.as_mut()) {
            Ok(is_end) => {
                cutting.cut(session, is_end)?;
                if is_end {
                    break;
                }
            }
            Err(error) => {
                leave_out(session.shared(), &entry, error)?;
                return cutting.slot.send(Vec::new());
            }
        }
    }
    let changed = file.has_changed().unwrap_or(true);
    if changed {
        session.shared().warn(changed_under_reader(&entry));
    }
    cutting
        .slot
        .close_entry(entry, cutting.content_bytes, identity.filter(|_| !changed))
}
