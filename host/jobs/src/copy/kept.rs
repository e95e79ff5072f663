//! Which snapshots another store would keep, if they came there now.
//!
//! A copy that the rules there forget again would only travel, and be brought back after each time that it
//! was forgotten. So the rules are asked first, as if all of them were there already.

use crate::error::JobError;
use crate::open::Context;
use crate::retention::plan::plan;
use crate::retention::rules::Policy;
use crate::retention::{Candidate, accepted};
use holdfast_base::error::join_causes;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_repository::Repository;
use holdfast_repository::forget::Standing;
use holdfast_repository::format::root::Root;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Returns those of some snapshots that the rules for a store keep there; all of them, where it is not known
/// what is there.
pub(super) fn kept(
    context: &Context,
    store: &str,
    target: &Repository,
    missing: Vec<Root>,
) -> Vec<Root> {
    match unwanted(context, store, target, &missing) {
        Ok(unwanted) => {
            let mut kept = missing;
            kept.retain(|root| !unwanted.contains(&root.snapshot));
            kept
        }
        Err(error) => {
            let error = join_causes(&error);
            tracing::warn!(error, "whether store `{store}` keeps them is not known");
            missing
        }
    }
}

fn unwanted(
    context: &Context,
    store: &str,
    target: &Repository,
    missing: &[Root],
) -> Result<HashSet<SnapshotId>, JobError> {
    let jobs: BTreeSet<&str> = missing.iter().map(|root| root.job.as_str()).collect();
    let mut policies = BTreeMap::new();
    for job in jobs {
        // The configuration of this machine need not have all jobs.
        if context.config.job(job).is_ok()
            && let Some(policy) = context.config.retention(job, store)?
        {
            policies.insert(job, policy);
        }
    }
    if policies.is_empty() {
        return Ok(HashSet::new());
    }
    let standing = target.standing()?;
    let here = target.host_or(&context.places.host);
    let zone = context.config.time_zone()?;
    let groups: BTreeSet<(&str, &str)> = missing
        .iter()
        .map(|root| (root.job.as_str(), root.host.as_str()))
        .collect();
    let mut unwanted = HashSet::new();
    for (job, host) in groups {
        let Some(policy) = policies.get(job) else {
            continue;
        };
        let is_ours = |root: &&Root| root.job == job && root.host == host;
        let vouched = accepted::read(&context.places, job, store, host)?.times;
        let come = missing.iter().filter(is_ours).map(coming).collect();
        let there = there(&standing, &|root| is_ours(&root) && root.made_by() == here);
        unwanted.extend(dropped(come, there, policy, &zone, vouched));
    }
    Ok(unwanted)
}

/// Returns what stands in a store, and is not forgotten.
fn there(standing: &Standing, is_meant: &dyn Fn(&Root) -> bool) -> Vec<Candidate> {
    let (hidden, now) = (standing.marks.hidden(), SystemClock.now());
    let present = standing
        .snapshots
        .iter()
        .filter(|(root, _)| is_meant(root) && !hidden.contains(&root.snapshot));
    present
        .map(|(root, received)| {
            let held = standing.marks.hold(&root.snapshot, now);
            Candidate::new(root, *received, held.map(|held| held.reason()))
        })
        .collect()
}

/// Returns what a snapshot will be to retention as soon as a copy of it is there.
fn coming(root: &Root) -> Candidate {
    Candidate {
        is_copy: true,
        ..Candidate::new(root, SystemClock.now(), None)
    }
}

/// Returns those that the rules would drop of what comes.
fn dropped(
    come: Vec<Candidate>,
    there: Vec<Candidate>,
    policy: &Policy,
    zone: &TimeZone,
    vouched: Option<Instant>,
) -> HashSet<SnapshotId> {
    let ids: HashSet<_> = come.iter().map(|one| one.snapshot).collect();
    let all: Vec<Candidate> = there.into_iter().chain(come).collect();
    let verdicts = plan(&all, policy, zone, vouched);
    let dropped = verdicts.iter().filter(|verdict| verdict.is_dropped());
    let dropped = dropped.map(|verdict| verdict.snapshot.snapshot);
    dropped.filter(|id| ids.contains(id)).collect()
}

#[cfg(test)]
mod tests;
