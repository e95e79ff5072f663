//! What ran, when, and how it ended: one line of JSON for each run.

use crate::files::FileError;
use crate::places::Places;
use holdfast_base::time::Instant;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Write};

/// A run that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PastRun {
    /// The job.
    pub job: String,
    /// What was done: `backup`, `save` (before a restore), `copy`, `verify`, `restore` or `forget`.
    pub action: String,
    /// When it began.
    pub started: Instant,
    /// When it ended.
    pub finished: Instant,
    /// `done`, `warnings`, `damage` or `failed`.
    pub outcome: String,
    /// The snapshot that it made or read.
    pub snapshot: Option<String>,
    /// What went wrong, in one line.
    pub error: Option<String>,
}

/// Records a run. A history that cannot be written is no reason to fail a backup that is committed.
pub(crate) fn record_run(places: &Places, run: &PastRun) {
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(&places.state)?;
        let path = places.state.join("history.jsonl");
        let mut line = serde_json::to_vec(run)?;
        line.push(b'\n');
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?
            .write_all(&line)
    };
    if let Err(error) = write() {
        tracing::warn!(%error, "the run is not in the history");
    }
}

/// Returns the runs, oldest first; lines that cannot be read are passed over.
///
/// # Errors
/// The history is there and cannot be read.
pub fn read_runs(places: &Places) -> Result<Vec<PastRun>, FileError> {
    let path = places.state.join("history.jsonl");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(FileError::about("read", &path)(error)),
    }
}
