//! Makes sure, before a restore writes anything, that all that it needs can be read.
//!
//! What lies in a cold class is asked for only where the operator says so, and exactly as much of it as this
//! restore needs. Whoever waits is told how far it is; whoever does not runs the same command again.

use crate::error::JobError;
use crate::open::Context;
use crate::restore::Plan;
use crate::select::Paths;
use holdfast_base::entry::EntryPath;
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::thaw::{Cold, Frozen, Needs, Step};
use holdfast_repository::{Repository, RepositoryError};
pub use holdfast_store::cold::{Thawing, Tier};
use std::sync::Arc;
use std::time::Duration;

/// The first wait, where nobody says how long …
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// … and the longest: thawing takes hours.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Nobody looks more often.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How often somebody who waits looks whether the run was cancelled.
const LOOK: Duration = Duration::from_millis(100);
/// So many times in succession the service may not answer while it is waited for.
const UNANSWERED_MAX: u32 = 10;

/// What the operator wants done with what is cold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// Ask for it, so.
    pub ask: Option<Thawing>,
    /// Wait until it is there.
    pub wait: Option<Wait>,
}

/// How somebody waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait {
    /// How long until they look again; ever longer, where nothing is said.
    pub every: Option<Duration>,
}

/// Hears what is waited for, and for how long before it is looked at again.
pub type Told<'a> = &'a dyn Fn(&Frozen, Duration);

/// Brings what a restore needs to where it can be read.
pub struct Thawer<'a> {
    context: &'a Context,
    repository: &'a Arc<Repository>,
    root: &'a Root,
    wish: Wish,
    told: Told<'a>,
    /// None where everything can be read at once.
    needs: Option<Needs>,
}

impl<'a> Thawer<'a> {
    /// Looks whether anything may be cold.
    ///
    /// # Errors
    /// The key cannot read, so that asking would be in vain; or the store cannot be listed.
    pub fn new(
        context: &'a Context,
        repository: &'a Arc<Repository>,
        root: &'a Root,
        wish: Wish,
        told: Told<'a>,
    ) -> Result<Self, JobError> {
        let allowed = repository.key().require(Role::Read);
        allowed.map_err(RepositoryError::from)?;
        Ok(Self {
            context,
            repository,
            root,
            wish,
            told,
            needs: Needs::of(repository)?,
        })
    }

    /// Makes sure that it can be read which chunks the snapshot needs, and with `entries` what its entries are.
    ///
    /// # Errors
    /// It cannot yet, and nobody waits.
    pub fn lists(&self, entries: bool) -> Result<(), JobError> {
        self.settle(Step::Trunk, false)?;
        self.settle(Step::References, false)?;
        if entries {
            self.settle(Step::Entries, false)?;
        }
        Ok(())
    }

    /// Makes sure that the entries that are restored can be read, and their content.
    ///
    /// # Errors
    /// They cannot yet, and nobody waits.
    pub fn content(&self, paths: &Paths, plan: Option<&Plan>) -> Result<(), JobError> {
        if paths.is_all() {
            return self.settle(Step::Content(None), true);
        }
        let selection = chosen(paths, plan);
        self.settle(Step::Content(Some(&selection)), true)
    }

    /// Returns what of the content cannot be read yet, and asks for nothing.
    ///
    /// # Errors
    /// The service does not tell.
    pub fn look(&self, paths: &Paths, plan: &Plan) -> Result<Frozen, JobError> {
        let selection = chosen(paths, Some(plan));
        let step = if paths.is_all() {
            Step::Content(None)
        } else {
            Step::Content(Some(&selection))
        };
        let mut packs = self.packs(step)?;
        let cancel = &self.context.cancel;
        Ok(self.repository.thaw(&mut packs, None, cancel)?)
    }

    fn packs(&self, step: Step<'_>) -> Result<Cold, JobError> {
        match &self.needs {
            Some(needs) => Ok(needs.step(self.root, step)?),
            None => Ok(Cold::new()),
        }
    }

    /// Makes sure that what a step needs can be read; `is_all` says that nothing more comes after it.
    fn settle(&self, step: Step<'_>, is_all: bool) -> Result<(), JobError> {
        let mut packs = self.packs(step)?;
        let (mut pause, mut unanswered) = (FIRST_WAIT, 0);
        let mut frozen = Frozen::default();
        while !packs.is_empty() {
            let cancel = &self.context.cancel;
            match self.repository.thaw(&mut packs, self.wish.ask, cancel) {
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
                let place = self.repository.place();
                let cold = RepositoryError::Cold {
                    frozen,
                    place,
                    is_all,
                };
                return Err(cold.into());
            };
            let now = wait.every.unwrap_or(pause).max(SHORTEST_WAIT);
            (self.told)(&frozen, now);
            self.pause(now)?;
            pause = (pause * 2).min(LONGEST_WAIT);
        }
        Ok(())
    }

    /// Waits, but no longer than the command goes on.
    fn pause(&self, time: Duration) -> Result<(), JobError> {
        let mut left = time;
        while !left.is_zero() {
            if self.context.cancel.is_raised() {
                return Err(RepositoryError::Cancelled.into());
            }
            let step = left.min(LOOK);
            std::thread::sleep(step);
            left -= step;
        }
        Ok(())
    }
}

fn chosen<'a>(paths: &'a Paths, plan: Option<&'a Plan>) -> impl Fn(&EntryPath) -> bool + Sync + 'a {
    move |path| paths.takes(path) || plan.is_some_and(|plan| plan.stands_in_for(path))
}
