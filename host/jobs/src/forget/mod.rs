//! Forgets snapshots: what no rule of a job keeps, and those that are named.
//!
//! First all of it is a value that can be shown; only then is anything changed.

/// What the operator has accepted.
pub(crate) mod accepted;

use crate::context::Context;
use crate::error::JobError;
use crate::error::keep::KeepError;
use crate::files::FileError;
use crate::history::{self, PastRun, record_run};
use crate::keys::Credentials;
use crate::open::{Access, open_repository};
use crate::retention::Candidate;
use crate::retention::freeze::{
    Accept, Baseline, Freeze, Size, find_burst, find_delay, find_shrinkage,
};
use crate::retention::plan::{Verdict, arrival_order, plan_retention};
use crate::retention::rules::{Policy, SAFETY_TAG};
use crate::retention::times::find_time_fault;
use crate::select::find_snapshot;
use accepted::{Accepted, Origin, read_accepted, write_accepted};
use holdfast_base::error::join_causes;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::Instant;
use holdfast_repository::Repository;
use holdfast_repository::forget::Standing;
use holdfast_repository::format::root::Root;
use std::collections::{BTreeMap, BTreeSet};

/// The reason in the tombstone of a snapshot that was named.
const NAMED: &str = "it was named";

/// The hosts with snapshots that are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hosts {
    /// This machine.
    #[default]
    Own,
    /// These machines.
    Named(BTreeSet<String>),
    /// All of them.
    All,
}

/// What retention is told beside the configuration.
#[derive(Debug, Clone, Default)]
pub struct RetentionOptions {
    /// Change nothing.
    pub dry_run: bool,
    /// If there are any, forget only snapshots that bear one of these tags.
    pub tags: Vec<String>,
    /// The hosts with snapshots that are looked at.
    pub hosts: Hosts,
    /// What the operator accepts.
    pub accept: BTreeSet<Accept>,
}

/// What retention came to for the snapshots of a job that one host made.
#[derive(Debug)]
pub struct HostRetention {
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
#[derive(Debug, Default)]
pub struct JobRetention {
    /// One for each host with snapshots that were looked at.
    pub hosts: Vec<HostRetention>,
    /// The other hosts, with how many snapshots each has.
    pub others: BTreeMap<String, usize>,
}

/// A job, and a store that holds snapshots of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInStore {
    /// The job.
    pub job: String,
    /// The store.
    pub store: String,
}

/// A snapshot that was forgotten because it was named, or would be.
#[derive(Debug)]
pub struct NamedSnapshot {
    /// Its id.
    pub snapshot: SnapshotId,
    /// Its job; empty if it cannot be read.
    pub job: String,
}

/// The snapshots of a job that one host made.
struct Group<'a> {
    origin: Origin<'a>,
    /// All of them, the forgotten ones too, in the order in which they came.
    all: Vec<Candidate>,
    /// Those that are not forgotten.
    present: Vec<Candidate>,
    /// Whether this machine made them, so that its history speaks of them.
    is_own: bool,
}

/// Finds the stores in which jobs have rules: of one job, or of all jobs if none is named.
///
/// # Errors
/// There is no such job or store, or no rules for it.
pub fn find_rules(
    context: &Context,
    job: Option<&str>,
    store: Option<&str>,
) -> Result<Vec<JobInStore>, JobError> {
    let config = &context.config;
    let jobs: Vec<&str> = job.map_or_else(|| config.jobs().collect(), |job| vec![job]);
    let mut found = Vec::new();
    for name in jobs {
        let stores = match store {
            Some(store) => {
                config.store(store)?;
                vec![store]
            }
            None => config.stores_of(name)?,
        };
        for store in stores {
            if config.retention(name, store)?.is_some() {
                found.push(JobInStore {
                    job: name.to_owned(),
                    store: store.to_owned(),
                });
            }
        }
    }
    match job {
        _ if !found.is_empty() => Ok(found),
        Some(job) => {
            let job = job.to_owned();
            Err(KeepError::NoRules { job }.into())
        }
        None => Err(KeepError::NoRulesAtAll.into()),
    }
}

/// Forgets one snapshot that was named; one that is named by its whole id need not be readable.
///
/// # Errors
/// There is no such snapshot, it is held, or the store failed.
pub fn forget_named(
    context: &Context,
    access: &Access,
    wanted: &str,
    is_dry: bool,
) -> Result<NamedSnapshot, JobError> {
    let repository = access.open(context)?;
    let (snapshot, job) = match wanted.parse::<SnapshotId>() {
        Ok(id) => {
            let root = repository.snapshot(&id);
            (id, root.map_or_else(|_| String::new(), |root| root.job))
        }
        Err(_) => {
            let root = find_snapshot(&repository, wanted)?;
            (root.snapshot, root.job)
        }
    };
    if !is_dry {
        repository.forget(&[(snapshot, NAMED.to_owned())], &context.places.host)?;
    }
    Ok(NamedSnapshot { snapshot, job })
}

/// Forgets after a run what a job's rules no longer keep in a store, if it has any.
pub(crate) fn forget_after_run(
    context: &Context,
    job: &str,
    store: &str,
) -> Option<Result<JobRetention, JobError>> {
    let forget = || -> Result<Option<JobRetention>, JobError> {
        if context.config.retention(job, store)?.is_none() || context.cancel.is_raised() {
            return Ok(None);
        }
        let (ours, options) = (Credentials::default(), RetentionOptions::default());
        forget_unkept(context, job, store, &ours, &options).map(Some)
    };
    forget().transpose()
}

/// Forgets what no rule of a job keeps in one of its stores.
///
/// # Errors
/// The job keeps all, or the repository failed: then each snapshot is forgotten or not.
pub fn forget_unkept(
    context: &Context,
    job: &str,
    store: &str,
    credentials: &Credentials,
    options: &RetentionOptions,
) -> Result<JobRetention, JobError> {
    let Some(policy) = context.config.retention(job, store)? else {
        let (job, store) = (job.to_owned(), store.to_owned());
        return Err(KeepError::NoRulesInStore { job, store }.into());
    };
    let started = context.clock.now();
    let repository = open_repository(context, store, credentials)?;
    let own = repository.host_or(&context.places.host);
    let standing = repository.standing()?;
    let mut came = JobRetention::default();
    for ((host, made_by), snapshots) in group_by_maker(&standing, job) {
        let is_own = host == own && made_by == own;
        let is_meant = match &options.hosts {
            Hosts::Own => is_own,
            Hosts::Named(names) => names.contains(host),
            Hosts::All => true,
        };
        if !is_meant {
            *came.others.entry(host.to_owned()).or_default() += snapshots.len();
            continue;
        }
        let origin = Origin { job, host, store };
        let mut group = Group::gather(origin, &snapshots, &standing, context.clock.now());
        group.is_own = is_own;
        let retained = decide_group(context, &group, &policy, options)?;
        if !options.dry_run {
            forget_dropped(context, &repository, &retained, started)?;
        }
        came.hosts.push(retained);
    }
    Ok(came)
}

/// Snapshots by their host, and by the host that brought them here.
type ByMaker<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a (Root, Instant)>>;

/// Groups the snapshots of a job. What another machine has copied stands apart: it cannot push out what this one
/// made or copied.
fn group_by_maker<'a>(standing: &'a Standing, job: &str) -> ByMaker<'a> {
    let mut groups = ByMaker::new();
    let of_job = standing
        .snapshots
        .iter()
        .filter(|(root, _)| root.job == job);
    for snapshot in of_job {
        let made = (snapshot.0.host.as_str(), snapshot.0.made_by());
        groups.entry(made).or_default().push(snapshot);
    }
    groups
}

/// Decides what becomes of a group, and remembers what is accepted.
fn decide_group(
    context: &Context,
    group: &Group<'_>,
    policy: &Policy,
    options: &RetentionOptions,
) -> Result<HostRetention, JobError> {
    let held = read_accepted(&context.places, group.origin)?;
    let accepted = group.extend_accepted(held, &options.accept);
    if accepted != held && !options.dry_run {
        write_accepted(&context.places, group.origin, accepted)?;
    }
    let mut freezes = find_freezes(context, group, accepted)?;
    freezes.retain(|freeze| !options.accept.contains(&freeze.accept()));
    let zone = context.config.time_zone()?;
    let verdicts = plan_retention(&group.present, policy, &zone, accepted.times);
    let bears = |verdict: &&Verdict| {
        let mut tags = options.tags.iter();
        options.tags.is_empty() || tags.any(|tag| verdict.snapshot.tags.contains(tag))
    };
    let dropped = verdicts.iter().filter(|verdict| verdict.is_dropped());
    let forgotten = match freezes.as_slice() {
        [] => dropped.filter(bears).map(|v| v.snapshot.snapshot).collect(),
        _ => Vec::new(),
    };
    let Origin { job, host, store } = group.origin;
    Ok(HostRetention {
        job: job.to_owned(),
        host: host.to_owned(),
        store: store.to_owned(),
        policy: policy.clone(),
        verdicts,
        freezes,
        forgotten,
    })
}

/// Finds the reasons for which nothing is to be forgotten of a group.
fn find_freezes(
    context: &Context,
    group: &Group<'_>,
    accepted: Accepted,
) -> Result<Vec<Freeze>, JobError> {
    let expects = context.config.expectation(group.origin.job)?;
    let believed = |snapshots: &[Candidate]| -> Vec<Candidate> {
        let mut believed = snapshots.to_vec();
        believed.retain(|snapshot| find_time_fault(snapshot, accepted.times).is_none());
        believed
    };
    let (all, present) = (believed(&group.all), believed(&group.present));
    // What was saved before a restore may hold what was broken.
    let is_regular = |one: &Candidate| !one.tags.iter().any(|tag| tag == SAFETY_TAG);
    let regular: Vec<_> = present.into_iter().filter(is_regular).collect();
    let found = [
        find_failed_run(context, group)?,
        find_delay(&all, expects.rpo.as_ref(), context.clock.now()),
        find_shrinkage(&regular, expects.shrink_limit_percent, accepted.shrunk),
        find_burst(&group.all, expects.burst_limit, accepted.burst),
    ];
    Ok(found.into_iter().flatten().collect())
}

/// Returns whether the newest run of a job on this machine failed, and committed nothing since.
fn find_failed_run(context: &Context, group: &Group<'_>) -> Result<Option<Freeze>, FileError> {
    if !group.is_own {
        return Ok(None);
    }
    let runs = history::read_runs(&context.places)?;
    let mut runs = runs.iter().rev();
    let newest = runs.find(|run| run.job == group.origin.job && run.action == "backup");
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
    context: &Context,
    repository: &Repository,
    retained: &HostRetention,
    started: Instant,
) -> Result<(), JobError> {
    if retained.forgotten.is_empty() {
        return Ok(());
    }
    let which = retained.forgotten.iter();
    let which: Vec<_> = which.map(|id| (*id, explain_drop(retained, id))).collect();
    let result = repository.forget(&which, &context.places.host);
    let error = result.as_ref().err().map(|error| join_causes(error));
    let run = PastRun {
        job: retained.job.clone(),
        action: "forget".to_owned(),
        started,
        finished: context.clock.now(),
        outcome: if error.is_none() { "done" } else { "failed" }.to_owned(),
        snapshot: None,
        error,
    };
    record_run(&context.places, &run);
    Ok(result?)
}

/// Explains in words why a snapshot is forgotten.
fn explain_drop(retained: &HostRetention, id: &SnapshotId) -> String {
    let mut verdicts = retained.verdicts.iter();
    let verdict = verdicts.find(|verdict| verdict.snapshot.snapshot == *id);
    let rules = verdict.map(|verdict| describe_rules(verdict, &retained.policy));
    let (job, rules) = (&retained.job, rules.unwrap_or_default());
    format!("no rule of job `{job}` keeps it: {rules}")
}

/// Returns the rules that would have had to keep a snapshot, in words.
fn describe_rules(verdict: &Verdict, policy: &Policy) -> String {
    let tags = verdict.snapshot.tags.iter();
    let own = tags.filter_map(|tag| {
        let rules = policy.tags.get(tag)?;
        Some(format!("{tag}: {rules}"))
    });
    let own: Vec<String> = own.collect();
    match &policy.keep {
        Some(rules) if own.is_empty() => rules.to_string(),
        _ => own.join("; "),
    }
}

impl<'a> Group<'a> {
    fn gather(
        origin: Origin<'a>,
        snapshots: &[&(Root, Instant)],
        standing: &Standing,
        now: Instant,
    ) -> Self {
        let hidden = standing.marks.hidden();
        let candidate = |snapshot: &&(Root, Instant)| {
            let (root, received) = snapshot;
            let held = standing.marks.hold(&root.snapshot, now);
            Candidate::new(root, *received, held.map(|held| held.reason()))
        };
        let mut all: Vec<Candidate> = snapshots.iter().map(candidate).collect();
        all.sort_by_key(arrival_order);
        let mut present = all.clone();
        present.retain(|snapshot| !hidden.contains(&snapshot.snapshot));
        Self {
            origin,
            all,
            present,
            is_own: false,
        }
    }

    /// Adds what the operator accepts now.
    fn extend_accepted(&self, held: Accepted, accept: &BTreeSet<Accept>) -> Accepted {
        let mut accepted = held;
        let newest = self.all.last().map(|snapshot| snapshot.received);
        if accept.contains(&Accept::Times) {
            accepted.times = newest.max(held.times);
        }
        if accept.contains(&Accept::Burst) {
            accepted.burst = newest.max(held.burst);
        }
        let mut believed = self.present.iter().rev();
        let believed = believed.find(|s| find_time_fault(s, accepted.times).is_none());
        if let Some(newest) = believed.filter(|_| accept.contains(&Accept::Shrunk)) {
            accepted.shrunk = Some(Baseline {
                received: newest.received,
                size: Size::of(newest),
            });
        }
        accepted
    }
}
