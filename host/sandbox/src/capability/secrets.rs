//! Granted secrets. The guest sees the content of one only if the grant says so.

use super::guest::Guest;
use crate::contract::Failure;

impl Guest {
    /// Returns the names of the secrets that may be handed on.
    pub(crate) fn secret_names(&self) -> Vec<String> {
        let granted = self.context.effective.open_secrets();
        granted.map(|rule| rule.name.clone()).collect()
    }

    /// Returns the content of a secret.
    pub(crate) fn reveal_secret(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let checked = self.context.effective.check_reveal(&self.asker(), name);
        checked.map_err(|denial| self.denied(&denial))?;
        self.resolve_secret(name)
    }
}
