//! Durable values of a job. What a run writes is kept only when the run has committed.

use crate::files::{FileError, read_if_present, write_whole};
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
pub(crate) struct JobState {
    /// The file that keeps them; none if they end with the call.
    path: Option<PathBuf>,
    values: Mutex<Values>,
}

impl JobState {
    /// Reads the values that the last committed run left.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub(crate) fn read_from(path: &Path) -> Result<Self, FileError> {
        let read = read_if_present(path).and_then(|bytes| match bytes {
            Some(bytes) => Ok(serde_json::from_slice(&bytes)?),
            None => Ok(Values::new()),
        });
        let values = read.map_err(FileError::about("read the job's values in", path))?;
        Ok(Self {
            path: Some(path.to_owned()),
            values: Mutex::new(values),
        })
    }

    /// Returns values that end with the call: nothing was there before, and nothing is kept.
    pub(crate) fn unsaved() -> Self {
        Self {
            path: None,
            values: Mutex::default(),
        }
    }

    fn lock_values(&self) -> MutexGuard<'_, Values> {
        self.values.lock_unpoisoned()
    }

    /// Keeps what the run wrote.
    ///
    /// # Errors
    /// The values cannot be written.
    pub(crate) fn commit(&self) -> Result<(), FileError> {
        let values = self.lock_values();
        let Some(path) = self.path.as_deref() else {
            return Ok(());
        };
        if values.is_empty() && !path.exists() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&*values).unwrap_or_default();
        let failed = FileError::about("write the job's values to", path);
        write_whole(path, &bytes).map_err(failed)
    }
}

impl StatePort for JobState {
    fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.lock_values().get(key).cloned())
    }

    fn set(&self, key: &str, value: Option<Vec<u8>>) -> io::Result<()> {
        let mut values = self.lock_values();
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
        Ok(self.lock_values().keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_only_when_the_run_commits() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state");
        let state = JobState::read_from(&path).unwrap();
        state.set("lsn", Some(vec![1])).unwrap();
        drop(state);
        assert_eq!(
            JobState::read_from(&path).unwrap().get("lsn").unwrap(),
            None
        );
        let state = JobState::read_from(&path).unwrap();
        state.set("lsn", Some(vec![2])).unwrap();
        state.commit().unwrap();
        assert_eq!(
            JobState::read_from(&path).unwrap().get("lsn").unwrap(),
            Some(vec![2])
        );
    }
}
