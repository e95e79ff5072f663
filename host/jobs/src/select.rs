//! Finds snapshots by what people call them: `JOB`, `JOB@ID`, an id, or `latest`.

use crate::error::JobError;
use crate::safety;
use holdfast_base::entry::{EntryPath, printable};
use holdfast_base::nearest::closest;
use holdfast_filetree::Excludes;
use holdfast_repository::format::root::Root;
use holdfast_repository::{Repository, RepositoryError};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Fewest digits by which a snapshot can be named.
const ID_DIGITS_MIN: usize = 4;
/// Snapshots that are listed where an id fits several.
const CANDIDATES_SHOWN: usize = 5;

/// Finds one snapshot.
///
/// # Errors
/// There is none, or there are several.
pub fn snapshot(repository: &Repository, wanted: &str) -> Result<Root, JobError> {
    let (roots, failures) = repository.snapshots()?;
    let picked = pick(&roots, wanted);
    match (picked, failures.into_iter().next()) {
        (Ok(root), Some(_)) if names_by_id(root, wanted) => Ok(root.clone()),
        // The one that is meant may be the one that cannot be read, and nobody shall take an older
        // one for the newest.
        (_, Some(source)) => Err(JobError::Unclear {
            wanted: wanted.to_owned(),
            source,
        }),
        (picked, None) => picked.cloned(),
    }
}

/// Returns whether a snapshot was named by its id, and not as the newest of some.
fn names_by_id(root: &Root, wanted: &str) -> bool {
    let id = wanted.split_once('@').map_or(wanted, |(_, id)| id);
    root.job != wanted && root.snapshot.to_string().starts_with(id)
}

/// Picks the snapshot that is meant among some that are in order.
///
/// # Errors
/// There is none, or there are several.
pub fn among<'a>(roots: &'a [Root], wanted: &str) -> Result<&'a Root, JobError> {
    pick(roots, wanted)
}

/// Picks the snapshot that is meant; the newest, where only its job is named. What was saved before a restore
/// is meant only where it is named: it may hold what was broken.
fn pick<'a>(roots: &'a [Root], wanted: &str) -> Result<&'a Root, JobError> {
    let (job, id) = match wanted.split_once('@') {
        Some((job, id)) => (Some(job), Some(id)),
        None if roots.iter().any(|root| root.job == wanted) => (Some(wanted), None),
        None if wanted == "latest" => (None, None),
        None => (None, Some(wanted)),
    };
    let id = id.filter(|id| *id != "latest");
    if id.is_some_and(|id| id.len() < ID_DIGITS_MIN) {
        return Err(unknown(roots, wanted));
    }
    let fits = |root: &&Root| {
        job.is_none_or(|job| root.job == job)
            && id.is_none_or(|id| root.snapshot.to_string().starts_with(id))
    };
    let found: Vec<&Root> = roots.iter().filter(fits).collect();
    if id.is_some() && found.len() > 1 {
        return Err(ambiguous(wanted, &found));
    }
    let regular = found.iter().rev().find(|root| !safety::is_safety(root));
    let newest = regular.or(found.last()).copied();
    newest.ok_or_else(|| unknown(roots, wanted))
}

fn ambiguous(wanted: &str, found: &[&Root]) -> JobError {
    let message = format!("`{wanted}` could be any of {} snapshots", found.len());
    let shown = found.iter().rev().take(CANDIDATES_SHOWN);
    let list: Vec<String> = shown
        .map(|root| format!("{} ({} of {})", root.snapshot, root.job, root.started))
        .collect();
    let hint = format!("Give more digits of the id: {}", list.join(", "));
    JobError::usage(message, Some(&hint))
}

/// Says that there is no such snapshot, and what was probably meant.
fn unknown(roots: &[Root], wanted: &str) -> JobError {
    let (word, id) = wanted.split_once('@').unwrap_or((wanted, wanted));
    let jobs: BTreeSet<&str> = roots.iter().map(|root| root.job.as_str()).collect();
    let near = closest(word, jobs.iter().copied()).filter(|near| *near != word);
    let is_short = id.len() < ID_DIGITS_MIN && id.bytes().all(|b| b.is_ascii_hexdigit());
    let hint = match near {
        _ if roots.is_empty() => "There are none yet; make one: holdfast run JOB".to_owned(),
        _ if is_short => format!("Give at least {ID_DIGITS_MIN} digits of an id"),
        Some(near) => format!("Did you mean job `{near}`?"),
        None => {
            let wanted = wanted.to_owned();
            return RepositoryError::NoSnapshot { wanted }.into();
        }
    };
    JobError::usage(format!("there is no snapshot `{wanted}`"), Some(&hint))
}

/// Entries by path or pattern.
#[derive(Debug, Clone)]
pub struct Paths {
    words: String,
    exact: Vec<EntryPath>,
    literal: Vec<EntryPath>,
    patterns: Option<Excludes>,
    /// The last part of a path.
    name: Option<Vec<u8>>,
}

impl Paths {
    /// Reads paths and patterns; what has `*`, `?` or `[` in it is a pattern, and a name too.
    ///
    /// # Errors
    /// One is no path, or no pattern.
    pub fn new(words: &[OsString]) -> Result<Self, JobError> {
        let (mut exact, mut literal, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
        for word in words {
            let bytes = word.as_bytes();
            let is_pattern = bytes.iter().any(|byte| b"*?[".contains(byte));
            let path = EntryPath::new(trimmed(bytes));
            match (is_pattern, path) {
                (true, path) => {
                    // A file may be called `a[1].txt`.
                    literal.extend(path.ok());
                    patterns.push(word.to_string_lossy().into_owned());
                }
                (false, Ok(path)) => exact.push(path),
                (false, Err(error)) => return Err(JobError::usage(error.to_string(), None)),
            }
        }
        let refused = |e: holdfast_filetree::PatternError| JobError::usage(e.to_string(), None);
        let filter = (!patterns.is_empty())
            .then(|| Excludes::new(&patterns))
            .transpose()
            .map_err(refused)?;
        let shown = words.iter().map(|word| printable(word.as_bytes()));
        Ok(Self {
            words: shown.collect::<Vec<_>>().join("`, `"),
            exact,
            literal,
            patterns: filter,
            name: None,
        })
    }

    /// Reads what is to be found: as `new` does, and a word without a slash is a name at any depth.
    ///
    /// # Errors
    /// It is no path, or no pattern.
    pub fn found(word: &OsStr) -> Result<Self, JobError> {
        let mut paths = Self::new(&[word.to_owned()])?;
        if !word.as_bytes().contains(&b'/') {
            paths.name = Some(word.as_bytes().to_vec());
        }
        Ok(paths)
    }

    /// Returns what was asked for, for people.
    #[must_use]
    pub fn words(&self) -> String {
        self.words.clone()
    }

    /// Returns whether everything is meant.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_none()
    }

    /// Returns the paths, without the patterns.
    #[must_use]
    pub fn exact(&self) -> &[EntryPath] {
        &self.exact
    }

    /// Returns whether there are patterns.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        self.patterns.is_some()
    }

    /// Returns whether an entry is meant: named itself, below one that is, or fitting a pattern.
    #[must_use]
    pub fn takes(&self, path: &EntryPath) -> bool {
        let mut named = self.exact.iter().chain(&self.literal);
        if self.is_all() || named.any(|wanted| path.is_within(wanted)) {
            return true;
        }
        if self.name.as_deref() == Some(path.name()) {
            return true;
        }
        let Some(patterns) = &self.patterns else {
            return false;
        };
        let bytes = path.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        ends.chain([bytes.len()])
            .any(|end| patterns.excludes(&bytes[..end], end < bytes.len()))
    }
}

/// Takes the slashes off both ends.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_inner = |byte: &u8| *byte != b'/';
    let from = bytes.iter().position(is_inner).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(is_inner).map_or(from, |at| at + 1);
    &bytes[from..to]
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_base::error::Describe;

    fn root(id: &str, job: &str) -> Root {
        let id = format!("{id:0<32}");
        serde_json::from_value(serde_json::json!({
            "snapshot": id, "repository": "0".repeat(32), "job": job, "host": "h",
            "started": 0, "finished": 1, "counts": {}, "facts": [], "warnings": [], "tags": [],
            "source": {"plugin": "files", "version": "1", "digest": "", "grants": []},
            "references": {"levels": 0, "ids": []}, "program": "0.1.0",
        }))
        .unwrap()
    }

    #[test]
    fn a_snapshot_is_found_by_job_id_or_latest() {
        let roots = [
            root("abcd1", "etc"),
            root("abcd2", "etc"),
            root("99990", "db"),
        ];
        for (wanted, index) in [
            ("etc", 1),
            ("etc@latest", 1),
            ("latest", 2),
            ("abcd1", 0),
            ("etc@abcd1", 0),
            ("9999", 2),
        ] {
            assert_eq!(pick(&roots, wanted).unwrap(), &roots[index], "{wanted}");
        }
    }

    #[test]
    fn an_id_that_fits_several_names_them_and_one_that_fits_none_says_what_was_meant() {
        let roots = [root("abcd1", "etc"), root("abcd2", "etc"), root("f", "db")];
        let refused = |roots: &[Root], wanted: &str| {
            let error = pick(roots, wanted).unwrap_err();
            let hints = error.advice();
            format!("{error}; {}", hints.first().unwrap())
        };
        let said = refused(&roots, "abcd");
        assert!(
            said.starts_with(
                "`abcd` could be any of 2 snapshots; Give more digits of the id: abcd2"
            ) && said.contains("abcd10"),
            "{said}"
        );
        for (wanted, words) in [
            ("abc", "Give at least 4 digits of an id"),
            ("etc@a", "Give at least 4 digits of an id"),
            ("ect@abcd", "Did you mean job `etc`?"),
            ("db@abcd", "See what there is: holdfast list"),
            ("eeeeeeee", "See what there is: holdfast list"),
        ] {
            let expected = format!("there is no snapshot `{wanted}`; {words}");
            assert_eq!(refused(&roots, wanted), expected);
        }
        let none = refused(&[], "etc");
        assert!(none.ends_with("There are none yet; make one: holdfast run JOB"));
    }

    #[test]
    fn paths_and_patterns_take_what_lies_below_them() {
        let paths = Paths::new(&["/etc/ssh".into(), "*.conf".into()]).unwrap();
        let takes = |path: &str| paths.takes(&EntryPath::new(path).unwrap());
        assert!(takes("etc/ssh") && takes("etc/ssh/key") && takes("a/b.conf"));
        assert!(!takes("etc/sshd") && !takes("etc"));
        assert!(
            Paths::new(&[])
                .unwrap()
                .takes(&EntryPath::new("x").unwrap())
        );
        assert!(Paths::new(&["../x".into()]).is_err());
        let named = Paths::new(&["/a[1].txt".into()]).unwrap();
        assert!(named.takes(&EntryPath::new("a[1].txt").unwrap()));
        assert!(named.takes(&EntryPath::new("a1.txt").unwrap()));
    }
}
