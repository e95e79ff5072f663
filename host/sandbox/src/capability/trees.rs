//! Granted directories. Nothing outside of them can be named.

use super::streams::{Blob, BlobBytes, Reader, Target, Writer};
use super::{Answer, Guest, failure, of_io};
use crate::bindings::v1::shared::trees::{Access as WitAccess, Host, HostTree, Node, NodeKind};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::manifest::Access;
use holdfast_base::entry::{Entry, EntryKind, EntryPath, Ownership, RestoreTarget, TargetFile};
use holdfast_base::time::{Clock, Instant, SystemClock};
use holdfast_filetree::{ExtractOptions, Extractor, Tree};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::Resource;

/// A directory tree that the operator granted.
pub struct OpenTree {
    pub(crate) tree: Tree,
    pub(crate) access: Access,
    pub(crate) name: String,
}

impl OpenTree {
    fn writer(&self) -> Result<Extractor, Failure> {
        if self.access != Access::Write {
            let message = format!("tree `{}` was opened for reading", self.name);
            return Err(failure(FailureKind::Denied, message));
        }
        let options = ExtractOptions { overwrite: true };
        Extractor::new(Path::new(&self.name), options).map_err(|e| of_io(&e))
    }
}

fn path(bytes: Vec<u8>) -> Result<EntryPath, Failure> {
    EntryPath::new(bytes).map_err(|e| failure(FailureKind::Invalid, e.to_string()))
}

impl Host for Guest {
    fn granted(&mut self) -> wasmtime::Result<Vec<(String, WitAccess)>> {
        let trees = self.context.effective.trees.iter();
        Ok(trees
            .map(|(name, access)| match access {
                Access::Read => (name.clone(), WitAccess::Read),
                Access::Write => (name.clone(), WitAccess::Write),
            })
            .collect())
    }

    fn open(&mut self, name: String, access: WitAccess) -> Answer<Resource<OpenTree>> {
        let access = match access {
            WitAccess::Read => Access::Read,
            WitAccess::Write => Access::Write,
        };
        let is_granted = |(held, most): &(String, Access)| *held == name && *most >= access;
        if !self.context.effective.trees.iter().any(is_granted) {
            return Ok(Err(self.denied(
                &format!("open tree `{name}`"),
                &format!("paths = [{name:?}]"),
            )));
        }
        match Tree::open(Path::new(&name)) {
            Ok(tree) => Ok(Ok(self.table.push(OpenTree { tree, access, name })?)),
            Err(error) => {
                let mut failure = of_io(&error);
                failure.message = format!("cannot open `{name}`: {error}");
                Ok(Err(failure))
            }
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
            let found = tree.tree.list(below.as_ref()).map_err(|e| of_io(&e))?;
            Ok(found.into_iter().map(node).collect())
        };
        Ok(list())
    }

    fn read_file(&mut self, this: Resource<OpenTree>, file: Vec<u8>) -> Answer<Resource<Reader>> {
        let tree = self.table.get(&this)?;
        match path(file).and_then(|path| tree.tree.open_file(&path).map_err(|e| of_io(&e))) {
            Ok(file) => {
                let size_hint = file.metadata().ok().map(|meta| meta.size());
                Ok(Ok(self.table.push(Reader {
                    size_hint,
                    ..Reader::new(file)
                })?))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn open_file(&mut self, this: Resource<OpenTree>, file: Vec<u8>) -> Answer<Resource<Blob>> {
        let tree = self.table.get(&this)?;
        match path(file).and_then(|path| tree.tree.open_file(&path).map_err(|e| of_io(&e))) {
            Ok(file) => Ok(Ok(self.table.push(Blob {
                bytes: Arc::new(FileBlob(file)),
            })?)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn create_file(
        &mut self,
        this: Resource<OpenTree>,
        file: Vec<u8>,
        mode: u32,
    ) -> Answer<Resource<Writer>> {
        let tree = self.table.get(&this)?;
        let start = || -> Result<NewFile, Failure> {
            let extractor = tree.writer()?;
            let entry = new_entry(path(file)?, EntryKind::Stream, mode);
            let started = extractor.start(&entry, u64::MAX).map_err(|e| of_io(&e))?;
            let taken = || failure(FailureKind::Failed, "the file cannot be created");
            Ok(NewFile {
                file: started.ok_or_else(taken)?,
                entry,
                at: 0,
            })
        };
        match start() {
            Ok(file) => Ok(Ok(self.table.push(Writer::new(Box::new(file)))?)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn create_directory(&mut self, this: Resource<OpenTree>, directory: Vec<u8>) -> Answer<()> {
        let tree = self.table.get(&this)?;
        let make = || -> Result<(), Failure> {
            let extractor = tree.writer()?;
            let entry = Entry {
                ownership: None,
                ..new_entry(path(directory)?, EntryKind::Directory, 0)
            };
            extractor.make(&entry).map_err(|e| of_io(&e))
        };
        Ok(make())
    }

    fn remove(&mut self, this: Resource<OpenTree>, name: Vec<u8>) -> Answer<()> {
        let tree = self.table.get(&this)?;
        let remove = || -> Result<(), Failure> {
            tree.writer()?;
            tree.tree.remove(&path(name)?).map_err(|e| of_io(&e))
        };
        Ok(remove())
    }

    fn drop(&mut self, this: Resource<OpenTree>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
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

fn new_entry(path: EntryPath, kind: EntryKind, mode: u32) -> Entry {
    let ownership = Ownership {
        mode: mode & 0o7777,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        xattrs: Vec::new(),
    };
    let modified: Instant = SystemClock.now();
    Entry {
        path,
        kind,
        modified,
        ownership: Some(ownership),
        attributes: Vec::new(),
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

/// A file in the making: it has no permissions until it is finished.
struct NewFile {
    file: Box<dyn TargetFile>,
    entry: Entry,
    at: u64,
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for NewFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.file.finish(&self.entry)
    }
}
