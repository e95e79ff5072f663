//! Durable values of a job. What a run writes is kept only when the run has committed.

use crate::error::JobError;
use crate::plugins::write_whole;
use holdfast_base::sync::Unpoisoned;
use holdfast_sandbox::ports::StatePort;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// Most bytes of all values of a job.
const STATE_BYTES_MAX: usize = 16 << 20;

type Values = BTreeMap<String, Vec<u8>>;

/// The values of one job, during a run.
pub struct JobState {
    path: PathBuf,
    values: Mutex<Values>,
}

impl JobState {
    /// Reads the values that the last committed run left.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub fn open(path: &Path) -> Result<Self, JobError> {
        let action = || format!("read the job's values in `{}`", path.display());
        let values = match std::fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|e| JobError::io(action())(e.into()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Values::new(),
            Err(error) => return Err(JobError::io(action())(error)),
        };
        Ok(Self {
            path: path.to_owned(),
            values: Mutex::new(values),
        })
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock_unpoisoned()
    }

    /// Keeps what the run wrote.
    ///
    /// # Errors
    /// The values cannot be written.
    pub fn commit(&self) -> Result<(), JobError> {
        let values = self.values();
        if values.is_empty() && !self.path.exists() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&*values).unwrap_or_default();
        let action = format!("write the job's values to `{}`", self.path.display());
        write_whole(&self.path, &bytes).map_err(JobError::io(action))
    }
}

impl StatePort for JobState {
    fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.values().get(key).cloned())
    }

    fn set(&self, key: &str, value: Option<Vec<u8>>) -> io::Result<()> {
        let mut values = self.values();
        let Some(value) = value else {
            values.remove(key);
            return Ok(());
        };
        let held: usize = values
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if held + value.len() > STATE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the job's values have grown too large",
            ));
        }
        values.insert(key.to_owned(), value);
        Ok(())
    }

    fn keys(&self) -> io::Result<Vec<String>> {
        Ok(self.values().keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_only_when_the_run_commits() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state");
        let state = JobState::open(&path).unwrap();
        state.set("lsn", Some(vec![1])).unwrap();
        drop(state);
        assert_eq!(JobState::open(&path).unwrap().get("lsn").unwrap(), None);
        let state = JobState::open(&path).unwrap();
        state.set("lsn", Some(vec![2])).unwrap();
        state.commit().unwrap();
        assert_eq!(
            JobState::open(&path).unwrap().get("lsn").unwrap(),
            Some(vec![2])
        );
    }
}
