//! Granted directories. Nothing outside of them can be named.

mod new_file;

use super::failure::{failure, io_failure};
use super::guest::Guest;
use super::streams::{Blob, BlobBytes, Reader, Writer};
use crate::contract::{Failure, FailureKind};
use crate::grant::TreeRule;
use crate::manifest::Access;
use holdfast_base::entry::{Entry, EntryKind, EntryPath, RestoreTarget};
use holdfast_base::time::{Clock, SystemClock};
use holdfast_filetree::{ExtractOptions, Extractor, Tree, TrustedDirectory};
use new_file::NewFile;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a plugin may give a file that it creates: nothing that runs as somebody else.
const PERMISSIONS: u32 = 0o777;

/// A directory tree that the operator granted.
pub struct OpenTree {
    /// None if it is absent: a restore makes it.
    tree: Option<Tree>,
    rule: TreeRule,
    access: Access,
}

impl OpenTree {
    /// Returns the tree, which must exist.
    pub(crate) fn existing(&self) -> Result<&Tree, Failure> {
        let absent = || {
            failure(
                FailureKind::NotFound,
                format!("`{}` does not exist", self.rule.name),
            )
        };
        self.tree.as_ref().ok_or_else(absent)
    }

    fn check_writable(&self) -> Result<(), Failure> {
        if self.access == Access::Write {
            return Ok(());
        }
        let message = format!("tree `{}` was opened for reading", self.rule.name);
        Err(failure(FailureKind::Denied, message))
    }

    /// Returns what writes into the tree, and makes the tree if it is absent.
    pub(crate) fn extractor(&self, overwrite: bool) -> Result<Extractor, Failure> {
        self.check_writable()?;
        let options = ExtractOptions {
            overwrite,
            trust_times: false,
        };
        let is_absent = self.tree.is_none();
        let opened = self.with_path(options, |path| Extractor::new(path, options));
        let extractor = opened.map_err(|e| self.named_failure(&e))?;
        Ok(if is_absent {
            extractor.into_new_root()
        } else {
            extractor
        })
    }

    /// Does something with a path to the tree. If the job demands that the tree lies in some
    /// directory, the path leads to what was opened there, and to nothing that took its name since.
    fn with_path<T>(
        &self,
        options: ExtractOptions,
        work: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(within) = &self.rule.within else {
            return work(&TrustedDirectory::open(&self.rule.path)?.held_path());
        };
        if let Some(tree) = self.tree.as_ref().filter(|tree| tree.is_directory()) {
            return work(&tree.held_path());
        }
        let below = self.rule.path.strip_prefix(within);
        let below = below.map_err(io::Error::other)?.as_os_str().as_bytes();
        if below.is_empty() {
            return work(within);
        }
        let path = EntryPath::new(below).map_err(io::Error::other)?;
        Extractor::new(within, options)?.make(&new_directory(path))?;
        work(&Tree::open_within(within, &self.rule.path)?.held_path())
    }

    fn named_failure(&self, error: &io::Error) -> Failure {
        let mut failure = io_failure(error);
        failure.message = format!("`{}`: {}", self.rule.name, failure.message);
        failure
    }
}

impl OpenTree {
    /// Opens a tree by its rule. For writing it need not exist.
    fn open(rule: TreeRule, access: Access) -> Result<Self, OpenError> {
        let opened = match &rule.within {
            Some(within) => Tree::open_within(within, &rule.path),
            None => Tree::open(&rule.path),
        };
        let mut open = Self {
            tree: None,
            rule,
            access,
        };
        match opened {
            Ok(tree) => open.tree = Some(tree),
            Err(error) if access == Access::Write && error.kind() == io::ErrorKind::NotFound => {}
            Err(error)
                if open.rule.within.is_some() && error.kind() == io::ErrorKind::CrossesDevices =>
            {
                return Err(OpenError::LeadsOut(open.rule));
            }
            Err(error) => return Err(OpenError::Failed(open.named_failure(&error))),
        }
        Ok(open)
    }

    /// Returns the real path of the tree, and its file system.
    pub(crate) fn find_place(&self) -> Result<(PathBuf, u64), Failure> {
        let place = self.existing()?.find_place();
        place.map_err(|e| self.named_failure(&e))
    }

    /// Lists a directory of the tree; the tree itself if the name is empty.
    pub(crate) fn list_directory(&self, directory: Vec<u8>) -> Result<Vec<Entry>, Failure> {
        let below = optional_path(directory)?;
        let found = self.existing()?.list_directory(below.as_ref());
        found.map_err(|e| io_failure(&e))
    }

    fn open_file(&self, file: Vec<u8>) -> Result<File, Failure> {
        let opened = self.existing()?.open_file(&entry_path(file)?);
        opened.map_err(|e| io_failure(&e))
    }

    /// Opens a file to read it from its beginning to its end.
    pub(crate) fn open_reader(&self, file: Vec<u8>) -> Result<Reader, Failure> {
        let file = self.open_file(file)?;
        let size = file.metadata().ok().map(|meta| meta.size());
        Ok(Reader::sized(file, size))
    }

    /// Opens a file to read it at any place.
    pub(crate) fn open_blob(&self, file: Vec<u8>) -> Result<Blob, Failure> {
        let bytes = Arc::new(FileBlob(self.open_file(file)?));
        Ok(Blob { bytes })
    }

    /// Starts a file, which appears when it is finished.
    pub(crate) fn create_file(
        &self,
        file: Vec<u8>,
        mode: u32,
        overwrite: bool,
    ) -> Result<Writer, Failure> {
        self.check_writable()?;
        let path = entry_path(file)?;
        if mode & !PERMISSIONS != 0 {
            let message = format!("mode {mode:#o} of `{path}` has more than permissions (0o777)");
            return Err(failure(FailureKind::Invalid, message));
        }
        let options = ExtractOptions {
            overwrite,
            ..ExtractOptions::default()
        };
        let started = self.with_path(options, |tree| {
            NewFile::create_aside(tree, &path, mode, overwrite)
        });
        let file = started.map_err(|e| io_failure(&e))?;
        Ok(Writer::new(Box::new(file)))
    }

    /// Makes a directory.
    pub(crate) fn create_directory(
        &self,
        directory: Vec<u8>,
        overwrite: bool,
    ) -> Result<(), Failure> {
        let directory = new_directory(entry_path(directory)?);
        let made = self.extractor(overwrite)?.make(&directory);
        made.map_err(|e| io_failure(&e))
    }

    /// Removes a file or an empty directory.
    pub(crate) fn remove(&self, name: Vec<u8>) -> Result<(), Failure> {
        self.check_writable()?;
        let removed = self.existing()?.remove(&entry_path(name)?);
        removed.map_err(|e| io_failure(&e))
    }
}

/// Says why a tree is not opened.
enum OpenError {
    /// A link leads out of the directory that it must lie in.
    LeadsOut(TreeRule),
    /// The system refused.
    Failed(Failure),
}

impl Guest {
    /// Opens a granted tree.
    pub(crate) fn open_tree(&self, name: &str, access: Access) -> Result<OpenTree, Failure> {
        let effective = &self.context.effective;
        let checked = effective.check_tree(&self.asker(), name, access);
        let rule = checked.map_err(|denial| self.denied(&denial))?;
        OpenTree::open(rule, access).map_err(|error| match error {
            OpenError::LeadsOut(rule) => self.denied(&effective.deny_link(&self.asker(), &rule)),
            OpenError::Failed(failure) => failure,
        })
    }
}

/// Describes a directory that is to be made.
fn new_directory(path: EntryPath) -> Entry {
    Entry {
        path,
        kind: EntryKind::Directory,
        modified: SystemClock.now(),
        ownership: None,
        attributes: Vec::new(),
    }
}

/// Returns the path of an entry.
pub(crate) fn entry_path(bytes: Vec<u8>) -> Result<EntryPath, Failure> {
    EntryPath::new(bytes).map_err(|e| failure(FailureKind::Invalid, e.to_string()))
}

/// Returns the path of an entry; none if it is empty.
pub(crate) fn optional_path(bytes: Vec<u8>) -> Result<Option<EntryPath>, Failure> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        entry_path(bytes).map(Some)
    }
}

struct FileBlob(File);

impl BlobBytes for FileBlob {
    fn size(&self) -> u64 {
        self.0.metadata().map_or(0, |meta| meta.size())
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self
                .0
                .read_at(&mut bytes[filled..], offset + filled as u64)?
            {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_gets_permissions_and_nothing_that_runs_as_somebody_else() {
        let place = tempfile::tempdir().unwrap();
        let rule = TreeRule {
            name: "tree".into(),
            path: place.path().to_owned(),
            access: Access::Write,
            within: None,
        };
        let Ok(tree) = OpenTree::open(rule, Access::Write) else {
            panic!("it is there");
        };
        for mode in [0o4755, 0o2755, 0o1755, 0o6777] {
            let refused = tree
                .create_file(b"file".to_vec(), mode, false)
                .err()
                .unwrap();
            assert_eq!(refused.kind, FailureKind::Invalid, "{mode:o}");
        }
        assert!(tree.create_file(b"file".to_vec(), 0o755, false).is_ok());
    }
}
