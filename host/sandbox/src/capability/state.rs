//! Durable values of the job, for plugins that were granted them.

use super::{Answer, Guest, failure, of_io};
use crate::bindings::v1::shared::state::Host;
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::limits::STATE_VALUE_BYTES_MAX;

impl Guest {
    fn may_keep(&self) -> Result<(), Failure> {
        Ok(self.context.effective.state(&self.asker())?)
    }
}

impl Host for Guest {
    fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        Ok(self
            .may_keep()
            .and_then(|()| self.context.state.get(&key).map_err(|e| of_io(&e))))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        if value.len() > STATE_VALUE_BYTES_MAX || key.len() > 1024 {
            let message = format!(
                "a value of {} bytes under a key of {}",
                value.len(),
                key.len()
            );
            return Ok(Err(failure(FailureKind::Limit, message)));
        }
        let set = || {
            self.context
                .state
                .set(&key, Some(value))
                .map_err(|e| of_io(&e))
        };
        Ok(self.may_keep().and_then(|()| set()))
    }

    fn remove(&mut self, key: String) -> Answer<()> {
        let remove = || self.context.state.set(&key, None).map_err(|e| of_io(&e));
        Ok(self.may_keep().and_then(|()| remove()))
    }

    fn keys(&mut self) -> Answer<Vec<String>> {
        Ok(self
            .may_keep()
            .and_then(|()| self.context.state.keys().map_err(|e| of_io(&e))))
    }
}
