//! Reads a repository, decides, and forgets.
//!
//! First all of it is a value that can be shown; only then is anything changed.

use super::accepted::{self, Accepted};
use super::freeze::{Accept, Baseline, Freeze, Size, burst, missing, shrunk};
use super::plan::{Verdict, order, plan};
use super::rules::{Policy, SAFETY_TAG};
use super::{Candidate, doubt};
use crate::error::JobError;
use crate::history;
use crate::open::{Context, Credentials};
use holdfast_base::error::join_causes;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_repository::Repository;
use holdfast_repository::forget::Standing;
use holdfast_repository::format::root::Root;
use std::collections::{BTreeMap, BTreeSet};

/// Whose snapshots are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hosts {
    /// Those of this machine.
    #[default]
    Own,
    /// Those of these machines.
    Named(BTreeSet<String>),
    /// Those of all.
    All,
}

/// What retention is told beside the configuration.
#[derive(Debug, Clone, Default)]
pub struct RetentionOptions {
    /// Only say what would be forgotten.
    pub dry_run: bool,
    /// Forget only snapshots that bear one of these tags, where there are any.
    pub tags: Vec<String>,
    /// Whose snapshots are looked at.
    pub hosts: Hosts,
    /// What the operator says yes to.
    pub accept: BTreeSet<Accept>,
}

/// What retention came to for the snapshots of a job that one host made.
#[derive(Debug)]
pub struct Retained {
    /// The job.
    pub job: String,
    /// The host.
    pub host: String,
    /// The store.
    pub store: String,
    /// What the tables say.
    pub policy: Policy,
    /// What becomes of each snapshot, if nothing is in the way; oldest first.
    pub verdicts: Vec<Verdict>,
    /// Why nothing is forgotten.
    pub freezes: Vec<Freeze>,
    /// What was forgotten, or would be.
    pub forgotten: Vec<SnapshotId>,
}

/// What retention came to for a job in a store.
#[derive(Debug)]
pub struct JobRetained {
    /// One for each host whose snapshots were looked at.
    pub hosts: Vec<Retained>,
    /// Hosts whose snapshots were not, with how many they are.
    pub others: BTreeMap<String, usize>,
}

/// The snapshots of a job that one host made.
struct Group<'a> {
    job: &'a str,
    host: &'a str,
    store: &'a str,
    /// All of them, the forgotten ones too, in the order in which they came.
    all: Vec<Candidate>,
    /// Those that are not forgotten.
    present: Vec<Candidate>,
    /// Whether this machine made them, so that its history speaks of them.
    is_own: bool,
}

impl Context {
    /// Forgets what no rule of a job keeps in one of its stores.
    ///
    /// # Errors
    /// The job keeps all, or the repository failed: then each snapshot is forgotten or not.
    pub fn retain(
        &self,
        job: &str,
        store: &str,
        credentials: &Credentials,
        options: &RetentionOptions,
    ) -> Result<JobRetained, JobError> {
        let Some(policy) = self.config.retention(job, store)? else {
            let message = format!("job `{job}` does not say what is kept in store `{store}`");
            let hint = "Add to the job, such as: keep = { daily = 14, weekly = 8, monthly = 12 }";
            return Err(JobError::usage(message, Some(hint)));
        };
        let started = SystemClock.now();
        let repository = self.open(store, credentials)?;
        let own = repository.host_or(&self.places.host);
        let standing = repository.standing()?;
        let of_job = standing
            .snapshots
            .iter()
            .filter(|(root, _)| root.job == job);
        // What another machine has copied stands apart: it cannot push out what this one made or copied.
        let mut hosts: BTreeMap<(&str, &str), Vec<&(Root, Instant)>> = BTreeMap::new();
        for snapshot in of_job {
            let made = (snapshot.0.host.as_str(), snapshot.0.made_by());
            hosts.entry(made).or_default().push(snapshot);
        }
        let mut came = JobRetained {
            hosts: Vec::new(),
            others: BTreeMap::new(),
        };
        for ((host, made_by), snapshots) in hosts {
            let is_meant = match &options.hosts {
                Hosts::Own => host == own && made_by == own,
                Hosts::Named(names) => names.contains(host),
                Hosts::All => true,
            };
            if !is_meant {
                *came.others.entry(host.to_owned()).or_default() += snapshots.len();
                continue;
            }
            let mut group = Group::new((job, host, store), &snapshots, &standing);
            group.is_own = host == own && made_by == own;
            let retained = self.decide(&group, &policy, options)?;
            if !options.dry_run {
                self.forget_dropped(&repository, &retained, started)?;
            }
            came.hosts.push(retained);
        }
        Ok(came)
    }

    /// Decides what becomes of a group, and remembers what is accepted.
    fn decide(
        &self,
        group: &Group<'_>,
        policy: &Policy,
        options: &RetentionOptions,
    ) -> Result<Retained, JobError> {
        let Group {
            job, host, store, ..
        } = *group;
        let held = accepted::read(&self.places, job, store, host)?;
        let accepted = group.accept(held, &options.accept);
        if accepted != held && !options.dry_run {
            accepted::write(&self.places, job, store, host, accepted)?;
        }
        let mut freezes = self.freezes(group, accepted)?;
        freezes.retain(|freeze| !options.accept.contains(&freeze.accept()));
        let zone = self.config.time_zone()?;
        let verdicts = plan(&group.present, policy, &zone, accepted.times);
        let bears = |verdict: &&Verdict| {
            let mut tags = options.tags.iter();
            options.tags.is_empty() || tags.any(|tag| verdict.snapshot.tags.contains(tag))
        };
        let dropped = verdicts.iter().filter(|verdict| verdict.is_dropped());
        let forgotten = match freezes.as_slice() {
            [] => dropped.filter(bears).map(|v| v.snapshot.snapshot).collect(),
            _ => Vec::new(),
        };
        Ok(Retained {
            job: job.to_owned(),
            host: host.to_owned(),
            store: store.to_owned(),
            policy: policy.clone(),
            verdicts,
            freezes,
            forgotten,
        })
    }

    /// Returns why nothing is to be forgotten of a group.
    fn freezes(&self, group: &Group<'_>, accepted: Accepted) -> Result<Vec<Freeze>, JobError> {
        let expects = self.config.expectation(group.job)?;
        let believed = |snapshots: &[Candidate]| -> Vec<Candidate> {
            let mut believed = snapshots.to_vec();
            believed.retain(|snapshot| doubt::doubt(snapshot, accepted.times).is_none());
            believed
        };
        let (all, present) = (believed(&group.all), believed(&group.present));
        let failed = self.failed(group)?;
        let now = SystemClock.now();
        let missing = missing(&all, expects.rpo.as_ref(), now);
        // What was saved before a restore may hold what was broken.
        let is_regular = |one: &Candidate| !one.tags.iter().any(|tag| tag == SAFETY_TAG);
        let regular: Vec<_> = present.into_iter().filter(is_regular).collect();
        let shrunk = shrunk(&regular, expects.shrink_limit_percent, accepted.shrunk);
        let burst = burst(&group.all, expects.burst_limit, accepted.burst);
        Ok([failed, missing, shrunk, burst]
            .into_iter()
            .flatten()
            .collect())
    }

    /// Returns whether the newest run of a job on this machine failed, and committed nothing since.
    fn failed(&self, group: &Group<'_>) -> Result<Option<Freeze>, JobError> {
        if !group.is_own {
            return Ok(None);
        }
        let runs = history::read(&self.places)?;
        let mut runs = runs.iter().rev();
        let newest = runs.find(|run| run.job == group.job && run.action == "backup");
        let failed = newest.filter(|run| run.snapshot.is_none());
        // Somebody else may have run it, with a history of their own.
        let since = group.all.iter().map(|snapshot| snapshot.started).max();
        Ok(failed
            .filter(|run| since.is_none_or(|since| run.started > since))
            .map(|run| Freeze::Failed {
                at: run.started,
                error: run.error.clone().unwrap_or_default(),
            }))
    }

    fn forget_dropped(
        &self,
        repository: &Repository,
        retained: &Retained,
        started: Instant,
    ) -> Result<(), JobError> {
        if retained.forgotten.is_empty() {
            return Ok(());
        }
        let why = |id: &SnapshotId| {
            let found = retained.verdicts.iter();
            let mut found = found.filter(|verdict| verdict.snapshot.snapshot == *id);
            let rules = found.next().map(|verdict| rules_for(verdict, retained));
            format!(
                "no rule of job `{}` keeps it: {}",
                retained.job,
                rules.unwrap_or_default()
            )
        };
        let which: Vec<_> = retained.forgotten.iter().map(|id| (*id, why(id))).collect();
        let result = repository.forget(&which, &self.places.host);
        let error = result.as_ref().err().map(|error| join_causes(error));
        history::add(
            &self.places,
            &history::Run {
                job: retained.job.clone(),
                action: "forget".to_owned(),
                started,
                finished: SystemClock.now(),
                outcome: if error.is_none() { "done" } else { "failed" }.to_owned(),
                snapshot: None,
                error,
            },
        );
        Ok(result?)
    }
}

/// Returns the rules that would have had to keep a snapshot, in words.
fn rules_for(verdict: &Verdict, retained: &Retained) -> String {
    let tags = verdict.snapshot.tags.iter();
    let own = tags.filter_map(|tag| {
        let rules = retained.policy.tags.get(tag)?;
        Some(format!("{tag}: {rules}"))
    });
    let own: Vec<String> = own.collect();
    match &retained.policy.keep {
        Some(rules) if own.is_empty() => rules.to_string(),
        _ => own.join("; "),
    }
}

impl<'a> Group<'a> {
    fn new(
        (job, host, store): (&'a str, &'a str, &'a str),
        snapshots: &[&(Root, Instant)],
        standing: &Standing,
    ) -> Self {
        let now = SystemClock.now();
        let hidden = standing.marks.hidden();
        let candidate = |snapshot: &&(Root, Instant)| {
            let (root, received) = snapshot;
            let held = standing.marks.hold(&root.snapshot, now);
            Candidate::new(root, *received, held.map(|held| held.reason()))
        };
        let mut all: Vec<Candidate> = snapshots.iter().map(candidate).collect();
        all.sort_by_key(order);
        let mut present = all.clone();
        present.retain(|snapshot| !hidden.contains(&snapshot.snapshot));
        Self {
            job,
            host,
            store,
            all,
            present,
            is_own: false,
        }
    }

    /// Adds what the operator says yes to now.
    fn accept(&self, held: Accepted, accept: &BTreeSet<Accept>) -> Accepted {
        let mut accepted = held;
        let newest = self.all.last().map(|snapshot| snapshot.received);
        if accept.contains(&Accept::Times) {
            accepted.times = newest.max(held.times);
        }
        if accept.contains(&Accept::Burst) {
            accepted.burst = newest.max(held.burst);
        }
        let mut believed = self.present.iter().rev();
        let believed = believed.find(|s| doubt::doubt(s, accepted.times).is_none());
        if let Some(newest) = believed.filter(|_| accept.contains(&Accept::Shrunk)) {
            accepted.shrunk = Some(Baseline {
                received: newest.received,
                size: Size::of(newest),
            });
        }
        accepted
    }
}
