//! Makes sure, before a restore writes anything, that all that it needs can be read.
//!
//! What lies in a cold class is asked for only if the operator says so, and exactly as much of it as this restore
//! needs. Whoever waits is told how far it is; whoever does not runs the same command again.

use super::plan::RestorePlan;
use crate::context::Context;
use crate::error::JobError;
use crate::open::require_reading;
use crate::select::Paths;
use holdfast_base::entry::EntryPath;
use holdfast_repository::format::root::Root;
use holdfast_repository::thaw::{Cold, Frozen, Needs, Step};
use holdfast_repository::{ObjectError, ObjectFault, Repository, UpkeepError};
use holdfast_store::cold::Thawing;
use std::sync::Arc;
use std::time::Duration;

/// The first wait if nobody says how long …
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// … and the longest: thawing takes hours.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Nobody looks more often.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How often somebody who waits looks whether the run was cancelled.
const POLL: Duration = Duration::from_millis(100);
/// So many times in succession the service may not answer while it is waited for.
const UNANSWERED_MAX: u32 = 10;

/// What the operator wants done with what is cold.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThawWish {
    /// Ask for it, so.
    pub ask: Option<Thawing>,
    /// Wait until it is there.
    pub wait: Option<Wait>,
}

/// How somebody waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait {
    /// How long until they look again; ever longer if nothing is said.
    pub every: Option<Duration>,
}

/// Reports what is waited for, and for how long before it is looked at again.
pub type Report<'a> = &'a dyn Fn(&Frozen, Duration);

/// Makes sure that what a restore needs can be read.
pub(super) struct Thawer<'a> {
    context: &'a Context,
    repository: &'a Arc<Repository>,
    root: &'a Root,
    wish: ThawWish,
    report: Report<'a>,
    /// None if everything can be read at once.
    needs: Option<Needs>,
}

impl<'a> Thawer<'a> {
    /// Looks whether anything may be cold.
    ///
    /// # Errors
    /// The key cannot read, so that asking would be in vain; or the store cannot be listed.
    pub(super) fn new(
        context: &'a Context,
        repository: &'a Arc<Repository>,
        root: &'a Root,
        wish: ThawWish,
        report: Report<'a>,
    ) -> Result<Self, JobError> {
        require_reading(repository)?;
        Ok(Self {
            context,
            repository,
            root,
            wish,
            report,
            needs: Needs::for_repository(repository)?,
        })
    }

    /// Makes sure that it can be read which chunks the snapshot needs, and with `entries` what its entries are.
    ///
    /// # Errors
    /// It cannot yet, and nobody waits.
    pub(super) fn thaw_lists(&self, entries: bool) -> Result<(), JobError> {
        self.thaw_step(Step::Trunk, false)?;
        self.thaw_step(Step::References, false)?;
        if entries {
            self.thaw_step(Step::Entries, false)?;
        }
        Ok(())
    }

    /// Makes sure that the entries that are restored can be read, and their content.
    ///
    /// # Errors
    /// They cannot yet, and nobody waits.
    pub(super) fn thaw_content(
        &self,
        paths: &Paths,
        plan: Option<&RestorePlan>,
    ) -> Result<(), JobError> {
        if paths.is_all() {
            return self.thaw_step(Step::Content(None), true);
        }
        let selection = select_wanted(paths, plan);
        self.thaw_step(Step::Content(Some(&selection)), true)
    }

    /// Returns what of the content cannot be read yet, and asks for nothing.
    ///
    /// # Errors
    /// The service does not tell.
    pub(super) fn find_frozen(
        &self,
        paths: &Paths,
        plan: &RestorePlan,
    ) -> Result<Frozen, JobError> {
        let selection = select_wanted(paths, Some(plan));
        let step = if paths.is_all() {
            Step::Content(None)
        } else {
            Step::Content(Some(&selection))
        };
        let mut packs = self.find_packs(step)?;
        let cancel = &self.context.cancel;
        Ok(self.repository.thaw_packs(&mut packs, None, cancel)?)
    }

    fn find_packs(&self, step: Step<'_>) -> Result<Cold, JobError> {
        match &self.needs {
            Some(needs) => Ok(needs.cold_packs(self.root, step)?),
            None => Ok(Cold::new()),
        }
    }

    /// Makes sure that what a step needs can be read; `is_last` says that nothing more comes after it.
    fn thaw_step(&self, step: Step<'_>, is_last: bool) -> Result<(), JobError> {
        let mut packs = self.find_packs(step)?;
        let (mut pause, mut unanswered) = (FIRST_WAIT, 0);
        let mut frozen = Frozen::default();
        while !packs.is_empty() {
            let cancel = &self.context.cancel;
            match self
                .repository
                .thaw_packs(&mut packs, self.wish.ask, cancel)
            {
                Ok(found) => (frozen, unanswered) = (found, 0),
                // Whoever waits for hours also waits for a service that is away for a while.
                Err(error) if error.is_unserved() && frozen.packs > 0 => {
                    unanswered += 1;
                    if unanswered > UNANSWERED_MAX {
                        return Err(error.into());
                    }
                    tracing::warn!(%error, "looking again later");
                }
                Err(error) => return Err(error.into()),
            }
            if packs.is_empty() {
                break;
            }
            let Some(wait) = self.wish.wait else {
                return Err(self.report_cold(frozen, is_last));
            };
            let now = wait.every.unwrap_or(pause).max(SHORTEST_WAIT);
            (self.report)(&frozen, now);
            self.pause(now)?;
            pause = (pause * 2).min(LONGEST_WAIT);
        }
        Ok(())
    }

    fn report_cold(&self, frozen: Frozen, is_last: bool) -> JobError {
        let cold = UpkeepError::Cold {
            frozen,
            place: self.repository.place(),
            is_all: is_last,
        };
        cold.into()
    }

    /// Waits, but no longer than the command goes on.
    fn pause(&self, time: Duration) -> Result<(), JobError> {
        let mut left = time;
        while !left.is_zero() {
            if self.context.cancel.is_raised() {
                return Err(ObjectError::Cancelled.into());
            }
            let step = left.min(POLL);
            std::thread::sleep(step);
            left -= step;
        }
        Ok(())
    }
}

fn select_wanted<'a>(
    paths: &'a Paths,
    plan: Option<&'a RestorePlan>,
) -> impl Fn(&EntryPath) -> bool + Sync + 'a {
    move |path| paths.includes(path) || plan.is_some_and(|plan| plan.has_stand_in(path))
}
