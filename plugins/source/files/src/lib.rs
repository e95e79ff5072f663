//! Backs up directory trees, with all that belongs to their entries.
//!
//! - The host walks and reads; this plugin says which trees, and what is left out of them.
//! - A path is what it leads to: what two paths of a job lead to is backed up once, and nothing is taken to lie in
//!   another tree because its name says so.
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

/// What a path's entries are called in the snapshot, if it is not what the path says: a fact of this key.
const PREFIX_FACT: &str = "files.prefix.";

/// A tree that is backed up, and where its entries stand in the snapshot.
struct NamedTree<'a> {
    name: &'a str,
    opened: trees::Tree,
    place: Vec<u8>,
    prefix: Vec<u8>,
}

impl Files {
    /// Returns the paths, each once and in order.
    fn names(&self) -> Result<Vec<&str>, Failure> {
        if self.paths.is_empty() {
            return Err(Failure::invalid("`paths` names nothing to back up"));
        }
        let mut names: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        names.sort_by_key(|name| trimmed(name).split('/').collect::<Vec<_>>());
        names.dedup_by_key(|name| trimmed(name));
        Ok(names)
    }

    /// Opens the trees: each is really there, and the outer ones come before those that lie in them.
    fn open_trees(&self) -> Result<Vec<NamedTree<'_>>, Failure> {
        let names = self.names()?;
        let mut trees = Vec::new();
        for name in &names {
            let opened = trees::open(name, Open::Read)?;
            let place = opened.find_place()?.path;
            // A name that leads upwards, or through what is another tree of the job, is no place in the snapshot.
            let is_plain = !trimmed(name)
                .split('/')
                .any(|step| step == "." || step == "..")
                && !names
                    .iter()
                    .any(|other| lies_below(name, other) || lies_below(other, name));
            let prefix = if is_plain {
                prefix(name).to_vec()
            } else {
                place
                    .iter()
                    .skip_while(|byte| **byte == b'/')
                    .copied()
                    .collect()
            };
            trees.push(NamedTree {
                name,
                opened,
                place,
                prefix,
            });
        }
        trees.sort_by(|one, other| {
            let steps = |place: &[u8]| {
                place
                    .split(|byte| *byte == b'/')
                    .map(<[u8]>::to_vec)
                    .collect::<Vec<_>>()
            };
            steps(&one.place).cmp(&steps(&other.place))
        });
        Ok(trees)
    }
}

impl NamedTree<'_> {
    /// Records where the entries stand, for a restore in place, if the path does not say it.
    fn record_prefix(&self, draft: &Draft) -> Result<(), Failure> {
        if self.prefix == prefix(self.name) {
            return Ok(());
        }
        let prefix = std::str::from_utf8(&self.prefix).map_err(|_| {
            let message = format!("`{}` leads to a path that is not UTF-8", self.name);
            Failure::new(FailureKind::Unsupported, message)
        })?;
        draft.record_fact(&format!("{PREFIX_FACT}{}", self.name), prefix)
    }
}

fn trimmed(name: &str) -> &str {
    name.trim_end_matches('/')
}

/// Returns whether a path lies below another one, by their names.
fn lies_below(name: &str, other: &str) -> bool {
    let rest = trimmed(name).strip_prefix(trimmed(other));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Returns the prefix of a tree's entries in the snapshot: its path without slashes around it.
fn prefix(name: &str) -> &[u8] {
    trimmed(name).trim_start_matches('/').as_bytes()
}

/// Returns whether entries of one prefix stand among those of another.
fn is_within(prefix: &[u8], outer: &[u8]) -> bool {
    outer.is_empty()
        || prefix
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
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
        for name in self.names()? {
            if let Err(failure) = trees::open(name, Open::Read) {
                findings.push(Finding::error(name, failure.message));
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
        let mut last: Option<Vec<u8>> = None;
        for tree in self.open_trees()? {
            tree.record_prefix(draft)?;
            // Two names of one directory come one after the other.
            if last.as_ref() == Some(&tree.prefix) {
                continue;
            }
            last = Some(tree.prefix.clone());
            // The host adds nothing of a tree that lies in one before it.
            let report = draft.add_tree(&tree.opened, &tree.prefix, &options)?;
            entries += report.entries;
            bytes += report.bytes;
        }
        draft.record_fact("files.entries", &entries.to_string())?;
        draft.record_fact("files.bytes", &bytes.to_string())
    }

    fn restore(&self, snapshot: &Content, _: RestoreRequest) -> Result<(), Failure> {
        // The host has narrowed the snapshot to the paths that were asked for.
        let facts = snapshot.facts();
        let recorded = |name: &str| {
            let is_it = |key: &str| key.strip_prefix(PREFIX_FACT) == Some(name);
            let (_, prefix) = facts.iter().find(|(key, _)| is_it(key))?;
            Some(prefix.as_bytes())
        };
        let mut trees: Vec<(&[u8], &str)> = self
            .names()?
            .into_iter()
            .map(|name| (recorded(name).unwrap_or_else(|| prefix(name)), name))
            .collect();
        trees.sort_by_key(|(prefix, _)| prefix.split(|byte| *byte == b'/').collect::<Vec<_>>());
        let mut restored: Vec<&[u8]> = Vec::new();
        for (prefix, name) in trees {
            let is_there = restored.iter().any(|outer| is_within(prefix, outer));
            if is_there || snapshot.entries(prefix)?.next().is_none() {
                continue;
            }
            let target = trees::open(name, Open::Write)?;
            snapshot.extract(prefix, &target)?;
            restored.push(prefix);
        }
        if !restored.is_empty() {
            return Ok(());
        }
        let message = "the snapshot holds nothing of what the job's `paths` name";
        Err(Failure::new(FailureKind::NotFound, message))
    }
}

holdfast_sdk::export!(Files as Source);

#[cfg(test)]
mod tests;
