//! The plan: for each snapshot of a job, what keeps it; and those that nothing keeps.
//!
//! - The newest snapshot is always kept, and so is what is held and whose times are not believed.
//! - Of each period the first snapshot is kept that the store received: nothing that comes later, forged
//!   or not, takes its place.
//! - Which snapshots are the last is told by when they came: a copy of an old one, made today, is old.
//! - Lifetimes count back from the newest snapshot, not from a clock: of a job that no longer runs, nothing
//!   grows too old.
//! - A snapshot with a tag that has rules of its own is kept by those alone, and counts for no other rule.

use super::Candidate;
use super::rules::{Policy, Rules};
use super::times::{TimeFault, find_time_fault};
use holdfast_base::time::Instant;
use jiff::tz::TimeZone;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

/// What keeps a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is held.
    Held(String),
    /// Its times are not believed.
    TimeFault(TimeFault),
    /// It is the newest of its job.
    Newest,
    /// The job has no rules for such snapshots.
    NoRules,
    /// A rule keeps it.
    Rule {
        /// The tag whose rule it is.
        tag: Option<String>,
        /// The rule, and what it is for that: `daily 2026-11-21`.
        rule: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(reason) => write!(f, "held: {reason}"),
            Self::TimeFault(fault) => write!(f, "{fault}"),
            Self::Newest => f.write_str("newest"),
            Self::NoRules => f.write_str("no rules"),
            Self::Rule { tag: None, rule } => f.write_str(rule),
            Self::Rule {
                tag: Some(tag),
                rule,
            } => write!(f, "{tag}: {rule}"),
        }
    }
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The snapshot.
    pub snapshot: Candidate,
    /// What keeps it; nothing if it is to be forgotten.
    pub keeps: Vec<Why>,
}

impl Verdict {
    /// Returns whether it is to be forgotten.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.keeps.is_empty()
    }
}

/// Decides what becomes of the snapshots of one job of one host; oldest first.
#[must_use]
pub fn plan_retention(
    snapshots: &[Candidate],
    policy: &Policy,
    zone: &TimeZone,
    vouched: Option<Instant>,
) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = snapshots
        .iter()
        .map(|snapshot| judge_alone(snapshot, vouched))
        .collect();
    verdicts.sort_by_key(|verdict| arrival_order(&verdict.snapshot));
    let is_believed = |at: &usize| {
        let mut keeps = verdicts[*at].keeps.iter();
        !keeps.any(|why| matches!(why, Why::TimeFault(_)))
    };
    let believed: Vec<usize> = (0..verdicts.len()).filter(is_believed).collect();
    let Some(newest) = believed.last().copied() else {
        return verdicts;
    };
    let now = verdicts[newest].snapshot.when();
    let has_rules = |at: &usize| {
        let mut tags = verdicts[*at].snapshot.tags.iter();
        tags.any(|tag| policy.tags.contains_key(tag))
    };
    let (tagged, plain): (Vec<usize>, Vec<usize>) = believed.iter().partition(|at| has_rules(at));
    verdicts[newest].keeps.push(Why::Newest);
    // The newest may be one that its tag does not keep for long.
    if let Some(last) = plain.last().filter(|last| **last != newest) {
        verdicts[*last].keeps.push(Why::Newest);
    }
    match &policy.keep {
        Some(rules) => apply_rules(rules, None, &plain, now, zone, &mut verdicts),
        None => plain
            .iter()
            .for_each(|at| verdicts[*at].keeps.push(Why::NoRules)),
    }
    for (tag, rules) in &policy.tags {
        let bears = |at: &usize| verdicts[*at].snapshot.tags.contains(tag);
        let own: Vec<usize> = tagged.iter().copied().filter(bears).collect();
        apply_rules(rules, Some(tag), &own, now, zone, &mut verdicts);
    }
    verdicts
}

/// Returns what keeps a snapshot, whatever other snapshots there are.
fn judge_alone(snapshot: &Candidate, vouched: Option<Instant>) -> Verdict {
    let held = snapshot.held.clone().map(Why::Held);
    let fault = find_time_fault(snapshot, vouched).map(Why::TimeFault);
    Verdict {
        snapshot: snapshot.clone(),
        keeps: held.into_iter().chain(fault).collect(),
    }
}

/// The order in which snapshots came, wherever they came first.
pub(crate) fn arrival_order(snapshot: &Candidate) -> impl Ord + use<> {
    (snapshot.came(), snapshot.when(), snapshot.snapshot)
}

/// The order in which the store received them.
fn local_order(snapshot: &Candidate) -> impl Ord + use<> {
    (snapshot.received, snapshot.when(), snapshot.snapshot)
}

/// Adds what some rules keep of the snapshots at these places, which are in order.
fn apply_rules(
    rules: &Rules,
    tag: Option<&str>,
    places: &[usize],
    now: Instant,
    zone: &TimeZone,
    verdicts: &mut [Verdict],
) {
    let when = |at: usize| verdicts[at].snapshot.when();
    let mut kept: Vec<(usize, String)> = Vec::new();
    if let Some(count) = rules.last {
        let newest = places.iter().rev().take(count.get() as usize);
        kept.extend(newest.enumerate().map(|(n, at)| {
            let rule = format!("last {} of {count}", n + 1);
            (*at, rule)
        }));
    }
    let mut received = places.to_vec();
    received.sort_by_key(|at| local_order(&verdicts[*at].snapshot));
    for (period, count) in &rules.periods {
        let mut names = HashSet::new();
        let mut firsts: Vec<(Instant, usize, String)> = received
            .iter()
            .map(|at| (when(*at), *at, period.name(when(*at), zone)))
            .filter(|(_, _, name)| names.insert(name.clone()))
            .collect();
        firsts.sort_by_key(|(when, at, _)| Reverse((*when, *at)));
        let newest = firsts.into_iter().take(count.get() as usize);
        kept.extend(newest.map(|(_, at, name)| (at, format!("{} {name}", period.rule()))));
    }
    if let Some(lifetime) = &rules.within {
        let from = lifetime.before(now, zone);
        let young = places.iter().filter(|at| when(**at) > from);
        kept.extend(young.map(|at| (*at, format!("within {lifetime}"))));
    }
    for (at, rule) in kept {
        let tag = tag.map(str::to_owned);
        verdicts[at].keeps.push(Why::Rule { tag, rule });
    }
}

#[cfg(test)]
mod tests;
