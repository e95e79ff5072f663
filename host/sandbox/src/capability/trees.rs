//! Granted directories. Nothing outside of them can be named.

mod new_file;

use super::streams::{Blob, BlobBytes, Reader, Writer};
use super::{Answer, Guest, failure, of_io};
use crate::bindings::v1::shared::trees::{Access as WitAccess, Host, HostTree, Node, NodeKind};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::grant::TreeRule;
use crate::manifest::Access;
use holdfast_base::entry::{Entry, EntryKind, EntryPath, RestoreTarget};
use holdfast_base::time::{Clock, SystemClock};
use holdfast_filetree::{ExtractOptions, Extractor, Tree};
use new_file::NewFile;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::Resource;

/// A directory tree that the operator granted.
pub struct OpenTree {
    /// None where it is absent: a restore makes it.
    tree: Option<Tree>,
    rule: TreeRule,
    access: Access,
}

impl OpenTree {
    pub(crate) fn tree(&self) -> Result<&Tree, Failure> {
        let absent = || {
            failure(
                FailureKind::NotFound,
                format!("`{}` does not exist", self.rule.name),
            )
        };
        self.tree.as_ref().ok_or_else(absent)
    }

    fn may_write(&self) -> Result<(), Failure> {
        if self.access == Access::Write {
            return Ok(());
        }
        let message = format!("tree `{}` was opened for reading", self.rule.name);
        Err(failure(FailureKind::Denied, message))
    }

    /// Returns what writes into the tree, and makes the tree where it is absent.
    pub(crate) fn extractor(&self, overwrite: bool) -> Result<Extractor, Failure> {
        self.may_write()?;
        let options = ExtractOptions { overwrite };
        self.at_place(options, |path| Extractor::new(path, options))
            .map_err(|e| self.failed(&e))
    }

    /// Does something with a path to the tree. Where the job demands that the tree lies in some
    /// directory, the path leads to what was opened there, and to nothing that took its name since.
    fn at_place<T>(
        &self,
        options: ExtractOptions,
        work: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(within) = &self.rule.within else {
            return work(&self.rule.path);
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
        Extractor::new(within, options)?.make(&directory(path))?;
        work(&Tree::open_within(within, &self.rule.path)?.held_path())
    }

    fn failed(&self, error: &io::Error) -> Failure {
        let mut failure = of_io(error);
        failure.message = format!("`{}`: {}", self.rule.name, failure.message);
        failure
    }
}

/// Describes a directory that is to be made.
fn directory(path: EntryPath) -> Entry {
    Entry {
        path,
        kind: EntryKind::Directory,
        modified: SystemClock.now(),
        ownership: None,
        attributes: Vec::new(),
    }
}

fn path(bytes: Vec<u8>) -> Result<EntryPath, Failure> {
    EntryPath::new(bytes).map_err(|e| failure(FailureKind::Invalid, e.to_string()))
}

impl Host for Guest {
    fn granted(&mut self) -> wasmtime::Result<Vec<(String, WitAccess)>> {
        let granted = self.context.effective.open_trees();
        let access = |access| match access {
            Access::Read => WitAccess::Read,
            Access::Write => WitAccess::Write,
        };
        Ok(granted
            .map(|rule| (rule.name.clone(), access(rule.access)))
            .collect())
    }

    fn open(&mut self, name: String, access: WitAccess) -> Answer<Resource<OpenTree>> {
        let access = match access {
            WitAccess::Read => Access::Read,
            WitAccess::Write => Access::Write,
        };
        let open = || -> Result<OpenTree, Failure> {
            let effective = &self.context.effective;
            let rule = effective.tree(&self.asker(), &name, access)?;
            let opened = match &rule.within {
                Some(within) => Tree::open_within(within, &rule.path),
                None => Tree::open(&rule.path),
            };
            let mut open = OpenTree {
                tree: None,
                rule,
                access,
            };
            match opened {
                Ok(tree) => open.tree = Some(tree),
                Err(error)
                    if access == Access::Write && error.kind() == io::ErrorKind::NotFound => {}
                Err(error)
                    if open.rule.within.is_some()
                        && error.kind() == io::ErrorKind::CrossesDevices =>
                {
                    return Err(effective.led_away(&self.asker(), &open.rule).into());
                }
                Err(error) => return Err(open.failed(&error)),
            }
            Ok(open)
        };
        match open() {
            Ok(open) => self.keep(open),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

impl HostTree for Guest {
    fn list_directory(
        &mut self,
        this: Resource<OpenTree>,
        directory: Vec<u8>,
    ) -> Answer<Vec<Node>> {
        let tree = self.table.get(&this)?;
        let list = || -> Result<Vec<Node>, Failure> {
            let below = if directory.is_empty() {
                None
            } else {
                Some(path(directory)?)
            };
            let found = tree.tree()?.list(below.as_ref()).map_err(|e| of_io(&e))?;
            Ok(found.into_iter().map(node).collect())
        };
        Ok(list())
    }

    fn read_file(&mut self, this: Resource<OpenTree>, file: Vec<u8>) -> Answer<Resource<Reader>> {
        match open_file(self.table.get(&this)?, file) {
            Ok(file) => {
                let size = file.metadata().ok().map(|meta| meta.size());
                self.keep(Reader::sized(file, size))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn open_file(&mut self, this: Resource<OpenTree>, file: Vec<u8>) -> Answer<Resource<Blob>> {
        match open_file(self.table.get(&this)?, file) {
            Ok(file) => self.keep(Blob {
                bytes: Arc::new(FileBlob(file)),
            }),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn create_file(
        &mut self,
        this: Resource<OpenTree>,
        file: Vec<u8>,
        mode: u32,
    ) -> Answer<Resource<Writer>> {
        let overwrite = self.overwrite;
        let tree = self.table.get(&this)?;
        let start = || -> Result<NewFile, Failure> {
            tree.may_write()?;
            let path = path(file)?;
            let options = ExtractOptions { overwrite };
            tree.at_place(options, |tree| NewFile::start(tree, &path, mode, overwrite))
                .map_err(|e| of_io(&e))
        };
        match start() {
            Ok(file) => self.keep(Writer::new(Box::new(file))),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn create_directory(&mut self, this: Resource<OpenTree>, wanted: Vec<u8>) -> Answer<()> {
        let overwrite = self.overwrite;
        let tree = self.table.get(&this)?;
        let make = || -> Result<(), Failure> {
            let directory = directory(path(wanted)?);
            tree.extractor(overwrite)?
                .make(&directory)
                .map_err(|e| of_io(&e))
        };
        Ok(make())
    }

    fn remove(&mut self, this: Resource<OpenTree>, name: Vec<u8>) -> Answer<()> {
        let tree = self.table.get(&this)?;
        let remove = || -> Result<(), Failure> {
            tree.may_write()?;
            tree.tree()?.remove(&path(name)?).map_err(|e| of_io(&e))
        };
        Ok(remove())
    }

    fn drop(&mut self, this: Resource<OpenTree>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn open_file(tree: &OpenTree, file: Vec<u8>) -> Result<File, Failure> {
    tree.tree()?.open_file(&path(file)?).map_err(|e| of_io(&e))
}

fn node(entry: Entry) -> Node {
    let (kind, size) = match entry.kind {
        EntryKind::File { size, .. } => (NodeKind::File, size),
        EntryKind::Directory => (NodeKind::Directory, 0),
        EntryKind::Symlink { .. } => (NodeKind::Symlink, 0),
        _ => (NodeKind::Other, 0),
    };
    Node {
        path: entry.path.as_bytes().to_vec(),
        kind,
        size,
        modified_ns: entry.modified.0,
        mode: entry.ownership.map_or(0, |ownership| ownership.mode),
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
