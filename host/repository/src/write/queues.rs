//! The queues of a run, from whoever adds entries to the workers and to the sequencer.

use crate::objects::error::{ObjectError, Stage};
use crate::write::error::WriteError;
use crate::write::file_cache::Known;
use crate::write::gather::ChunkGroup;
use crate::write::sequence::Finished;
use crate::write::shared::Shared;
use crossbeam_channel::Sender;
use holdfast_base::entry::{Entry, FileContent};
use std::sync::Arc;

/// Work for whichever worker is free.
pub(crate) enum Job {
    /// Entries of one ticket, whose small files are to be read.
    Batch { ticket: u64, entries: Vec<Pending> },
    /// Chunks that somebody cut from a stream.
    Chunks(ChunkGroup),
}

/// An entry on its way to a worker.
pub(crate) struct Pending {
    pub(crate) entry: Entry,
    pub(crate) content: Option<Box<dyn FileContent>>,
    pub(crate) known: Option<Known>,
}

/// The ways into the queues. Dropping it lets the threads behind them end.
pub(super) struct Queues {
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: Sender<Job>,
    pub(super) done: Sender<Finished>,
}

impl Queues {
    /// Sends work; waits while all workers are busy.
    ///
    /// # Errors
    /// The run has failed.
    pub(super) fn send_job(&self, job: Job) -> Result<(), WriteError> {
        self.shared.ensure_running()?;
        let ended = |_| ObjectError::StageEnded(Stage::Working);
        Ok(self.jobs.send(job).map_err(ended)?)
    }
}
