//! Backs up directory trees, with all that belongs to their entries.
//!
//! - The host walks and reads; this plugin says which trees, and what is left out of them.
//! - What lies in two trees of a job is backed up once.
//! - A restore in place writes below the job's paths and nowhere else.

use holdfast_sdk::host::trees::{self, Access as Open, WalkOptions};
use holdfast_sdk::prelude::*;

/// What a job can set.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Files {
    paths: Vec<String>,
    exclude: Vec<String>,
    one_file_system: bool,
    exclude_caches: bool,
}

impl Files {
    /// Returns the trees, each once and in order: what lies in another tree of the job is part of it.
    fn trees(&self) -> Result<Vec<&str>, Failure> {
        if self.paths.is_empty() {
            return Err(Failure::invalid("`paths` names nothing to back up"));
        }
        let mut paths: Vec<&str> = self
            .paths
            .iter()
            .map(|path| path.trim_end_matches('/'))
            .collect();
        paths.sort_by_key(|path| path.split('/').collect::<Vec<_>>());
        let mut trees: Vec<&str> = Vec::new();
        for path in paths {
            let is_inside = trees.last().is_some_and(|tree| {
                path.strip_prefix(tree)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            if !is_inside {
                trees.push(path);
            }
        }
        Ok(trees)
    }

    /// Returns the tree's name as the job wrote it: grants are by that name.
    fn granted<'a>(&'a self, tree: &'a str) -> &'a str {
        self.paths
            .iter()
            .find(|path| path.trim_end_matches('/') == tree)
            .map_or(tree, |path| path)
    }
}

/// Returns the prefix of a tree's entries in the snapshot: its path without the leading slash.
fn prefix(tree: &str) -> &[u8] {
    tree.trim_start_matches('/').as_bytes()
}

impl Source for Files {
    const MANIFEST: Manifest = Manifest::source(
        "files",
        env!("CARGO_PKG_VERSION"),
        "Backs up directory trees and files",
    )
    .setting(Setting::paths("paths", "directories and files to back up").required())
    .setting(
        Setting::strings(
            "exclude",
            "patterns of what to leave out, as in a .gitignore file",
        )
        .default_empty(),
    )
    .setting(
        Setting::boolean("one-file-system", "stay on the file system of each path")
            .default_flag(false),
    )
    .setting(
        Setting::boolean(
            "exclude-caches",
            "leave out what lies beside a CACHEDIR.TAG",
        )
        .default_flag(true),
    )
    .trees(
        Access::Write,
        "paths",
        "to read what is backed up, and to write it back on a restore in place",
    );

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for tree in self.trees()? {
            if let Err(failure) = trees::open(self.granted(tree), Open::Read) {
                findings.push(Finding::error(tree, failure.message));
            }
        }
        Ok(findings)
    }

    fn backup(&self, draft: &Draft, _: Option<Previous>) -> Result<(), Failure> {
        let options = WalkOptions {
            excludes: self.exclude.clone(),
            one_file_system: self.one_file_system,
            exclude_caches: self.exclude_caches,
        };
        let (mut entries, mut bytes) = (0, 0);
        for tree in self.trees()? {
            let opened = trees::open(self.granted(tree), Open::Read)?;
            let report = draft.add_tree(&opened, prefix(tree), &options)?;
            entries += report.entries;
            bytes += report.bytes;
        }
        draft.record_fact("files.entries", &entries.to_string())?;
        draft.record_fact("files.bytes", &bytes.to_string())
    }

    fn restore(&self, snapshot: &Content, _: RestoreRequest) -> Result<(), Failure> {
        // The host has narrowed the snapshot to the paths that were asked for.
        let mut restored = 0;
        for tree in self.trees()? {
            if snapshot.entries(prefix(tree))?.next().is_none() {
                continue;
            }
            let target = trees::open(self.granted(tree), Open::Write)?;
            snapshot.extract(prefix(tree), &target)?;
            restored += 1;
        }
        if restored > 0 {
            return Ok(());
        }
        let message = "the snapshot holds nothing of what the job's `paths` name";
        Err(Failure::new(FailureKind::NotFound, message))
    }
}

holdfast_sdk::export!(Files as Source);

#[cfg(test)]
mod tests;
