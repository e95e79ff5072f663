//! How granted commands are run: as whom, where, within which limits, and what they may reach.

use holdfast_process::{LandlockRules, ResourceLimits};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The name of the terms for every program that has none of its own.
pub const ANY_PROGRAM: &str = "*";

/// How one program is run. The default is: as we run ourselves, with everything our user may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TermsTable {
    /// The user and group it runs as.
    pub user: Option<(u32, u32)>,
    /// Where it starts; `/` by default.
    pub directory: Option<PathBuf>,
    /// Variables of its environment; they win over the plugin's.
    pub environment: BTreeMap<String, String>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// What it may use up.
    pub limits: ResourceLimits,
    /// What it may reach of the file system; everything that its user may if none is given.
    pub landlock: Option<LandlockRules>,
}

/// How the programs of a job are run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms(pub BTreeMap<String, TermsTable>);

impl Terms {
    /// Returns how a program is run: by its own table, or by the one for any program.
    #[must_use]
    pub fn for_program(&self, program: &str) -> TermsTable {
        let table = self.0.get(self.table_name(program));
        table.cloned().unwrap_or_default()
    }

    /// Returns the name of the table by which a program is run.
    #[must_use]
    pub fn table_name<'a>(&self, program: &'a str) -> &'a str {
        if self.0.contains_key(program) {
            program
        } else {
            ANY_PROGRAM
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_its_own_comes_before_that_for_any_program() {
        let seconds = |seconds| TermsTable {
            timeout: Some(Duration::from_secs(seconds)),
            ..TermsTable::default()
        };
        let terms = Terms(BTreeMap::from([
            ("sh".to_owned(), seconds(1)),
            (ANY_PROGRAM.to_owned(), seconds(2)),
        ]));
        assert_eq!(terms.for_program("sh"), seconds(1));
        assert_eq!(terms.for_program("tar"), seconds(2));
        assert_eq!(Terms::default().for_program("sh"), TermsTable::default());
    }
}
