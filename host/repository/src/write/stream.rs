//! Streams: entries whose bytes are written by the caller.

use crate::write::cut::CutBuffer;
use crate::write::error::WriteError;
use crate::write::gather::Gather;
use crate::write::groups::send_chunks;
use crate::write::sequence::ClosedEntry;
use crate::write::snapshot_writer::{SnapshotWriter, ensure_within_limits};
use holdfast_base::entry::{Entry, EntryKind, EntryPath};
use holdfast_base::sync::Unpoisoned;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Takes the bytes of one entry. Dropping it discards them.
pub struct StreamWriter {
    writer: Arc<SnapshotWriter>,
    entry: Entry,
    begun: Option<Begun>,
    is_finished: bool,
}

/// The content of a stream that has begun.
struct Begun {
    gather: Arc<Gather>,
    buffer: CutBuffer,
}

impl SnapshotWriter {
    /// Starts an entry of bytes.
    ///
    /// # Errors
    /// The name is taken, or the run has failed.
    pub fn stream(
        self: &Arc<Self>,
        path: EntryPath,
        attributes: Vec<(String, String)>,
    ) -> Result<StreamWriter, WriteError> {
        self.queues()?.shared.ensure_running()?;
        let modified = self.repository.setup.clock.now();
        let entry = Entry {
            path,
            kind: EntryKind::Stream,
            modified,
            ownership: None,
            attributes,
        };
        ensure_within_limits(&entry)?;
        let taken = self.names.lock_unpoisoned().take_stream(&entry.path);
        taken.map_err(|held| WriteError::NameTaken {
            path: entry.path.to_string(),
            held,
        })?;
        Ok(StreamWriter {
            writer: Arc::clone(self),
            entry,
            begun: None,
            is_finished: false,
        })
    }
}

impl StreamWriter {
    /// Takes bytes; waits while the workers are busy.
    ///
    /// # Errors
    /// The run has failed.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        let writer = Arc::clone(&self.writer);
        let Begun { gather, buffer } = self.begin_content()?;
        while !bytes.is_empty() {
            bytes = buffer.append(bytes);
            if buffer.is_full() {
                send_chunks(gather, writer.queues()?, buffer, false)?;
            }
        }
        Ok(())
    }

    /// Commits the entry to the draft and returns its length.
    ///
    /// # Errors
    /// The run has failed.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        let writer = Arc::clone(&self.writer);
        let queues = writer.queues()?;
        let entry = self.entry.clone();
        let gauge = &queues.shared.gauge;
        gauge.entries.fetch_add(1, Ordering::Relaxed);
        let Begun { gather, buffer } = self.begin_content()?;
        send_chunks(gather, queues, buffer, true)?;
        let content_bytes = buffer.content_bytes();
        gather.close_entry(ClosedEntry {
            entry,
            content_bytes,
            identity: None,
        })?;
        self.is_finished = true;
        Ok(content_bytes)
    }

    /// Gives the stream its place among the entries, unless it has one.
    fn begin_content(&mut self) -> Result<&mut Begun, WriteError> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => {
                let ticket = self.writer.take_ticket()?;
                let queues = self.writer.queues()?;
                let mut buffer = CutBuffer::default();
                buffer.restart(&queues.shared.cutter, u64::MAX);
                let gather = Gather::new(ticket, queues.done.clone());
                Begun { gather, buffer }
            }
        };
        Ok(self.begun.insert(begun))
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let mut names = self.writer.names.lock_unpoisoned();
        names.free_stream(&self.entry.path);
        drop(names);
        if let Some(begun) = &self.begun {
            let _ = begun.gather.give_up();
        }
    }
}
