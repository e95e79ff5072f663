//! Secrets, by reference: `env:NAME`, `file:PATH`, `credential:NAME`, `command:LINE`.
//!
//! The configuration never holds a secret itself. References are resolved when they are needed.

use crate::config::reference::is_reference;
use crate::config::{Config, Settings};
use holdfast_base::error::{Describe, Kind};
use holdfast_repository::seal::Secret;
use holdfast_sandbox::ports::SecretPort;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

/// Looks variables of the environment up.
pub trait Environment: Send + Sync {
    /// Returns the value of a variable.
    fn variable(&self, name: &str) -> Option<String>;
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// What a reference names cannot be read.
    #[error("cannot get secret `{reference}`: {source}")]
    Unavailable {
        /// The reference.
        reference: String,
        /// Why.
        source: SecretCause,
    },
    /// What should refer to a secret does not. It may be the secret itself, and is not shown.
    #[error("this refers to no secret: {}", crate::config::reference::FORMS)]
    NoReference,
}

/// Why what a reference names cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretCause {
    /// The variable is not set.
    #[error("the environment has no variable `{0}`")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A credential's name leads elsewhere.
    #[error("a credential's name has no slash")]
    Slash,
    /// The run has no credentials.
    #[error("systemd gave no credentials to this run")]
    NoCredentials,
    /// The command has no program.
    #[error("the command is empty")]
    NoCommand,
    /// The command cannot be started.
    #[error("{0}")]
    Start(#[source] io::Error),
    /// The command failed.
    #[error("`{program}` ended with {status}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The secret is no text.
    #[error("it is not UTF-8")]
    NoText,
    /// The secret is empty.
    #[error("it is empty")]
    Empty,
}

impl Describe for SecretError {
    fn kind(&self) -> Kind {
        Kind::Key
    }
}

/// Resolves a reference.
///
/// # Errors
/// It names nothing, or nothing that can be read.
pub(crate) fn resolve_reference(
    reference: &str,
    environment: &dyn Environment,
) -> Result<Vec<u8>, SecretError> {
    if !is_reference(reference) {
        return Err(SecretError::NoReference);
    }
    let (kind, name) = reference.split_once(':').unwrap_or(("", reference));
    let resolved = match kind {
        "env" => environment
            .variable(name)
            .map(String::into_bytes)
            .ok_or_else(|| SecretCause::NoVariable(name.to_owned())),
        "file" => read_secret(PathBuf::from(name)),
        "credential" => match environment.variable("CREDENTIALS_DIRECTORY") {
            Some(directory) if !name.contains('/') => {
                read_secret(PathBuf::from(directory).join(name))
            }
            Some(_) => Err(SecretCause::Slash),
            None => Err(SecretCause::NoCredentials),
        },
        _ => run_command(name),
    };
    resolved.map_err(|source| SecretError::Unavailable {
        reference: reference.to_owned(),
        source,
    })
}

/// Resolves a reference to a passphrase: a text that is not empty.
///
/// # Errors
/// It names nothing that can be read, or what is no text.
pub fn resolve_passphrase(
    reference: &str,
    environment: &dyn Environment,
) -> Result<Secret, SecretError> {
    let unusable = |source| SecretError::Unavailable {
        reference: reference.to_owned(),
        source,
    };
    let bytes = resolve_reference(reference, environment)?;
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => Err(unusable(SecretCause::Empty)),
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(unusable(SecretCause::NoText)),
    }
}

fn read_secret(path: PathBuf) -> Result<Vec<u8>, SecretCause> {
    match std::fs::read(&path) {
        Ok(bytes) => Ok(without_line_end(bytes)),
        Err(source) => Err(SecretCause::Read { path, source }),
    }
}

fn run_command(line: &str) -> Result<Vec<u8>, SecretCause> {
    let mut words = line.split_whitespace();
    let program = words.next().ok_or(SecretCause::NoCommand)?;
    let output = std::process::Command::new(program).args(words).output();
    let output = output.map_err(SecretCause::Start)?;
    if output.status.success() {
        return Ok(without_line_end(output.stdout));
    }
    Err(SecretCause::Ended {
        program: program.to_owned(),
        status: output.status,
    })
}

fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}

/// The secrets of one job.
pub(crate) struct JobSecrets {
    /// The references and their places in the configuration, by setting.
    references: BTreeMap<String, (String, String)>,
    environment: Arc<dyn Environment>,
}

impl JobSecrets {
    /// Takes the references that a job's settings hold.
    pub(crate) fn new(
        config: &Config,
        given: &Settings,
        environment: Arc<dyn Environment>,
    ) -> Self {
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

    /// Returns the settings with secrets that cannot be had now, and why.
    pub(crate) fn find_missing(&self) -> Vec<(String, io::Error)> {
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
        resolve_reference(reference, self.environment.as_ref())
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
        assert_eq!(resolve_reference("env:PW", &Fixed).unwrap(), b"hunter2");
        assert_eq!(
            resolve_reference(&format!("file:{}", path.display()), &Fixed).unwrap(),
            b"from file"
        );
        assert_eq!(resolve_reference("command:echo hi", &Fixed).unwrap(), b"hi");
        assert!(resolve_reference("command:false", &Fixed).is_err());
        let error = resolve_reference("hunter2", &Fixed).unwrap_err();
        assert!(error.to_string().ends_with(FORMS) && !error.to_string().contains("hunter2"));
        assert!(resolve_reference("env:OTHER", &Fixed).is_err());
    }
}
