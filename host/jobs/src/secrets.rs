//! Secrets, by reference: `env:NAME`, `file:PATH`, `credential:NAME`, `command:LINE`.
//!
//! The configuration never holds a secret itself. References are resolved when they are needed.

use crate::config::reference::is_reference;
use crate::config::{Config, Settings};
use crate::error::JobError;
use holdfast_sandbox::ports::SecretPort;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What is needed from the environment to resolve references.
pub trait Environment: Send + Sync {
    /// Returns a variable.
    fn variable(&self, name: &str) -> Option<String>;
}

/// Resolves a reference.
///
/// # Errors
/// It names nothing, or nothing that can be read.
pub fn resolve(reference: &str, environment: &dyn Environment) -> Result<Vec<u8>, JobError> {
    let failed = |detail: String| JobError::Secret {
        reference: reference.to_owned(),
        detail,
    };
    if !is_reference(reference) {
        // It may be the secret itself: it is not shown.
        return Err(JobError::NoReference);
    }
    let (kind, name) = reference.split_once(':').unwrap_or(("", reference));
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
        Ok(without_line_end(bytes))
    };
    match kind {
        "env" => match environment.variable(name) {
            Some(value) => Ok(value.into_bytes()),
            None => Err(failed(format!("the environment has no variable `{name}`"))),
        },
        "file" => read(PathBuf::from(name)),
        "credential" => match environment.variable("CREDENTIALS_DIRECTORY") {
            Some(directory) if !name.contains('/') => read(PathBuf::from(directory).join(name)),
            Some(_) => Err(failed("a credential's name has no slash".into())),
            None => Err(failed("systemd gave no credentials to this run".into())),
        },
        _ => run(name).map_err(failed),
    }
}

fn run(line: &str) -> Result<Vec<u8>, String> {
    let mut words = line.split_whitespace();
    let program = words.next().ok_or("the command is empty")?;
    let output = std::process::Command::new(program)
        .args(words)
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(without_line_end(output.stdout));
    }
    Err(format!("`{program}` ended with {}", output.status))
}

fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}

/// The secrets of one job.
pub struct JobSecrets {
    /// The references and their places in the configuration, by setting.
    references: BTreeMap<String, (String, String)>,
    environment: Arc<dyn Environment>,
}

impl JobSecrets {
    /// Takes the references that a job's settings hold.
    #[must_use]
    pub fn new(config: &Config, given: &Settings, environment: Arc<dyn Environment>) -> Self {
        let references = config.references(given);
        Self {
            references: references
                .map(|(setting, reference, place)| {
                    (setting.to_owned(), (reference.to_owned(), place))
                })
                .collect(),
            environment,
        }
    }

    /// Returns the settings whose secrets cannot be had now, and why.
    pub(crate) fn missing(&self) -> Vec<(String, io::Error)> {
        let settings = self.references.keys();
        let tried = settings.map(|setting| (setting.clone(), self.resolve(setting)));
        let missing = tried.filter_map(|(setting, result)| Some((setting, result.err()?)));
        missing.collect()
    }
}

impl SecretPort for JobSecrets {
    fn resolve(&self, name: &str) -> io::Result<Vec<u8>> {
        let reference = self.references.get(name);
        let missing = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("the job sets no secret `{name}`"),
            )
        };
        let (reference, place) = reference.ok_or_else(missing)?;
        resolve(reference, self.environment.as_ref())
            .map_err(|error| io::Error::other(format!("{error} ({place})")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reference::FORMS;

    struct Fixed;

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "PW").then(|| "hunter2".to_owned())
        }
    }

    #[test]
    fn references_are_resolved_and_wrong_ones_say_what_is_right() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("secret");
        std::fs::write(&path, "from file\n").unwrap();
        assert_eq!(resolve("env:PW", &Fixed).unwrap(), b"hunter2");
        assert_eq!(
            resolve(&format!("file:{}", path.display()), &Fixed).unwrap(),
            b"from file"
        );
        assert_eq!(resolve("command:echo hi", &Fixed).unwrap(), b"hi");
        assert!(resolve("command:false", &Fixed).is_err());
        let error = resolve("hunter2", &Fixed).unwrap_err();
        assert!(error.to_string().ends_with(FORMS) && !error.to_string().contains("hunter2"));
        assert!(resolve("env:OTHER", &Fixed).is_err());
    }
}
