//! Secrets and durable values.

use super::shared::{secrets, state};
use crate::capability::Guest;
use crate::capability::failure::Answer;

impl secrets::Host for Guest {
    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.secret_names())
    }

    fn reveal(&mut self, name: String) -> Answer<Vec<u8>> {
        Ok(self.reveal_secret(&name))
    }
}

impl state::Host for Guest {
    fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        Ok(self.state_value(&key))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        Ok(self.set_state_value(&key, Some(value)))
    }

    fn remove(&mut self, key: String) -> Answer<()> {
        Ok(self.set_state_value(&key, None))
    }

    fn keys(&mut self) -> Answer<Vec<String>> {
        Ok(self.state_keys())
    }
}
