//! Gathers the chunks of one content again, which workers name in any order.

use crate::objects::error::{ObjectError, Stage};
use crate::write::error::WriteError;
use crate::write::sequence::{ClosedEntry, Done, Finished};
use crossbeam_channel::Sender;
use holdfast_base::id::ChunkId;
use holdfast_base::sync::Unpoisoned;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Chunks of one content on their way to a worker.
pub(crate) struct ChunkGroup {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    group: usize,
    gather: Arc<Gather>,
}

impl ChunkGroup {
    /// Returns the chunks in order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        self.lengths.iter().map(move |length| {
            let (chunk, later) = rest.split_at(*length);
            rest = later;
            chunk
        })
    }

    /// Gives the ids of all chunks back.
    pub(super) fn complete(self, ids: Vec<ChunkId>) -> Result<(), WriteError> {
        self.gather.complete(self.group, ids)
    }
}

/// Collects the chunks of one content in order.
pub(super) struct Gather {
    ticket: u64,
    done: Sender<Finished>,
    state: Mutex<GatherState>,
}

#[derive(Default)]
struct GatherState {
    /// The chunks of all groups up to the first that is outstanding.
    chunks: Vec<ChunkId>,
    /// How many groups are in `chunks`.
    gathered: usize,
    /// The groups after them: they come back in any order.
    groups: VecDeque<Option<Vec<ChunkId>>>,
    /// The entry, once its content has ended.
    closed: Option<ClosedEntry>,
}

impl Gather {
    pub(super) fn new(ticket: u64, done: Sender<Finished>) -> Arc<Self> {
        Arc::new(Self {
            ticket,
            done,
            state: Mutex::default(),
        })
    }

    /// Makes a group of chunks, which comes back when a worker has named them.
    pub(super) fn add_group(self: &Arc<Self>, bytes: Vec<u8>, lengths: Vec<usize>) -> ChunkGroup {
        let mut state = self.state.lock_unpoisoned();
        state.groups.push_back(None);
        ChunkGroup {
            bytes,
            lengths,
            group: state.gathered + state.groups.len() - 1,
            gather: Arc::clone(self),
        }
    }

    fn complete(&self, group: usize, ids: Vec<ChunkId>) -> Result<(), WriteError> {
        let mut state = self.state.lock_unpoisoned();
        let place = group - state.gathered;
        state.groups[place] = Some(ids);
        while let Some(Some(ids)) = state.groups.front_mut().map(Option::take) {
            state.chunks.extend(ids);
            state.groups.pop_front();
            state.gathered += 1;
        }
        self.hand_over(&mut state)
    }

    /// Completes the entry, whose last group was added.
    pub(super) fn close_entry(&self, entry: ClosedEntry) -> Result<(), WriteError> {
        let mut state = self.state.lock_unpoisoned();
        state.closed = Some(entry);
        self.hand_over(&mut state)
    }

    /// Lets the turn of the entry pass without it, or all that come later would wait for it.
    pub(super) fn give_up(&self) -> Result<(), WriteError> {
        self.send_entries(Vec::new())
    }

    /// Hands the entry over when its last chunk is done: whoever comes last does it.
    fn hand_over(&self, state: &mut GatherState) -> Result<(), WriteError> {
        if !state.groups.is_empty() {
            return Ok(());
        }
        let Some(closed) = state.closed.take() else {
            return Ok(());
        };
        let chunks = std::mem::take(&mut state.chunks);
        self.send_entries(vec![closed.with_chunks(chunks)])
    }

    fn send_entries(&self, entries: Vec<Done>) -> Result<(), WriteError> {
        let closed = |_| ObjectError::StageEnded(Stage::Sequencing);
        let ticket = self.ticket;
        let finished = Finished { ticket, entries };
        Ok(self.done.send(finished).map_err(closed)?)
    }
}
