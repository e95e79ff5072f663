//! Granted secrets. The guest sees the content of one only where the grant says so.

use super::{Answer, Guest, of_io};
use crate::bindings::v1::shared::secrets::Host;
use crate::bindings::v1::shared::types::Failure;

impl Host for Guest {
    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        let granted = self.context.effective.open_secrets();
        Ok(granted.map(|rule| rule.name.clone()).collect())
    }

    fn reveal(&mut self, name: String) -> Answer<Vec<u8>> {
        let reveal = || -> Result<Vec<u8>, Failure> {
            self.context.effective.reveal(&self.asker(), &name)?;
            let secret = self.context.secrets.resolve(&name);
            let secret = secret.map_err(|e| of_io(&e))?;
            self.hidden.add(&secret);
            Ok(secret)
        };
        Ok(reveal())
    }
}
