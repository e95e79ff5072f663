//! A checkout: which files belong to it, and which of them are production code.
//!
//! Production code is what lies in `src` of the crates below `host` and `sdk`, without `tests.rs` and without
//! what stands under `#[cfg(test)]`.

use crate::reader::Source;
use std::path::{Path, PathBuf};

/// The directory that holds a copy of the repository.
pub(crate) struct Checkout {
    root: PathBuf,
}

/// A file, with its path below the root of the checkout.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) source: Source,
}

impl Checkout {
    /// Returns the checkout that this test was built from.
    pub(crate) fn of_this_test() -> Self {
        Self::at_root(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
    }

    pub(crate) fn at_root(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    pub(crate) fn read_text(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Returns the paths below a folder whose names end so, sorted.
    pub(crate) fn list_files(&self, folder: &str, ending: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(self.root.join(&folder))
                .into_iter()
                .flatten()
            {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                let path = format!("{folder}/{name}");
                if entry.path().is_dir() && name != "target" {
                    folders.push(path);
                } else if path.ends_with(ending) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Returns every Rust file, tests included.
    pub(crate) fn all_sources(&self) -> Vec<SourceFile> {
        ["host", "sdk", "plugins", "tests"]
            .into_iter()
            .flat_map(|folder| self.list_files(folder, ".rs"))
            .map(|path| self.read_source(path))
            .collect()
    }

    /// Returns the folders of the crates below `host` and `sdk`, sorted.
    pub(crate) fn list_crates(&self) -> Vec<String> {
        ["host", "sdk"]
            .into_iter()
            .flat_map(|folder| {
                self.list_files(folder, "/src/lib.rs")
                    .into_iter()
                    .chain(self.list_files(folder, "/src/main.rs"))
            })
            .filter_map(|path| Some(path.rsplit_once("/src/")?.0.to_owned()))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Returns the production code of a crate.
    pub(crate) fn production_sources(&self, krate: &str) -> Vec<SourceFile> {
        self.list_files(&format!("{krate}/src"), ".rs")
            .into_iter()
            .filter(|path| !path.ends_with("/tests.rs"))
            .map(|path| self.read_source(path))
            .map(|file| SourceFile {
                source: file.source.without_tests(),
                ..file
            })
            .collect()
    }

    /// Returns the production code of all crates.
    pub(crate) fn all_production_sources(&self) -> Vec<SourceFile> {
        self.list_crates()
            .iter()
            .flat_map(|krate| self.production_sources(krate))
            .collect()
    }

    fn read_source(&self, path: String) -> SourceFile {
        let source = Source::from_text(&self.read_text(&path));
        SourceFile { path, source }
    }
}
