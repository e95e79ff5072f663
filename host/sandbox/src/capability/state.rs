//! Durable values of the job, for plugins that were granted them.

use super::failure::{failure, io_failure};
use super::guest::Guest;
use crate::contract::{Failure, FailureKind};
use crate::limits::STATE_VALUE_BYTES_MAX;

/// Longest key of a value.
const KEY_BYTES_MAX: usize = 1024;

impl Guest {
    fn check_state(&self) -> Result<(), Failure> {
        let checked = self.context.effective.check_state(&self.asker());
        checked.map_err(|denial| self.denied(&denial))
    }

    /// Returns a value.
    pub(crate) fn state_value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.check_state()?;
        self.context.state.get(key).map_err(|e| io_failure(&e))
    }

    /// Sets a value, or removes it if none is given.
    pub(crate) fn set_state_value(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), Failure> {
        if let Some(value) = &value
            && (value.len() > STATE_VALUE_BYTES_MAX || key.len() > KEY_BYTES_MAX)
        {
            let message = format!(
                "a value of {} bytes under a key of {}",
                value.len(),
                key.len()
            );
            return Err(failure(FailureKind::Limit, message));
        }
        self.check_state()?;
        self.context
            .state
            .set(key, value)
            .map_err(|e| io_failure(&e))
    }

    /// Returns the keys of all values.
    pub(crate) fn state_keys(&self) -> Result<Vec<String>, Failure> {
        self.check_state()?;
        self.context.state.keys().map_err(|e| io_failure(&e))
    }
}
