//! A job's other stores: after a run, what lacks there is copied, and what is not kept there is forgotten.
//!
//! - The backup is committed before any of it begins: nothing here can undo it.
//! - A store that cannot be reached gets what it lacks after the next run, if that is kept there then.
//! - Nothing is forgotten in a store that did not get what it should have.
//! - Runs of a job do not wait for its copies: while a large one travels, the next backup can be made.

use super::Plan;
use crate::error::JobError;
use crate::history::{self, Run};
use crate::open::{Context, Credentials};
use crate::retention::apply::{JobRetained, RetentionOptions};
use holdfast_base::error::Describe;
use holdfast_base::error::join_causes;
use holdfast_base::progress::Progress;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_repository::copy::Copied;
use holdfast_repository::format::root::Root;
use holdfast_repository::object_lock::Locked;
use holdfast_sandbox::plugin::{Finding, Severity};

/// What became of a job's snapshots in another of its stores.
#[derive(Debug)]
pub struct Tier {
    /// The store.
    pub store: String,
    /// What came there.
    pub copied: Vec<Copied>,
    /// What was locked of it, where the store's table says so.
    pub locked: Option<Result<Locked, JobError>>,
    /// Why not all came that should have.
    pub failure: Option<JobError>,
    /// What was forgotten there, where the job says what is kept.
    pub retained: Option<Result<JobRetained, JobError>>,
}

impl Context {
    /// Copies what a job's other stores lack, and forgets what is not kept there.
    pub(crate) fn fill_tiers(&self, job: &str, progress: &Progress) -> Vec<Tier> {
        let stores = match self.config.stores_of(job) {
            Ok(stores) => stores,
            Err(error) => {
                tracing::error!(%error, "no other stores are known");
                return Vec::new();
            }
        };
        let others = stores.into_iter().skip(1);
        others.map(|to| self.fill(job, to, progress)).collect()
    }

    /// Says which of a job's other stores could not be copied to now. A backup can be made all the same.
    pub(crate) fn check_tiers(&self, job: &str) -> Vec<Finding> {
        let stores = self.config.stores_of(job).unwrap_or_default();
        let others = stores.into_iter().skip(1);
        let failed = others.filter_map(|to| Some((to, Plan::of_tier(self, job, to).err()?)));
        failed
            .map(|(to, error)| Finding {
                severity: Severity::Warning,
                subject: format!("copy-to {to}"),
                message: join_causes(&error),
                hint: error
                    .advice()
                    .into_iter()
                    .next()
                    .map(|advice| advice.to_string()),
            })
            .collect()
    }

    fn fill(&self, job: &str, to: &str, progress: &Progress) -> Tier {
        let started = SystemClock.now();
        let mut copied = Vec::new();
        let failure = self.copy_missing(job, to, progress, &mut copied).err();
        history::add(
            &self.places,
            &Run {
                job: job.to_owned(),
                action: "copy".to_owned(),
                started,
                finished: SystemClock.now(),
                outcome: if failure.is_none() { "done" } else { "failed" }.to_owned(),
                snapshot: copied.last().map(|one| one.root.snapshot.to_string()),
                error: failure.as_ref().map(|error| join_causes(error)),
            },
        );
        let roots: Vec<&Root> = copied.iter().map(|one| &one.root).collect();
        let locked = self.lock_committed(to, &Credentials::default(), &roots);
        let retained = failure.is_none().then(|| self.retain_after(job, to));
        Tier {
            store: to.to_owned(),
            copied,
            locked,
            failure,
            retained: retained.flatten(),
        }
    }

    /// Copies until nothing lacks: other runs may have made more meanwhile, and left it to this one.
    fn copy_missing(
        &self,
        job: &str,
        to: &str,
        progress: &Progress,
        copied: &mut Vec<Copied>,
    ) -> Result<(), JobError> {
        let _lock = self.lock_named(&format!("{job}.copies"), || JobError::BusyCopying {
            job: job.to_owned(),
        })?;
        loop {
            let mut plan = Plan::of_tier(self, job, to)?;
            let mut missing = std::mem::take(&mut plan.missing);
            // A listing that lags behind does not show what came a moment ago.
            missing.retain(|root| copied.iter().all(|one| one.from != root.snapshot));
            if missing.is_empty() {
                return Ok(());
            }
            for root in missing {
                copied.push(plan.copy(self, &root, progress)?);
            }
        }
    }

    /// Forgets what a job's rules no longer keep in a store, where it has any.
    pub(crate) fn retain_after(
        &self,
        job: &str,
        store: &str,
    ) -> Option<Result<JobRetained, JobError>> {
        let retain = || -> Result<Option<JobRetained>, JobError> {
            if self.config.retention(job, store)?.is_none() || self.cancel.is_raised() {
                return Ok(None);
            }
            let (ours, options) = (Credentials::default(), RetentionOptions::default());
            self.retain(job, store, &ours, &options).map(Some)
        };
        retain().transpose()
    }
}
