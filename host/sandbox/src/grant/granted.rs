//! What the operator granted when a plugin was installed: the grant that `plugins.lock` keeps.

use crate::manifest::{Ask, Manifest};
use serde::{Deserialize, Serialize};

/// What the operator granted one installed plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grant {
    /// What was asked for and granted.
    #[serde(default)]
    pub capabilities: Vec<Ask>,
    /// If any are named, only these programs may be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_commands: Vec<String>,
}

impl Grant {
    /// Returns what the manifest asks for beyond what was granted: any of it needs a new grant.
    #[must_use]
    pub fn list_missing<'a>(&self, manifest: &'a Manifest) -> Vec<&'a Ask> {
        manifest
            .capabilities
            .iter()
            .filter(|ask| !self.covers(ask))
            .collect()
    }

    /// Returns whether a request was granted.
    pub(super) fn covers(&self, ask: &Ask) -> bool {
        self.capabilities
            .iter()
            .any(|granted| is_within(ask, granted))
    }
}

/// Returns whether granting `granted` grants `ask` too.
fn is_within(ask: &Ask, granted: &Ask) -> bool {
    if ask.from_setting() != granted.from_setting() {
        return false;
    }
    match (granted, ask) {
        (Ask::Trees { access: held, .. }, Ask::Trees { access: wanted, .. }) => held >= wanted,
        (
            Ask::Process { commands: held, .. },
            Ask::Process {
                commands: wanted, ..
            },
        ) => wanted.iter().all(|command| held.contains(command)),
        (Ask::Secrets { reveal: held, .. }, Ask::Secrets { reveal: wanted, .. }) => held >= wanted,
        (Ask::Net { .. }, Ask::Net { .. })
        | (Ask::Http { .. }, Ask::Http { .. })
        | (Ask::State { .. }, Ask::State { .. }) => true,
        _ => false,
    }
}
