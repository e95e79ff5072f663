//! What the operator has said yes to: sizes that shrank, bursts, and times that the store set anew.
//!
//! It is kept on this machine, beside the job's values. Losing it forgets nothing: it freezes again.

use super::freeze::Baseline;
use crate::error::JobError;
use crate::places::Places;
use crate::plugins::write_whole;
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// What was accepted of the snapshots of one host in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Accepted {
    /// The size that counts from now on.
    pub shrunk: Option<Baseline>,
    /// What the store received until then came rightly.
    pub burst: Option<Instant>,
    /// What the store received until then is as old as it says.
    pub times: Option<Instant>,
}

/// What was accepted of one job: by store and host.
type Held = BTreeMap<String, BTreeMap<String, Accepted>>;

fn path(places: &Places, job: &str) -> PathBuf {
    places.state.join(format!("{job}.accepted"))
}

fn read_all(places: &Places, job: &str) -> Result<Held, JobError> {
    let path = path(places, job);
    let action = || format!("read what was accepted in `{}`", path.display());
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| JobError::io(action())(e.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Held::new()),
        Err(error) => Err(JobError::io(action())(error)),
    }
}

/// Returns what was accepted.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(places: &Places, job: &str, store: &str, host: &str) -> Result<Accepted, JobError> {
    let all = read_all(places, job)?;
    let accepted = all.get(store).and_then(|hosts| hosts.get(host));
    Ok(accepted.copied().unwrap_or_default())
}

/// Remembers what was accepted.
///
/// # Errors
/// It cannot be written.
pub fn write(
    places: &Places,
    job: &str,
    store: &str,
    host: &str,
    accepted: Accepted,
) -> Result<(), JobError> {
    let mut all = read_all(places, job)?;
    let hosts = all.entry(store.to_owned()).or_default();
    hosts.insert(host.to_owned(), accepted);
    let path = path(places, job);
    let bytes = serde_json::to_vec(&all).unwrap_or_default();
    let action = format!("write what was accepted to `{}`", path.display());
    write_whole(&path, &bytes).map_err(JobError::io(action))
}
