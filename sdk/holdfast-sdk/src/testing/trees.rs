//! Granted directories, made of maps.

use super::rules::{checked_path, is_below};
use super::streams::{Blob, Reader, Sink, Writer, blob, sized_reader};
use crate::types::{Failure, FailureKind};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a tree is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// Where a tree really lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePlace {
    /// Its path on this machine, with links and `..` on the way followed.
    pub path: Vec<u8>,
    /// The number of the file system that it is on.
    pub file_system: u64,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A fifo, a socket or a device.
    Other,
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Path below the tree.
    pub path: Vec<u8>,
    /// Its kind.
    pub kind: NodeKind,
    /// Length of a file in bytes.
    pub size: u64,
    /// When it last changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Permission bits.
    pub mode: u32,
}

/// Options of a walk: what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkOptions {
    /// Patterns of what to leave out. Here: a name, a name that begins or ends with `*`, or a path
    /// that begins with `/`; a host knows all of .gitignore.
    pub excludes: Vec<String>,
    /// Whether to stay on one file system. Here there is only one.
    pub one_file_system: bool,
    /// Whether to leave out what lies beside a CACHEDIR.TAG.
    pub exclude_caches: bool,
}

impl WalkOptions {
    fn leaves_out(&self, tree: &Tree, path: &[u8]) -> bool {
        let text = String::from_utf8_lossy(path);
        let is_excluded = |pattern: &String| match pattern.strip_prefix('/') {
            Some(from_root) => is_below(path, from_root.trim_end_matches('/').as_bytes()),
            None => text.split('/').any(|name| matches_pattern(name, pattern)),
        };
        let is_cache = || {
            let parents = (0..path.len()).filter(|at| path[*at] == b'/');
            parents.into_iter().any(|at| {
                let tag = [&path[..at], b"/CACHEDIR.TAG"].concat();
                tag != path && tree.0.contains_key(&tag)
            })
        };
        self.excludes.iter().any(is_excluded) || (self.exclude_caches && is_cache())
    }
}

fn matches_pattern(name: &str, pattern: &str) -> bool {
    let pattern = pattern.trim_end_matches('/');
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (None, Some(begin)) => name.starts_with(begin),
        (None, None) => name == pattern,
    }
}

/// The content of a tree at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
}

impl Item {
    fn node_kind(&self) -> NodeKind {
        match self {
            Self::File(_) => NodeKind::File,
            Self::Directory => NodeKind::Directory,
            Self::Symlink(_) => NodeKind::Symlink,
        }
    }
}

/// The content of a directory tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree(pub(crate) BTreeMap<Vec<u8>, Item>);

impl Tree {
    /// Makes an empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with_item(mut self, path: impl Into<Vec<u8>>, item: Item) -> Self {
        let path = path.into();
        self.insert(path, item);
        self
    }

    pub(crate) fn insert(&mut self, path: Vec<u8>, item: Item) {
        for at in (0..path.len()).filter(|at| path[*at] == b'/') {
            self.0.entry(path[..at].to_vec()).or_insert(Item::Directory);
        }
        self.0.insert(path, item);
    }

    /// Adds a file and its directories.
    #[must_use]
    pub fn with_file(self, path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        self.with_item(path, Item::File(content.into()))
    }

    /// Adds an empty directory.
    #[must_use]
    pub fn with_directory(self, path: impl Into<Vec<u8>>) -> Self {
        self.with_item(path, Item::Directory)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn with_symlink(self, path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Self {
        self.with_item(path, Item::Symlink(target.into()))
    }

    /// Returns the content of a file.
    #[must_use]
    pub fn content(&self, path: impl AsRef<[u8]>) -> Option<&[u8]> {
        match self.0.get(path.as_ref())? {
            Item::File(bytes) => Some(bytes),
            Item::Directory | Item::Symlink(_) => None,
        }
    }

    /// Returns all paths, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let shown = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        self.0.keys().map(shown).collect()
    }
}

/// A granted tree, and whether it may be written to.
pub(crate) struct Granted {
    tree: Rc<RefCell<Tree>>,
    access: Access,
}

impl Granted {
    pub(crate) fn new(tree: Tree, access: Access) -> Self {
        let tree = Rc::new(RefCell::new(tree));
        Self { tree, access }
    }

    /// Returns a copy of what the tree holds now.
    pub(crate) fn copy_tree(&self) -> Tree {
        self.tree.borrow().clone()
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Opens the tree; none if the operator did not grant so much.
    pub(crate) fn open_for(&self, access: Access, name: &str) -> Option<OpenTree> {
        (self.access >= access).then(|| OpenTree {
            name: name.to_owned(),
            tree: Rc::clone(&self.tree),
            access,
        })
    }
}

/// A directory tree that the operator granted.
#[derive(Debug)]
pub struct OpenTree {
    name: String,
    tree: Rc<RefCell<Tree>>,
    access: Access,
}

fn absent(path: &[u8]) -> Failure {
    let shown = String::from_utf8_lossy(path);
    Failure::new(FailureKind::NotFound, format!("`{shown}` does not exist"))
}

impl OpenTree {
    /// Returns everything that a walk with these options visits.
    pub(crate) fn walk_items(&self, options: &WalkOptions) -> Vec<(Vec<u8>, Item)> {
        let tree = self.tree.borrow();
        let kept = tree
            .0
            .iter()
            .filter(|(path, _)| !options.leaves_out(&tree, path));
        kept.map(|(path, item)| (path.clone(), item.clone()))
            .collect()
    }

    /// Writes something into the tree, as a restore does.
    pub(crate) fn write_item(&self, path: Vec<u8>, item: Item) -> Result<(), Failure> {
        self.may_write()?;
        self.tree.borrow_mut().insert(path, item);
        Ok(())
    }

    fn may_write(&self) -> Result<(), Failure> {
        if self.access == Access::Write {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Denied,
            "the tree was opened for reading",
        ))
    }

    fn file_bytes(&self, path: &[u8]) -> Result<Vec<u8>, Failure> {
        let path = checked_path(path)?;
        match self.tree.borrow().0.get(&path) {
            Some(Item::File(bytes)) => Ok(bytes.clone()),
            Some(_) => Err(Failure::invalid("it is no file")),
            None => Err(absent(&path)),
        }
    }

    /// Returns the path of the tree: the one that the job says, since a tree of the tests lies behind no link.
    ///
    /// # Errors
    /// None here; in the host, the tree may be absent.
    pub fn find_place(&self) -> Result<TreePlace, Failure> {
        let path = self.name.trim_end_matches('/').as_bytes().to_vec();
        Ok(TreePlace {
            path,
            file_system: 0,
        })
    }

    /// Lists the entries directly in a directory, sorted.
    ///
    /// # Errors
    /// The directory does not exist.
    pub fn list_directory(&self, directory: &[u8]) -> Result<Vec<Node>, Failure> {
        let tree = self.tree.borrow();
        if !directory.is_empty() && tree.0.get(&checked_path(directory)?) != Some(&Item::Directory)
        {
            return Err(absent(directory));
        }
        let lies_directly = |path: &[u8]| {
            let rest = if directory.is_empty() {
                Some(path)
            } else {
                path.strip_prefix(directory)
                    .and_then(|rest| rest.strip_prefix(b"/"))
            };
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(&b'/'))
        };
        let node = |(path, item): (&Vec<u8>, &Item)| Node {
            path: path.clone(),
            kind: item.node_kind(),
            size: match item {
                Item::File(bytes) => bytes.len() as u64,
                Item::Directory | Item::Symlink(_) => 0,
            },
            modified_ns: 0,
            mode: 0o644,
        };
        let found = tree.0.iter().filter(|(path, _)| lies_directly(path));
        Ok(found.map(node).collect())
    }

    /// Reads a file from its beginning.
    ///
    /// # Errors
    /// The file does not exist.
    pub fn read_file(&self, path: &[u8]) -> Result<Reader, Failure> {
        self.file_bytes(path).map(sized_reader)
    }

    /// Opens a file for reading at any place.
    ///
    /// # Errors
    /// The file does not exist.
    pub fn open_file(&self, path: &[u8]) -> Result<Blob, Failure> {
        self.file_bytes(path).map(blob)
    }

    /// Creates a file; it appears under its name only when the writer is finished.
    ///
    /// # Errors
    /// The tree was opened for reading, or the path leaves it.
    pub fn create_file(&self, path: &[u8], mode: u32) -> Result<Writer, Failure> {
        let _ = mode;
        self.may_write()?;
        Ok(Writer::with_sink(NewFile {
            tree: Rc::clone(&self.tree),
            path: checked_path(path)?,
            bytes: Vec::new(),
        }))
    }

    /// Creates a directory and its parents.
    ///
    /// # Errors
    /// As for [`OpenTree::create_file`].
    pub fn create_directory(&self, path: &[u8]) -> Result<(), Failure> {
        self.write_item(checked_path(path)?, Item::Directory)
    }

    /// Removes a file, a link or an empty directory.
    ///
    /// # Errors
    /// It is not there, or not empty.
    pub fn remove(&self, path: &[u8]) -> Result<(), Failure> {
        self.may_write()?;
        let path = checked_path(path)?;
        let mut tree = self.tree.borrow_mut();
        let is_full = tree
            .0
            .keys()
            .any(|other| *other != path && is_below(other, &path));
        if is_full {
            return Err(Failure::invalid("the directory is not empty"));
        }
        tree.0.remove(&path).map(drop).ok_or_else(|| absent(&path))
    }
}

struct NewFile {
    tree: Rc<RefCell<Tree>>,
    path: Vec<u8>,
    bytes: Vec<u8>,
}

impl Sink for NewFile {
    fn accept(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        let Self { tree, path, bytes } = *self;
        tree.borrow_mut().insert(path, Item::File(bytes));
        Ok(())
    }
}
