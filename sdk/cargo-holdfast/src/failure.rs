//! What went wrong, in words, and whether the author can mend it by typing something else.
//!
//! - Wrong usage, a file of the wrong kind, and a wrong manifest or setting end with 2. Work that failed
//!   ends with 1. The host's exit codes are the same.
//! - A mistake in a file of text is reported with its place: file, line, column.

use holdfast_base::error::{Describe, Kind, join_causes};
use holdfast_sandbox::component::ComponentError;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::process::ExitCode;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The work failed.
    #[error("{0}")]
    Failed(String),
    /// What was asked for is wrong.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// Returns the code to end with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Usage(_) => ExitCode::from(2),
        }
    }

    /// Makes the failure of a file that cannot be used as a plugin.
    pub(crate) fn component(file: &Path, error: &ComponentError) -> Self {
        let mut words = match error {
            ComponentError::Read { .. } => join_causes(error),
            error => format!("cannot use `{}`: {}", file.display(), join_causes(error)),
        };
        if let Some(hint) = build_hint(error) {
            words.push_str(&format!("\nhint: {hint}"));
        }
        match error.kind() {
            Kind::Usage => Self::Usage(words),
            _ => Self::Failed(words),
        }
    }
}

/// Returns what an author can do about a file that is no plugin.
fn build_hint(error: &ComponentError) -> Option<&'static str> {
    match error {
        ComponentError::CoreModule => Some("Build it with: cargo holdfast build"),
        ComponentError::NoManifest => Some("Add a manifest with: cargo holdfast pack"),
        ComponentError::Contract { .. } => {
            Some("Build it again with the SDK of this version of holdfast")
        }
        _ => None,
    }
}

/// Adds to an error what was tried.
pub(crate) trait Trying<T> {
    fn trying(self, what: impl std::fmt::Display) -> Result<T, Failure>;
}

impl<T, E: std::error::Error + 'static> Trying<T> for Result<T, E> {
    fn trying(self, what: impl std::fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::Failed(format!("cannot {what}: {}", join_causes(&error))))
    }
}

/// A file of JSON that was typed by hand.
pub(crate) struct Json<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> Json<'a> {
    /// Reads a file.
    pub(crate) fn read_file(path: &'a Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(|error| {
            let words = format!("cannot read `{}`: {error}", path.display());
            match error.kind() {
                std::io::ErrorKind::NotFound => Failure::Usage(words),
                _ => Failure::Failed(words),
            }
        })?;
        Ok(Self { path, bytes })
    }

    /// Returns its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Parses it, or says at which place it is wrong.
    pub(crate) fn parse_as<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let words = error.to_string();
            let place = format!(" at line {line} column {column}");
            // An error about the file as a whole has column 0.
            self.wrong_in(
                (line, column.max(1)),
                words.strip_suffix(&place).unwrap_or(&words),
            )
        })
    }

    /// Makes the failure of what is wrong at the first place of a word, or at the beginning if it is absent.
    pub(crate) fn wrong_at(&self, word: &str, words: &str) -> Failure {
        let text = String::from_utf8_lossy(&self.bytes);
        let quoted = serde_json::Value::from(word).to_string();
        let before = text.find(&quoted).map_or("", |at| &text[..at]);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        self.wrong_in((line, column), words)
    }

    fn wrong_in(&self, (line, column): (usize, usize), words: &str) -> Failure {
        Failure::Usage(format!("{}:{line}:{column}: {words}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_from_one_and_in_characters() {
        let bytes = "{\n  \"é\": 1, \"kind\": 2\n}".as_bytes().to_vec();
        let path = Path::new("a.json");
        let said = Json { path, bytes }.wrong_at("kind", "no").to_string();
        assert_eq!(said, "a.json:2:11: no");
    }

    #[test]
    fn a_word_that_stands_nowhere_is_at_the_beginning() {
        let bytes = b"{}".to_vec();
        let path = Path::new("a.json");
        let said = Json { path, bytes }.wrong_at("kind", "no").to_string();
        assert_eq!(said, "a.json:1:1: no");
    }
}
