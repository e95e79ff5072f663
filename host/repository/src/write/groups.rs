//! Groups of chunks: content that is cut on the caller's thread, and named and compressed by all workers.

use crate::write::cut::CutBuffer;
use crate::write::error::WriteError;
use crate::write::found::{UnknownChange, read_file};
use crate::write::gather::{ClosedEntry, Gather};
use crate::write::queues::{Job, Queues};
use holdfast_base::entry::{Entry, FileContent, Identity};
use std::sync::Arc;

/// Cuts one content, and sends its chunks to the workers in groups.
pub(super) struct GroupSender {
    gather: Arc<Gather>,
}

impl GroupSender {
    pub(super) fn new(queues: &Queues, ticket: u64) -> Self {
        Self {
            gather: Gather::new(ticket, queues.done.clone()),
        }
    }

    /// Cuts what a buffer holds, and sends the chunks.
    pub(super) fn send_chunks(
        &self,
        queues: &Queues,
        buffer: &mut CutBuffer,
        is_end: bool,
    ) -> Result<(), WriteError> {
        let mut lengths = Vec::new();
        while let Some(chunk) = buffer.next_chunk(&queues.shared.cutter, is_end) {
            lengths.push(chunk.len());
        }
        if lengths.is_empty() {
            return Ok(());
        }
        let group = self.gather.add_group(buffer.take_cut(), lengths);
        queues.send_job(Job::Chunks(group))
    }

    /// Completes the entry whose content was sent.
    pub(super) fn close_entry(
        &self,
        entry: Entry,
        content_bytes: u64,
        identity: Option<Identity>,
    ) -> Result<(), WriteError> {
        self.gather.close_entry(ClosedEntry {
            entry,
            content_bytes,
            identity,
        })
    }

    /// Lets the turn of the entry pass without it, or all that come later would wait for it.
    pub(super) fn give_up(&self) -> Result<(), WriteError> {
        self.gather.give_up()
    }
}

/// Stores a file that is too large for one worker.
pub(super) fn store_large(
    queues: &Queues,
    ticket: u64,
    mut entry: Entry,
    content: Box<dyn FileContent>,
) -> Result<(), WriteError> {
    let sender = GroupSender::new(queues, ticket);
    let mut buffer = CutBuffer::default();
    let read = read_file(
        &queues.shared,
        &mut entry,
        content,
        &mut buffer,
        UnknownChange::Warn,
        |buffer, is_end| sender.send_chunks(queues, buffer, is_end),
    )?;
    match read {
        Some(read) => sender.close_entry(entry, read.content_bytes, read.identity),
        None => sender.give_up(),
    }
}
