//! What is run, and with what.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where programs are looked for; the caller's own PATH says nothing.
pub const SEARCH_PATH: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// A command to run.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The program, by absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, beside a minimal one.
    pub environment: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// Secrets that it reads from a file that only it has: the variable that names the file, and
    /// its content.
    pub secret_files: Vec<SecretFile>,
    /// Whether something will be written to its standard input.
    pub stdin: bool,
}

/// A secret in a file that lies in no file system.
#[derive(Debug, Clone)]
pub struct SecretFile {
    /// The environment variable that receives the file's path.
    pub variable: String,
    /// The content.
    pub content: Zeroizing<Vec<u8>>,
}

/// Says why a program cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such program.
    #[error("there is no program `{name}` in {searched}")]
    Missing {
        /// What was looked for.
        name: String,
        /// Where.
        searched: String,
    },
    /// A path that is not absolute would depend on where holdfast was started.
    #[error("`{name}` is neither a bare name nor an absolute path")]
    Relative {
        /// What was looked for.
        name: String,
    },
}

/// Finds a program by its bare name or its absolute path.
///
/// # Errors
/// There is none that can be run.
pub fn resolve(name: &str) -> Result<PathBuf, ResolveError> {
    if name.starts_with('/') {
        return is_program(Path::new(name))
            .then(|| PathBuf::from(name))
            .ok_or_else(|| ResolveError::Missing {
                name: name.to_owned(),
                searched: "that place".to_owned(),
            });
    }
    if name.contains('/') || name.is_empty() {
        return Err(ResolveError::Relative {
            name: name.to_owned(),
        });
    }
    let found = SEARCH_PATH
        .iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|p| is_program(p));
    found.ok_or_else(|| ResolveError::Missing {
        name: name.to_owned(),
        searched: SEARCH_PATH.join(", "),
    })
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_or_absolute_path_only() {
        assert!(resolve("sh").is_ok_and(|path| path.is_absolute()));
        assert!(resolve("/bin/sh").is_ok());
        assert!(matches!(
            resolve("./sh"),
            Err(ResolveError::Relative { .. })
        ));
        let missing = resolve("no-such-program").unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("there is no program `no-such-program` in /usr/local/sbin")
        );
        assert!(resolve("/etc/passwd").is_err());
    }
}
