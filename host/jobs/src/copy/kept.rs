//! Which snapshots another store would keep, if they came there now.
//!
//! A copy that the rules there forget again would only travel, and be brought back after each time that it
//! was forgotten. So the rules are asked first, as if all of them were there already.

use crate::context::Context;
use crate::error::JobError;
use crate::forget::accepted::{Origin, read_accepted};
use crate::retention::Candidate;
use crate::retention::plan::plan_retention;
use crate::retention::rules::Policy;
use holdfast_base::error::join_causes;
use holdfast_base::id::SnapshotId;
use holdfast_base::time::Instant;
use holdfast_repository::Repository;
use holdfast_repository::forget::Standing;
use holdfast_repository::format::root::Root;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Returns the snapshots that the rules for a store would keep there; all of them if it is not known what is there.
pub(super) fn filter_kept(
    context: &Context,
    store: &str,
    target: &Repository,
    missing: Vec<Root>,
) -> Vec<Root> {
    match find_unwanted(context, store, target, &missing) {
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

/// Finds the snapshots that no rule would keep in a store.
fn find_unwanted(
    context: &Context,
    store: &str,
    target: &Repository,
    missing: &[Root],
) -> Result<HashSet<SnapshotId>, JobError> {
    let policies = find_policies(context, store, missing)?;
    if policies.is_empty() {
        return Ok(HashSet::new());
    }
    let standing = target.standing()?;
    let here = target.host_or(&context.places.host);
    let (zone, now) = (context.config.time_zone()?, context.clock.now());
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
        let vouched = read_accepted(&context.places, Origin { job, host, store })?.times;
        let coming = missing.iter().filter(is_ours);
        let coming = coming.map(|root| as_copy(root, now)).collect();
        let is_meant = |root: &Root| is_ours(&root) && root.made_by() == here;
        let present = list_present(&standing, now, &is_meant);
        unwanted.extend(find_dropped(coming, present, policy, &zone, vouched));
    }
    Ok(unwanted)
}

/// Returns the rules that jobs of some snapshots have for a store.
fn find_policies<'a>(
    context: &Context,
    store: &str,
    missing: &'a [Root],
) -> Result<BTreeMap<&'a str, Policy>, JobError> {
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
    Ok(policies)
}

/// Lists what a store holds and has not forgotten.
fn list_present(
    standing: &Standing,
    now: Instant,
    is_meant: &dyn Fn(&Root) -> bool,
) -> Vec<Candidate> {
    let hidden = standing.marks.hidden();
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
fn as_copy(root: &Root, now: Instant) -> Candidate {
    Candidate {
        is_copy: true,
        ..Candidate::new(root, now, None)
    }
}

/// Finds the snapshots that the rules would drop of what comes.
fn find_dropped(
    coming: Vec<Candidate>,
    present: Vec<Candidate>,
    policy: &Policy,
    zone: &TimeZone,
    vouched: Option<Instant>,
) -> HashSet<SnapshotId> {
    let ids: HashSet<_> = coming.iter().map(|one| one.snapshot).collect();
    let all: Vec<Candidate> = present.into_iter().chain(coming).collect();
    let verdicts = plan_retention(&all, policy, zone, vouched);
    let dropped = verdicts.iter().filter(|verdict| verdict.is_dropped());
    let dropped = dropped.map(|verdict| verdict.snapshot.snapshot);
    dropped.filter(|id| ids.contains(id)).collect()
}

#[cfg(test)]
mod tests;
