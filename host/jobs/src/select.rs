//! Finds snapshots by what people call them (`JOB`, `JOB@ID`, an id, or `latest`), and entries by path or pattern.

use crate::retention::is_safety;
use holdfast_base::advice::{Advice, JobAdvice};
use holdfast_base::entry::{EntryKind, EntryPath, PathError, printable};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::id::SnapshotId;
use holdfast_base::nearest::closest;
use holdfast_filetree::{Excludes, PatternError};
use holdfast_repository::format::root::Root;
use holdfast_repository::{ObjectError, Repository, RepositoryError, SnapshotError};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Fewest digits by which a snapshot can be named.
const ID_DIGITS_MIN: usize = 4;
/// Snapshots that are listed if an id fits several.
const CANDIDATES_SHOWN: usize = 5;

/// What is named is not there, or could be several things.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The newest snapshot is wanted, and it may be one that cannot be read.
    #[error("it is not known which snapshot `{wanted}` is: one cannot be read")]
    Unclear {
        /// What was asked for.
        wanted: String,
        /// What cannot be read.
        source: Box<RepositoryError>,
    },
    /// An id fits several snapshots.
    #[error("`{wanted}` could be any of {count} snapshots")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// How many it fits.
        count: usize,
        /// The newest of them, described.
        newest: Vec<String>,
    },
    /// No snapshot is called that.
    #[error("there is no snapshot `{wanted}`")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What was probably meant.
        near: Near,
    },
    /// No forgotten snapshot is called that.
    #[error("there is no forgotten snapshot `{wanted}`")]
    NotForgotten {
        /// What was asked for.
        wanted: String,
    },
    /// A word is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A word is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// An entry has no content.
    #[error("`{path}` is a {} and has no content", kind_word(kind))]
    NoContent {
        /// The entry.
        path: EntryPath,
        /// What it is.
        kind: EntryKind,
    },
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

impl From<ObjectError> for SelectError {
    fn from(error: ObjectError) -> Self {
        Self::Repository(error.into())
    }
}

/// What was probably meant by a name that no snapshot has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Near {
    /// There are no snapshots at all.
    Nothing,
    /// An id with more digits.
    LongerId,
    /// A job of a similar name.
    Job(String),
}

impl Describe for SelectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unclear { source, .. } => source.kind(),
            Self::Repository(source) => source.kind(),
            _ => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let words = match self {
            Self::Unclear { wanted, .. } => {
                let job = wanted.split('@').next().unwrap_or(wanted).to_owned();
                return vec![JobAdvice::NameReadableSnapshot { job }.into()];
            }
            Self::Unknown { near, .. } => match near {
                Near::Nothing => return vec![JobAdvice::MakeSnapshot.into()],
                Near::LongerId => format!("Give at least {ID_DIGITS_MIN} digits of an id"),
                Near::Job(job) => format!("Did you mean job `{job}`?"),
            },
            Self::Ambiguous { newest, .. } => {
                format!("Give more digits of the id: {}", newest.join(", "))
            }
            Self::NotForgotten { .. } => return vec![JobAdvice::ListForgotten.into()],
            Self::Repository(error) => return error.advice(),
            Self::Path(_) | Self::Pattern(_) | Self::NoContent { .. } => return Vec::new(),
        };
        vec![Advice::Words(words)]
    }
}

/// Names what an entry is, for people.
#[must_use]
pub fn kind_word(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::Stream => "stream",
        EntryKind::File { .. } => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink { .. } => "symlink",
        EntryKind::HardLink { .. } => "hard link",
        EntryKind::Fifo => "fifo",
        EntryKind::CharDevice { .. } => "character device",
        EntryKind::BlockDevice { .. } => "block device",
    }
}

/// Finds one snapshot.
pub(crate) fn find_snapshot(repository: &Repository, wanted: &str) -> Result<Root, SelectError> {
    let (roots, failures) = repository.snapshots()?;
    let picked = pick_snapshot(&roots, wanted);
    match (picked, failures.into_iter().next()) {
        (Ok(root), Some(_)) if is_named_by_id(root, wanted) => Ok(root.clone()),
        // The one that is meant may be the one that cannot be read, and nobody shall take an older
        // one for the newest.
        (_, Some(source)) => Err(SelectError::Unclear {
            wanted: wanted.to_owned(),
            source: Box::new(source.into()),
        }),
        (picked, None) => picked.cloned(),
    }
}

/// Finds a snapshot's id; a snapshot that is named by its whole id need not be readable.
pub(crate) fn find_id(repository: &Repository, wanted: &str) -> Result<SnapshotId, SelectError> {
    match wanted.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(find_snapshot(repository, wanted)?.snapshot),
    }
}

/// Finds the snapshots that some words name, each a job or a snapshot, oldest first; all if there are no words.
pub(crate) fn find_snapshots(
    repository: &Repository,
    wanted: &[String],
) -> Result<Vec<Root>, SelectError> {
    let (roots, failures) = repository.snapshots()?;
    if let Some(error) = failures.into_iter().next() {
        return Err(error.into());
    }
    if wanted.is_empty() {
        return Ok(roots);
    }
    let mut found = BTreeMap::new();
    for word in wanted {
        let of_job: Vec<_> = roots.iter().filter(|root| root.job == *word).collect();
        for root in of_job.iter().copied().cloned() {
            found.insert((root.started, root.snapshot), root);
        }
        if of_job.is_empty() {
            let root = find_snapshot(repository, word)?;
            found.insert((root.started, root.snapshot), root);
        }
    }
    Ok(found.into_values().collect())
}

/// Returns whether a snapshot was named by its id, and not as the newest of some.
fn is_named_by_id(root: &Root, wanted: &str) -> bool {
    let id = wanted.split_once('@').map_or(wanted, |(_, id)| id);
    root.job != wanted && root.snapshot.to_string().starts_with(id)
}

/// Picks the snapshot that is meant among some that are in order: the newest if only a job is named. A safety
/// backup is meant only if it is named by its id: it may hold what was broken.
pub(crate) fn pick_snapshot<'a>(roots: &'a [Root], wanted: &str) -> Result<&'a Root, SelectError> {
    let (job, id) = match wanted.split_once('@') {
        Some((job, id)) => (Some(job), Some(id)),
        None if roots.iter().any(|root| root.job == wanted) => (Some(wanted), None),
        None if wanted == "latest" => (None, None),
        None => (None, Some(wanted)),
    };
    let id = id.filter(|id| *id != "latest");
    if id.is_some_and(|id| id.len() < ID_DIGITS_MIN) {
        return Err(describe_unknown(roots, wanted));
    }
    let fits = |root: &&Root| {
        job.is_none_or(|job| root.job == job)
            && id.is_none_or(|id| root.snapshot.to_string().starts_with(id))
    };
    let found: Vec<&Root> = roots.iter().filter(fits).collect();
    if id.is_some() && found.len() > 1 {
        return Err(describe_ambiguous(wanted, &found));
    }
    let regular = found.iter().rev().find(|root| !is_safety(root));
    let newest = regular.or(found.last()).copied();
    newest.ok_or_else(|| describe_unknown(roots, wanted))
}

fn describe_ambiguous(wanted: &str, found: &[&Root]) -> SelectError {
    let shown = found.iter().rev().take(CANDIDATES_SHOWN);
    let shown = shown.map(|root| format!("{} ({} of {})", root.snapshot, root.job, root.started));
    SelectError::Ambiguous {
        wanted: wanted.to_owned(),
        count: found.len(),
        newest: shown.collect(),
    }
}

/// Reports that there is no such snapshot, and what was probably meant.
fn describe_unknown(roots: &[Root], wanted: &str) -> SelectError {
    let (word, id) = wanted.split_once('@').unwrap_or((wanted, wanted));
    let jobs: BTreeSet<&str> = roots.iter().map(|root| root.job.as_str()).collect();
    let near = closest(word, jobs.iter().copied()).filter(|near| *near != word);
    let is_short = id.len() < ID_DIGITS_MIN && id.bytes().all(|b| b.is_ascii_hexdigit());
    let wanted = wanted.to_owned();
    let near = match near {
        _ if roots.is_empty() => Near::Nothing,
        _ if is_short => Near::LongerId,
        Some(near) => Near::Job(near.to_owned()),
        None => return RepositoryError::from(SnapshotError::NoSnapshot { wanted }).into(),
    };
    SelectError::Unknown { wanted, near }
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
    pub fn parse(words: &[OsString]) -> Result<Self, SelectError> {
        let (mut exact, mut literal, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
        for word in words {
            let bytes = word.as_bytes();
            let is_pattern = bytes.iter().any(|byte| b"*?[".contains(byte));
            let path = EntryPath::new(trim_slashes(bytes));
            match (is_pattern, path) {
                (true, path) => {
                    // A file may be called `a[1].txt`.
                    literal.extend(path.ok());
                    patterns.push(word.to_string_lossy().into_owned());
                }
                (false, path) => exact.push(path?),
            }
        }
        let filter = (!patterns.is_empty())
            .then(|| Excludes::new(&patterns))
            .transpose()?;
        let shown = words.iter().map(|word| printable(word.as_bytes()));
        Ok(Self {
            words: shown.collect::<Vec<_>>().join("`, `"),
            exact,
            literal,
            patterns: filter,
            name: None,
        })
    }

    /// Reads what is to be found: as [`Paths::parse`] does, and a word without a slash is a name at any depth.
    ///
    /// # Errors
    /// It is no path, or no pattern.
    pub fn parse_name(word: &OsStr) -> Result<Self, SelectError> {
        let mut paths = Self::parse(&[word.to_owned()])?;
        if !word.as_bytes().contains(&b'/') {
            paths.name = Some(word.as_bytes().to_vec());
        }
        Ok(paths)
    }

    /// Returns the words that were given, for people.
    #[must_use]
    pub fn as_words(&self) -> String {
        self.words.clone()
    }

    /// Returns whether everything is meant.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_none()
    }

    /// Returns the paths, without the patterns.
    pub(crate) fn exact_paths(&self) -> &[EntryPath] {
        &self.exact
    }

    /// Returns whether there are patterns.
    pub(crate) fn has_patterns(&self) -> bool {
        self.patterns.is_some()
    }

    /// Returns whether an entry is meant: named itself, below one that is, or fitting a pattern.
    #[must_use]
    pub fn includes(&self, path: &EntryPath) -> bool {
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
fn trim_slashes(bytes: &[u8]) -> &[u8] {
    let is_inner = |byte: &u8| *byte != b'/';
    let from = bytes.iter().position(is_inner).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(is_inner).map_or(from, |at| at + 1);
    &bytes[from..to]
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_base::advice::SnapshotAdvice;
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
            assert_eq!(
                pick_snapshot(&roots, wanted).unwrap(),
                &roots[index],
                "{wanted}"
            );
        }
    }

    #[test]
    fn an_id_that_fits_several_names_them_and_one_that_fits_none_says_what_was_meant() {
        let roots = [root("abcd1", "etc"), root("abcd2", "etc"), root("f", "db")];
        let refused = |roots: &[Root], wanted: &str| {
            let error = pick_snapshot(roots, wanted).unwrap_err();
            let hints = error.advice();
            let [Advice::Words(words), ..] = &hints[..] else {
                panic!("{error}: {hints:?}");
            };
            format!("{error}; {words}")
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
        ] {
            let expected = format!("there is no snapshot `{wanted}`; {words}");
            assert_eq!(refused(&roots, wanted), expected);
        }
        for wanted in ["db@abcd", "eeeeeeee"] {
            let unknown = pick_snapshot(&roots, wanted).unwrap_err();
            let expected = format!("there is no snapshot `{wanted}`");
            assert_eq!(unknown.to_string(), expected);
            assert_eq!(unknown.advice(), [SnapshotAdvice::ListSnapshots.into()]);
        }
        let none = pick_snapshot(&[], "etc").unwrap_err();
        assert_eq!(none.to_string(), "there is no snapshot `etc`");
        assert_eq!(none.advice(), [JobAdvice::MakeSnapshot.into()]);
    }

    #[test]
    fn paths_and_patterns_take_what_lies_below_them() {
        let paths = Paths::parse(&["/etc/ssh".into(), "*.conf".into()]).unwrap();
        let takes = |path: &str| paths.includes(&EntryPath::new(path).unwrap());
        assert!(takes("etc/ssh") && takes("etc/ssh/key") && takes("a/b.conf"));
        assert!(!takes("etc/sshd") && !takes("etc"));
        assert!(
            Paths::parse(&[])
                .unwrap()
                .includes(&EntryPath::new("x").unwrap())
        );
        assert!(Paths::parse(&["../x".into()]).is_err());
        let named = Paths::parse(&["/a[1].txt".into()]).unwrap();
        assert!(named.includes(&EntryPath::new("a[1].txt").unwrap()));
        assert!(named.includes(&EntryPath::new("a1.txt").unwrap()));
    }
}
