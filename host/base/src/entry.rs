//! Entries: the named things inside a snapshot.
//!
//! The traits here are how content moves between the crates that do not know each other: a file
//! tree is read through [`FileContent`] and written through [`RestoreTarget`], whoever is behind them.

use crate::limits::{ATTRIBUTES_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, XATTR_BYTES_MAX};
use crate::time::Instant;
use std::fmt;
use std::fs::File;
use std::io;

/// The path of an entry: raw bytes, relative, `/` between components.
///
/// It never leaves the place it is relative to: no empty, `.` or `..` component, no NUL, no leading
/// or trailing slash. Only [`EntryPath::new`] makes one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryPath(Vec<u8>);

/// Says why bytes are not the path of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path is empty.
    #[error("an entry has no name")]
    Empty,
    /// The path starts with a slash.
    #[error("entry `{0}` is absolute; names in a snapshot are relative")]
    Absolute(String),
    /// A component is empty, `.` or `..`.
    #[error("entry `{0}` has a component that is empty, `.` or `..`")]
    Component(String),
    /// A byte is NUL.
    #[error("entry `{0}` has a NUL byte in its name")]
    Nul(String),
    /// A component or the whole is too long.
    #[error("the name of entry `{0}` is too long")]
    TooLong(String),
}

impl EntryPath {
    /// Checks that `bytes` stay below the place they are relative to.
    ///
    /// # Errors
    /// Names the rule that the bytes break.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, PathError> {
        let bytes = bytes.into();
        let shown = || printable(&bytes[..bytes.len().min(200)]);
        if bytes.is_empty() {
            return Err(PathError::Empty);
        }
        if bytes[0] == b'/' {
            return Err(PathError::Absolute(shown()));
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul(shown()));
        }
        if bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong(shown()));
        }
        for component in bytes.split(|b| *b == b'/') {
            if component.is_empty() || component == b"." || component == b".." {
                return Err(PathError::Component(shown()));
            }
            if component.len() > NAME_BYTES_MAX {
                return Err(PathError::TooLong(shown()));
            }
        }
        Ok(Self(bytes))
    }

    /// Returns the bytes of the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/')
    }

    /// Returns the path of the directory that holds the entry; none at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|b| *b == b'/')?;
        Some(Self(self.0[..slash].to_vec()))
    }

    /// Returns the last component.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.components().next_back().unwrap_or(&[])
    }

    /// Returns whether the path is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(other.0.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// Appends a component.
    ///
    /// # Errors
    /// Names the rule that the result would break.
    pub fn join(&self, component: &[u8]) -> Result<Self, PathError> {
        let mut bytes = self.0.clone();
        bytes.push(b'/');
        bytes.extend_from_slice(component);
        Self::new(bytes)
    }
}

impl Ord for EntryPath {
    /// Orders as a depth-first walk with sorted directories meets the entries: component by component.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.components().cmp(other.components())
    }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", printable(&self.0))
    }
}

/// Writes bytes so that a terminal shows them safely: control bytes and what is not UTF-8 as `\xNN`.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            if c.is_control() {
                shown.extend(c.to_string().bytes().map(|b| format!("\\x{b:02x}")));
            } else {
                shown.push(c);
            }
        }
        shown.extend(part.invalid().iter().map(|b| format!("\\x{b:02x}")));
    }
    shown
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// Bytes that a source wrote, with no file behind them: a dump, for example.
    Stream,
    /// A regular file.
    File {
        /// Length in bytes, holes included.
        size: u64,
        /// The ranges of data in a file with holes; none if the whole file is data.
        extents: Option<Vec<Extent>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it points at, as stored; never followed.
        target: Vec<u8>,
    },
    /// One more name of a file that came earlier in the same snapshot.
    HardLink {
        /// The entry that came first.
        target: EntryPath,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// A range of a file that holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Number of bytes, never zero.
    pub length: u64,
}

/// Owner, mode and time of an entry that came from a file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// Permission bits with set-user-id, set-group-id and sticky: the lower 12 bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Extended attributes (name, value), sorted by name; POSIX ACLs are among them.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// One named thing in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, relative to the snapshot.
    pub path: EntryPath,
    /// What it is.
    pub kind: EntryKind,
    /// When its content last changed.
    pub modified: Instant,
    /// Owner and mode, for what came from a file system.
    pub ownership: Option<Ownership>,
    /// What a source said of it, sorted by key.
    pub attributes: Vec<(String, String)>,
}

impl Entry {
    /// Returns whether the entry has content of its own.
    #[must_use]
    pub fn has_content(&self) -> bool {
        matches!(self.kind, EntryKind::Stream | EntryKind::File { .. })
    }

    /// Returns whether what varies in length stays within the limits of the format.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let attributes: usize = self.attributes.iter().map(|(k, v)| k.len() + v.len()).sum();
        let xattrs: usize = self
            .ownership
            .iter()
            .flat_map(|o| &o.xattrs)
            .map(|(k, v)| k.len() + v.len())
            .sum();
        attributes <= ATTRIBUTES_BYTES_MAX && xattrs <= XATTR_BYTES_MAX
    }
}

/// What tells, without reading, that a file is the one that was backed up before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
    /// Length in bytes.
    pub size: u64,
    /// When content or metadata last changed: no program can set this time.
    pub changed: Instant,
}

/// A file that was found, and may have to be read.
///
/// Opening comes later than finding, on another thread, and not at all for a file that is known.
pub trait FileContent: Send {
    /// Returns what tells whether the file is known; none for what must always be read.
    fn identity(&self) -> Option<Identity>;

    /// Opens the file.
    ///
    /// # Errors
    /// The file may have vanished, or be forbidden: the caller names it in a warning.
    fn open(self: Box<Self>) -> io::Result<Box<dyn OpenFile>>;
}

/// The extended attributes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Xattrs {
    /// What could be read, sorted by name.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// What could not be read, in words.
    pub trouble: Option<String>,
}

/// A file that is being read. Reading gives the bytes of its extents, one after the other.
pub trait OpenFile: io::Read + Send {
    /// Returns the length in bytes, holes included, as it was when the file was opened.
    fn size(&self) -> u64;

    /// Returns the ranges of data, in order; none if the whole file is data.
    fn extents(&self) -> Option<&[Extent]>;

    /// Returns its extended attributes, which the entry that was found does not carry.
    fn xattrs(&self) -> Xattrs;

    /// Returns whether the file changed since it was found. Called after the last read.
    ///
    /// # Errors
    /// Passes on what the system answers.
    fn has_changed(&mut self) -> io::Result<bool>;
}

/// A place that a restore writes to. Called from several threads at once.
///
/// Parents come before what lies in them. Errors carry no path: the caller knows the entry.
pub trait RestoreTarget: Send + Sync {
    /// Makes a directory, a link, a fifo or a device.
    ///
    /// # Errors
    /// Refuses to replace what stands there, unless it was told to overwrite.
    fn make(&self, entry: &Entry) -> io::Result<()>;

    /// Makes a directory that only something in it was asked for, and leaves alone what stands there.
    ///
    /// # Errors
    /// Passes on what the system answers.
    fn make_parent(&self, entry: &Entry) -> io::Result<()>;

    /// Gives the place itself, if this restore made it or overwrites, what belongs to the directory that it stands for.
    ///
    /// # Errors
    /// Passes on what the system answers.
    fn set_root(&self, entry: &Entry) -> io::Result<()>;

    /// Starts a file or a stream of `size` bytes, unless what stands there may be it already.
    ///
    /// # Errors
    /// Refuses to replace what stands there, unless it was told to overwrite.
    fn start(&self, entry: &Entry, size: u64) -> io::Result<Started>;

    /// Starts a file in whose place one of the same size and time stands, with other content.
    ///
    /// # Errors
    /// Refuses to replace it, unless it was told to overwrite.
    fn start_over(&self, entry: &Entry, size: u64) -> io::Result<Box<dyn TargetFile>>;

    /// Ends the restore: sets what could not be set before, such as the times of directories.
    ///
    /// # Errors
    /// Passes on what the system answers, with the first entry it concerns in the message.
    fn finish(&self) -> io::Result<()>;
}

/// What became of a file that a restore wanted to start.
pub enum Started {
    /// It is started.
    New(Box<dyn TargetFile>),
    /// A file of its size and time stands there: whether it is the same, its content tells.
    Alike(File),
    /// A file of its size and time stands there, and was to be believed.
    Trusted,
}

/// A file that is being written, in any order, from any thread.
pub trait TargetFile: Send + Sync {
    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// Passes on what the system answers.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Ends the file: owner, mode, attributes and, last of all, its time.
    ///
    /// # Errors
    /// Passes on what the system answers.
    fn finish(&self, entry: &Entry) -> io::Result<()>;
}

/// Something that was left out or changed under the reader: it becomes exit code 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it concerns, printable.
    pub subject: String,
    /// What happened, one sentence.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_would_leave_their_place_are_refused() {
        for bad in [
            "", "/etc", "../x", "a/../b", "a//b", "a/", "./a", "a/.", "a\0b",
        ] {
            assert!(EntryPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(EntryPath::new("a/b..c/.d").is_ok());
        assert!(EntryPath::new([b'x'; 256]).is_err());
    }

    #[test]
    fn paths_sort_as_a_walk_meets_them() {
        let mut paths = ["a.b", "a/c", "a", "b"].map(|p| EntryPath::new(p).unwrap());
        paths.sort();
        assert_eq!(paths.map(|p| p.to_string()), ["a", "a/c", "a.b", "b"]);
    }

    #[test]
    fn a_path_is_within_itself_and_its_parents_only() {
        let path = |p: &str| EntryPath::new(p).unwrap();
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
    }

    #[test]
    fn names_print_safely() {
        assert_eq!(printable(b"a\x1b[2J\xffz"), "a\\x1b[2J\\xffz");
    }
}
