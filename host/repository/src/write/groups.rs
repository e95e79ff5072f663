//! Groups of chunks: content that is cut on the caller's thread, and named and compressed by all workers.

use crate::write::cut::CutBuffer;
use crate::write::error::WriteError;
use crate::write::found::{UnknownChange, read_file};
use crate::write::gather::Gather;
use crate::write::queues::{Job, Queues};
use holdfast_base::entry::{Entry, FileContent};
use std::sync::Arc;

/// Cuts what a buffer holds of a content, and sends the chunks to the workers as a group.
pub(super) fn send_chunks(
    gather: &Arc<Gather>,
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
    let group = gather.add_group(buffer.take_cut(), lengths);
    queues.send_job(Job::Chunks(group))
}

/// Stores a file that is too large for one worker.
pub(super) fn store_large(
    queues: &Queues,
    ticket: u64,
    entry: Entry,
    content: Box<dyn FileContent>,
) -> Result<(), WriteError> {
    let gather = Gather::new(ticket, queues.done.clone());
    let mut buffer = CutBuffer::default();
    let read = read_file(
        &queues.shared,
        entry,
        content,
        &mut buffer,
        UnknownChange::Warn,
        |buffer, is_end| send_chunks(&gather, queues, buffer, is_end),
    )?;
    match read {
        Some(closed) => gather.close_entry(closed),
        None => gather.give_up(),
    }
}
