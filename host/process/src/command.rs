//! What is run, and with what.
//!
//! Nothing here prints a secret: the `Debug` form names variables, never their values.

use crate::stderr::OnLine;
use std::ffi::{OsStr, OsString};
use std::fmt;
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
#[derive(Clone, Default)]
pub struct Command {
    /// The program, by absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, beside a minimal one: PATH, LANG and HOME.
    pub environment: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// Secrets that it reads from a file that only it has.
    pub secret_files: Vec<SecretFile>,
    /// Whether something will be written to its standard input; it finds nothing there otherwise.
    pub stdin: bool,
    /// The directory it starts in; `/` if none is given.
    pub current_dir: Option<PathBuf>,
    /// The user and group it runs as, without further groups; ours if none is given.
    pub user: Option<(u32, u32)>,
    /// What it may use up.
    pub limits: ResourceLimits,
    /// What it may reach of the file system; everything that its user may if none is given.
    pub landlock: Option<LandlockRules>,
    /// Who hears what it writes to standard error, line by line.
    pub on_stderr_line: Option<OnLine>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("variables", &variables)
            .field("secret_files", &self.secret_files)
            .field("stdin", &self.stdin)
            .field("current_dir", &self.current_dir)
            .field("user", &self.user)
            .field("limits", &self.limits)
            .field("landlock", &self.landlock)
            .finish_non_exhaustive()
    }
}

/// A secret in a file that lies in no file system.
#[derive(Clone)]
pub struct SecretFile {
    /// The environment variable that receives the file's path.
    pub variable: String,
    /// The content.
    pub content: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretFile({})", self.variable)
    }
}

/// What a command may use up; as much as we may if nothing is given. It never dumps core, since
/// a core has its secrets in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Seconds of computing.
    pub cpu_seconds: Option<u64>,
    /// Bytes of address space.
    pub memory_bytes: Option<u64>,
    /// Bytes of the largest file it writes.
    pub file_bytes: Option<u64>,
    /// Open files.
    pub open_files: Option<u64>,
    /// Processes of its user, ours included if the user is the same.
    pub processes: Option<u64>,
}

/// What a command may reach of the file system, beside what any program needs to start and the
/// files it is handed open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LandlockRules {
    /// Files and directories that it may read, and whose programs it may run.
    pub read: Vec<PathBuf>,
    /// Files and directories that it may also change.
    pub write: Vec<PathBuf>,
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
    /// A path that is not absolute would depend on the directory in which holdfast was started.
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
    resolve_in(name, SEARCH_PATH)
}

/// Finds a program by its bare name in the given directories, or by its absolute path.
///
/// # Errors
/// There is none that can be run.
pub fn resolve_in<P: AsRef<OsStr>>(name: &str, path: &[P]) -> Result<PathBuf, ResolveError> {
    let missing = |searched: String| ResolveError::Missing {
        name: name.to_owned(),
        searched,
    };
    if name.starts_with('/') {
        return is_program(Path::new(name))
            .then(|| PathBuf::from(name))
            .ok_or_else(|| missing("that place".to_owned()));
    }
    if name.contains('/') || name.is_empty() {
        return Err(ResolveError::Relative {
            name: name.to_owned(),
        });
    }
    let mut candidates = path
        .iter()
        .map(|directory| Path::new(directory.as_ref()).join(name));
    candidates.find(|p| is_program(p)).ok_or_else(|| {
        let searched: Vec<_> = path.iter().map(|p| p.as_ref().to_string_lossy()).collect();
        missing(searched.join(", "))
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
        let missing = resolve_in("sh", &["/etc", "/proc"]).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "there is no program `sh` in /etc, /proc"
        );
    }

    #[test]
    fn nothing_prints_a_secret() {
        let command = Command {
            environment: vec![("PASSWORD".into(), b"hunter2".to_vec().into())],
            secret_files: vec![SecretFile {
                variable: "FILE".into(),
                content: b"hunter2".to_vec().into(),
            }],
            ..Command::default()
        };
        let shown = format!("{command:?}");
        assert!(shown.contains("PASSWORD") && shown.contains("FILE"));
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"));
    }
}
