//! The end of a run: everything durable, everything still there, and then the snapshot.

use crate::format::root::{Counts, Root};
use crate::format::signed::Sign as _;
use crate::objects::error::{ObjectError, Stage, ensure_not_cancelled};
use crate::write::error::WriteError;
use crate::write::note::SourceEnd;
use crate::write::sequence::Sequenced;
use crate::write::snapshot_writer::SnapshotWriter;
use holdfast_base::cancel::Reason;
use holdfast_base::sync::Unpoisoned;
use std::sync::atomic::Ordering;

impl SnapshotWriter {
    /// Commits the snapshot.
    ///
    /// # Errors
    /// Nothing was committed.
    pub fn commit(mut self, _proof: SourceEnd) -> Result<Root, WriteError> {
        let committed = self.finish();
        if committed.is_err() {
            self.lease.give_up(&self.repository);
        }
        committed
    }

    fn finish(&mut self) -> Result<Root, WriteError> {
        let handed_over = self.hand_over_batch(&mut self.state.lock_unpoisoned());
        let sequenced = self.join_threads();
        // What failed first is told, and not that the run could not go on because of it.
        if let Some(error) = self.take_failure() {
            return Err(error);
        }
        handed_over?;
        let sequenced = sequenced.ok_or(ObjectError::StageEnded(Stage::Sequencing))?;
        self.shared.ensure_devices_work(sequenced.entries)?;
        self.catalogue.flush()?;
        ensure_not_cancelled(&self.shared.cancel)?;
        let root = self.make_root(&sequenced)?;
        let reused = self.shared.dedup.index().pack_ids().map(|id| (id, None));
        let own = self.catalogue.packs().into_iter();
        let relied: Vec<_> = reused
            .chain(own.map(|(id, size)| (id, Some(size))))
            .collect();
        let root = self.lease.commit(&self.repository, root, &relied)?;
        self.catalogue.close_journal();
        if let Some(known) = sequenced.known
            && let Err(error) = known.commit()
        {
            tracing::warn!(%error, "files are not listed for the next run, which will read them again");
        }
        Ok(root)
    }

    fn make_root(&self, sequenced: &Sequenced) -> Result<Root, WriteError> {
        let mut state = self.state.lock_unpoisoned();
        let warnings = std::mem::take(&mut *self.shared.warnings.lock_unpoisoned());
        let gauge = &self.shared.gauge;
        let made = Root {
            snapshot: self.lease.id,
            repository: self.repository.header.repository,
            origin: None,
            job: self.note.job.clone(),
            host: self.repository.host_or(&self.note.host),
            started: self.started,
            finished: self.repository.setup.clock.now(),
            source: self.note.source.clone(),
            counts: Counts {
                entries: sequenced.entries,
                files: sequenced.files,
                bytes: sequenced.bytes,
                new_chunks: gauge.new_chunks.load(Ordering::Relaxed),
                new_bytes: gauge.new_bytes.load(Ordering::Relaxed),
                stored_bytes: self.catalogue.stored_bytes(),
                unchanged_files: gauge.unchanged.load(Ordering::Relaxed),
                warnings: warnings.count,
            },
            facts: std::mem::take(&mut state.facts),
            warnings: warnings.kept,
            tags: self.note.tags.clone(),
            references: sequenced.trunk.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            author: self.repository.signer()?.author().clone(),
        };
        Ok(match &self.note.of {
            Some(of) => as_copy(made, of),
            None => made,
        })
    }

    fn take_failure(&self) -> Option<WriteError> {
        if self.shared.cancel.reason() == Some(Reason::Interrupted) {
            return Some(ObjectError::Cancelled.into());
        }
        self.shared.failure.lock_unpoisoned().take()
    }

    /// Ends the run without a commit, and returns what made it fail, if the pipeline did.
    pub fn abandon(mut self) -> Option<WriteError> {
        self.shared.turn.abandon();
        self.join_threads();
        // What is durable is listed, so that the next run need not store it again.
        if let Err(error) = self.catalogue.flush() {
            tracing::debug!(%error, "what was stored is left to the journal");
        } else {
            self.catalogue.close_journal();
        }
        self.lease.give_up(&self.repository);
        self.take_failure()
    }
}

/// Makes the root of a copy: what is said of the content is said of the original.
fn as_copy(made: Root, of: &Root) -> Root {
    Root {
        snapshot: made.snapshot,
        repository: made.repository,
        references: made.references,
        author: made.author,
        counts: Counts {
            warnings: of.counts.warnings,
            ..made.counts
        },
        ..of.clone()
    }
}
