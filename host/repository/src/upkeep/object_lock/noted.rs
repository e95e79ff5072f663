//! Until when objects are locked, as this machine has seen it: so that a run does not ask about each of them.
//!
//! Nothing depends on it but how often a store is asked. `holdfast lock` does not look here, and asks.

use crate::repository::Repository;
use holdfast_base::time::Instant;
use holdfast_store::{Name, RetentionMode, Term};
use std::collections::HashMap;
use std::path::PathBuf;

/// Until when objects are locked.
pub(super) struct Noted {
    terms: HashMap<Name, Term>,
    is_new: bool,
}

impl Noted {
    /// Reads what is noted in the cache; what cannot be read is not known.
    pub(super) fn read(repository: &Repository) -> Self {
        let text = notes_path(repository).and_then(|path| std::fs::read_to_string(path).ok());
        let text = text.unwrap_or_default();
        Self {
            terms: text.lines().filter_map(parsed).collect(),
            is_new: false,
        }
    }

    /// Returns until when an object is locked, as far as that is known.
    pub(super) fn noted_term(&self, name: &Name) -> Option<Term> {
        self.terms.get(name).copied()
    }

    /// Notes what a store has said.
    pub(super) fn note_term(&mut self, name: &Name, term: Term) {
        self.terms.insert(name.clone(), term);
        self.is_new = true;
    }

    /// Writes it into the cache, without what is over.
    pub(super) fn save_notes(mut self, repository: &Repository) {
        let Some(path) = notes_path(repository).filter(|_| self.is_new) else {
            return;
        };
        let now = repository.setup.clock.now();
        self.terms.retain(|_, term| term.until > now);
        let lines = self.terms.iter().map(|(name, term)| {
            format!("{} {} {name}\n", term.until.seconds(), term.mode.as_word())
        });
        let temporary = path.with_extension(std::process::id().to_string());
        let written = std::fs::write(&temporary, lines.collect::<String>())
            .and_then(|()| std::fs::rename(&temporary, &path));
        if let Err(error) = written {
            tracing::debug!(%error, "locks are not noted: the next run asks for them");
        }
    }
}

fn notes_path(repository: &Repository) -> Option<PathBuf> {
    let cache = repository.setup.cache.as_ref()?;
    Some(cache.join("locks"))
}

fn parsed(line: &str) -> Option<(Name, Term)> {
    let mut words = line.splitn(3, ' ');
    let until = Instant::from_parts(words.next()?.parse().ok()?, 0);
    let mode = match words.next()? {
        "governance" => RetentionMode::Governance,
        "compliance" => RetentionMode::Compliance,
        _ => return None,
    };
    let name = Name::new(words.next()?).ok()?;
    Some((name, Term { until, mode }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_line_of_locks_is_not_known() {
        let (name, term) = parsed("77 compliance packs/ab/abcd").unwrap();
        assert_eq!(name.as_str(), "packs/ab/abcd");
        assert_eq!(
            (term.until.seconds(), term.mode),
            (77, RetentionMode::Compliance)
        );
        for line in ["", "77", "x governance a", "77 lax a", "77 governance ../a"] {
            assert!(parsed(line).is_none(), "{line}");
        }
    }
}
