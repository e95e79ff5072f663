//! Granted secrets. The guest sees the content of one only where the grant says so.

use super::{Answer, Guest, failure, of_io};
use crate::bindings::v1::shared::secrets::Host;
use crate::bindings::v1::shared::types::FailureKind;

impl Host for Guest {
    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self
            .context
            .effective
            .secrets
            .iter()
            .map(|(name, _)| name.clone())
            .collect())
    }

    fn reveal(&mut self, name: String) -> Answer<Vec<u8>> {
        let granted = self
            .context
            .effective
            .secrets
            .iter()
            .find(|(held, _)| *held == name);
        Ok(match granted {
            Some((_, true)) => self.context.secrets.resolve(&name).map_err(|e| of_io(&e)),
            Some((_, false)) => Err(failure(
                FailureKind::Denied,
                format!(
                    "plugin `{}` may hand on secret `{name}`, but not see it",
                    self.plugin
                ),
            )),
            None => Err(self.denied(
                &format!("see secret `{name}`"),
                &format!("{name} = {{ secret = \"file:…\" }}"),
            )),
        })
    }
}
