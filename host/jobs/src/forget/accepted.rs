//! What the operator has said yes to: sizes that shrank, bursts, and times that the store set anew.
//!
//! It is kept on this machine, beside the job's values. Losing it forgets nothing: it freezes again.

use crate::files::{FileError, read_if_present, write_whole};
use crate::places::Places;
use crate::retention::freeze::Baseline;
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What was accepted of the snapshots of one host in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Accepted {
    /// The size that counts from now on.
    pub shrunk: Option<Baseline>,
    /// What the store received until then came rightly.
    pub burst: Option<Instant>,
    /// What the store received until then is as old as it says.
    pub times: Option<Instant>,
}

/// What was accepted of one job: by store and host.
type ByStore = BTreeMap<String, BTreeMap<String, Accepted>>;

/// The snapshots of a job that one host made, in one store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) job: &'a str,
    pub(crate) host: &'a str,
    pub(crate) store: &'a str,
}

fn accepted_file(places: &Places, job: &str) -> PathBuf {
    places.state.join(format!("{job}.accepted"))
}

fn read_all(places: &Places, job: &str) -> Result<ByStore, FileError> {
    let path = accepted_file(places, job);
    let read = read_if_present(&path).and_then(|bytes| match bytes {
        Some(bytes) => Ok(serde_json::from_slice(&bytes)?),
        None => Ok(ByStore::new()),
    });
    read.map_err(FileError::about("read what was accepted in", &path))
}

/// Reads what was accepted.
pub(crate) fn read_accepted(places: &Places, of: Origin<'_>) -> Result<Accepted, FileError> {
    let all = read_all(places, of.job)?;
    let accepted = all.get(of.store).and_then(|hosts| hosts.get(of.host));
    Ok(accepted.copied().unwrap_or_default())
}

/// Writes what was accepted.
pub(crate) fn write_accepted(
    places: &Places,
    of: Origin<'_>,
    accepted: Accepted,
) -> Result<(), FileError> {
    let mut all = read_all(places, of.job)?;
    let hosts = all.entry(of.store.to_owned()).or_default();
    hosts.insert(of.host.to_owned(), accepted);
    let path = accepted_file(places, of.job);
    let bytes = serde_json::to_vec(&all).unwrap_or_default();
    let failed = FileError::about("write what was accepted to", &path);
    write_whole(&path, &bytes).map_err(failed)
}
