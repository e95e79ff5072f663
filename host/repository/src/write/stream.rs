//! Streams and large files: cut on the caller's thread, named and compressed by all workers.

use crate::objects::error::{ObjectError, Stage};
use crate::write::cut::CutBuffer;
use crate::write::error::WriteError;
use crate::write::found::{UnknownChange, read_file};
use crate::write::gather::{ClosedEntry, Gather};
use crate::write::sequence::Finished;
use crate::write::{Job, Session, lock};
use holdfast_base::entry::{Entry, FileContent};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Sends the chunks of one content to the workers, in groups.
struct GroupSender {
    gather: Arc<Gather>,
}

impl GroupSender {
    fn start(session: &Session, ticket: u64) -> Result<Self, WriteError> {
        let ended = || ObjectError::StageEnded(Stage::Sequencing);
        let done = session.done_sender().ok_or_else(ended)?;
        let gather = Gather::new(ticket, done);
        Ok(Self { gather })
    }

    /// Cuts what a buffer holds, and sends the chunks.
    fn send_chunks(
        &self,
        session: &Session,
        buffer: &mut CutBuffer,
        is_end: bool,
    ) -> Result<(), WriteError> {
        let mut lengths = Vec::new();
        while let Some(chunk) = buffer.next_chunk(&session.shared().cutter, is_end) {
            lengths.push(chunk.len());
        }
        if lengths.is_empty() {
            return Ok(());
        }
        let group = self.gather.add_group(buffer.take_cut(), lengths);
        session.send(Job::Chunks(group))
    }
}

/// The content of a stream that has begun.
struct Begun {
    sender: GroupSender,
    buffer: CutBuffer,
}

/// Takes the bytes of one entry. Dropping it discards them.
pub struct StreamWriter {
    session: Arc<Session>,
    entry: Entry,
    begun: Option<Begun>,
    is_finished: bool,
}

impl StreamWriter {
    pub(super) fn new(session: Arc<Session>, entry: Entry) -> Self {
        Self {
            session,
            entry,
            begun: None,
            is_finished: false,
        }
    }

    /// Takes bytes; waits while the workers are busy.
    ///
    /// # Errors
    /// The run has failed.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        let session = Arc::clone(&self.session);
        let Begun { sender, buffer } = self.begin()?;
        while !bytes.is_empty() {
            bytes = buffer.append(bytes);
            if buffer.is_full() {
                sender.send_chunks(&session, buffer, false)?;
            }
        }
        Ok(())
    }

    /// Commits the entry to the draft and returns its length.
    ///
    /// # Errors
    /// The run has failed.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        let session = Arc::clone(&self.session);
        let entry = self.entry.clone();
        let gauge = &session.shared().gauge;
        gauge.entries.fetch_add(1, Ordering::Relaxed);
        let Begun { sender, buffer } = self.begin()?;
        sender.send_chunks(&session, buffer, true)?;
        let content_bytes = buffer.content_bytes();
        sender.gather.close(ClosedEntry {
            entry,
            content_bytes,
            identity: None,
        })?;
        self.is_finished = true;
        Ok(content_bytes)
    }

    /// Gives the stream its place among the entries, unless it has one.
    fn begin(&mut self) -> Result<&mut Begun, WriteError> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => {
                let sender = GroupSender::start(&self.session, self.session.ticket()?)?;
                let mut buffer = CutBuffer::default();
                buffer.restart(&self.session.shared().cutter, u64::MAX);
                Begun { sender, buffer }
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
        lock(&self.session.state)
            .names
            .remove(self.entry.path.as_bytes());
        // Its turn must pass, or all that come later would wait for it.
        if let Some(begun) = &self.begun {
            let ticket = begun.sender.gather.ticket();
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
    let sender = GroupSender::start(session, ticket)?;
    let mut buffer = CutBuffer::default();
    let read = read_file(
        session.shared(),
        &mut entry,
        content,
        &mut buffer,
        UnknownChange::Warn,
        |buffer, is_end| sender.send_chunks(session, buffer, is_end),
    )?;
    match read {
        Some(read) => sender.gather.close(ClosedEntry {
            entry,
            content_bytes: read.content_bytes,
            identity: read.identity,
        }),
        None => sender.gather.give_up(),
    }
}
