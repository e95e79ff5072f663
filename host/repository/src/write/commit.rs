//! The end of a run: everything durable, everything still there, and then the snapshot.

use super::lease::Lease;
use super::note::SourceEnd;
use super::{Session, lock};
use crate::error::RepositoryError;
use crate::format::root::{Counts, Root};
use crate::sequence::Sequenced;
use crate::snapshot::Commit;
use holdfast_base::cancel::Reason;
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::PackId;
use holdfast_store::StoreError;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// A run that collection has ended so often gives up.
const SESSIONS_MAX: u32 = 3;

impl Session {
    /// Commits the snapshot.
    ///
    /// # Errors
    /// Nothing was committed.
    pub fn commit(mut self, _proof: SourceEnd) -> Result<Root, RepositoryError> {
        let committed = self.finish();
        if committed.is_err() && !self.is_in_doubt {
            self.lease.give_up(&self.repository);
        }
        committed
    }

    fn finish(&mut self) -> Result<Root, RepositoryError> {
        let handed_over = self.hand_over_batch(&mut lock(&self.state));
        let sequenced = self.join();
        handed_over?;
        let sequenced = match (self.take_failure(), sequenced) {
            (Some(error), _) => return Err(error),
            (None, Some(sequenced)) => sequenced,
            (None, None) => return Err(RepositoryError::Failed("the sequencer has ended".into())),
        };
        self.catalogue.flush()?;
        if self.shared.cancel.is_raised() {
            return Err(RepositoryError::Cancelled);
        }
        let mut root = self.root(&sequenced)?;
        self.still_there()?;
        for session in 1.. {
            // From here on the snapshot may exist, and so the session must stay, whatever is answered.
            self.is_in_doubt = true;
            match self.repository.commit(&root)? {
                Commit::Done => break,
                Commit::Open(error) if session == SESSIONS_MAX || !may_pass(&error) => {
                    return Err(error.into());
                }
                Commit::Expired if session == SESSIONS_MAX => {
                    return Err(RepositoryError::Overtaken { pack: None });
                }
                Commit::Open(_) | Commit::Expired => {
                    tracing::warn!(
                        "the snapshot could not be committed; the run goes on in a new session"
                    );
                }
            }
            // The old session stays: it is collection that knows when nothing can come of it any more.
            self.lease = Lease::take(&self.repository, &self.note.purpose(), &self.note.host)?;
            self.is_in_doubt = false;
            self.still_there()?;
            root.snapshot = self.lease.id;
        }
        self.catalogue.close_journal();
        if let Some(known) = sequenced.known
            && let Err(error) = known.commit()
        {
            tracing::warn!(%error, "files are not listed for the next run, which will read them again");
        }
        Ok(root)
    }

    /// Makes sure that every pack that the run may rely on is still there, and that no tombstone that
    /// the session has seen names it.
    ///
    /// Collection removes no pack that an open session may rely on. This is for sessions that were ended
    /// meanwhile, and for stores that lose or hide what they hold.
    fn still_there(&self) -> Result<(), RepositoryError> {
        let mut stored = HashMap::new();
        for listed in self.repository.setup.store.list("packs")? {
            if let Ok(id) = listed.name.last().parse::<PackId>() {
                stored.insert(id, listed.size);
            }
        }
        let gone = |id: &PackId| self.lease.avoided.contains(id) || !stored.contains_key(id);
        let reused = self.shared.dedup.index().pack_ids().find(gone);
        let own = || {
            let mut own = self.catalogue.packs().into_iter();
            own.find(|(id, size)| gone(id) || stored.get(id) != Some(size))
        };
        match reused.or_else(|| own().map(|(id, _)| id)) {
            Some(pack) => Err(RepositoryError::Overtaken { pack: Some(pack) }),
            None => Ok(()),
        }
    }

    fn root(&self, sequenced: &Sequenced) -> Result<Root, RepositoryError> {
        let mut state = lock(&self.state);
        let warnings = std::mem::take(&mut *lock(&self.shared.warnings));
        let gauge = &self.shared.gauge;
        Ok(Root {
            snapshot: self.lease.id,
            repository: self.repository.header.repository,
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
                warnings: warnings.0,
            },
            facts: std::mem::take(&mut state.facts),
            warnings: warnings.1,
            tags: self.note.tags.clone(),
            references: sequenced.trunk.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            author: self.repository.signer()?.author().clone(),
        })
    }

    fn take_failure(&self) -> Option<RepositoryError> {
        if self.shared.cancel.reason() == Some(Reason::Interrupted) {
            return Some(RepositoryError::Cancelled);
        }
        lock(&self.shared.failure).take()
    }

    /// Ends the run without a commit, and returns what made it fail, if the pipeline did.
    pub fn abandon(mut self) -> Option<RepositoryError> {
        self.shared.turn.abandon();
        self.join();
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

/// Returns whether it is worth asking a store again.
fn may_pass(error: &StoreError) -> bool {
    matches!(error.kind(), Kind::Temporary | Kind::Failed)
}
