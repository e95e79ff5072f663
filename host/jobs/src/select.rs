//! Finds snapshots by what people call them: `JOB`, `JOB@ID`, an id, or `latest`.

use crate::error::JobError;
use holdfast_base::entry::EntryPath;
use holdfast_filetree::Excludes;
use holdfast_repository::format::root::Root;
use holdfast_repository::{Repository, RepositoryError};

/// Finds one snapshot.
///
/// # Errors
/// There is none, or there are several.
pub fn snapshot(repository: &Repository, wanted: &str) -> Result<Root, JobError> {
    let (roots, failures) = repository.snapshots()?;
    let (job, id) = match wanted.split_once('@') {
        Some((job, id)) => (Some(job), Some(id)),
        None if roots.iter().any(|root| root.job == wanted) => (Some(wanted), None),
        None if wanted == "latest" => (None, None),
        None => (None, Some(wanted)),
    };
    let id = id.filter(|id| *id != "latest");
    let mut found: Vec<Root> = roots
        .into_iter()
        .filter(|root| job.is_none_or(|job| root.job == job))
        .filter(|root| {
            id.is_none_or(|id| id.len() >= 4 && root.snapshot.to_string().starts_with(id))
        })
        .collect();
    if id.is_some() && found.len() > 1 {
        let message = format!("`{wanted}` could be any of {} snapshots", found.len());
        return Err(JobError::usage(message, Some("Give more digits of the id")));
    }
    if let Some(root) = found.pop() {
        return Ok(root);
    }
    // The one that is meant may be among those that cannot be read.
    match failures.into_iter().next() {
        Some(failure) => Err(failure.into()),
        None => Err(RepositoryError::NoSnapshot {
            wanted: wanted.to_owned(),
        }
        .into()),
    }
}

/// Entries by path or pattern.
#[derive(Debug, Clone)]
pub struct Paths {
    exact: Vec<EntryPath>,
    patterns: Option<Excludes>,
}

impl Paths {
    /// Reads paths and patterns; what has `*`, `?` or `[` in it is a pattern.
    ///
    /// # Errors
    /// One is no path, or no pattern.
    pub fn new(words: &[String]) -> Result<Self, JobError> {
        let mut exact = Vec::new();
        let mut patterns = Vec::new();
        for word in words {
            if word.contains(['*', '?', '[']) {
                patterns.push(word.clone());
                continue;
            }
            let trimmed = word.trim_matches('/');
            let path = EntryPath::new(trimmed).map_err(|e| JobError::usage(e.to_string(), None))?;
            exact.push(path);
        }
        let refused = |e: holdfast_filetree::PatternError| JobError::usage(e.to_string(), None);
        let patterns = (!patterns.is_empty())
            .then(|| Excludes::new(&patterns))
            .transpose();
        Ok(Self {
            exact,
            patterns: patterns.map_err(refused)?,
        })
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
        if self.is_all() || self.exact.iter().any(|wanted| path.is_within(wanted)) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
