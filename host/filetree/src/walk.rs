//! Goes through a tree, depth first, the names of each directory sorted by their bytes.
//!
//! - Symbolic links are entries and are never followed.
//! - What cannot be read is named, with what the system answered, and passed over; nothing is left out in silence but what the
//!   options exclude, and that is counted.
//! - A name costs one `stat`; nothing but directories is opened. What is no file has its attributes
//!   listed too; those of files come with their content.
//! - Memory and open descriptors are bounded, however large a directory or deep a tree is.
//! - A link to an earlier name is given only if the earlier name became an entry.

use crate::beneath::open_beneath;
use crate::content::{FoundFile, identity};
use crate::exclude::Excludes;
use crate::links::Links;
use crate::names::{Listing, Names, new_listing};
use crate::tree::Tree;
use crate::xattr;
use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, FileContent, Ownership, Warning, printable,
};
use holdfast_base::time::Instant;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The line that a valid CACHEDIR.TAG begins with.
const CACHEDIR_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
const CACHEDIR_TAG: &[u8] = b"CACHEDIR.TAG";

/// Directories that are kept open; those further up are opened again when the walk comes back.
const OPEN_LEVELS: usize = 64;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What a walk meets and what it leaves out.
#[derive(Debug, Clone, Default)]
pub struct WalkOptions {
    /// The place of the entries in the snapshot; its top if none is given.
    pub prefix: Option<EntryPath>,
    /// What is left out.
    pub excludes: Excludes,
    /// Whether to stay on the file system of the tree's root: a directory on which another one is
    /// mounted is an entry, what lies in it is not.
    pub one_file_system: bool,
    /// Whether to leave out what lies beside a valid CACHEDIR.TAG; the tag itself stays.
    pub exclude_caches: bool,
}

/// What a walk met.
pub enum Found {
    /// An entry, with its content if it is a file.
    Entry(Entry, Option<Box<dyn FileContent>>),
    /// Something that had to be left out.
    Skipped(Warning),
    /// Something that the system refused to give: whether the run can go on, its answer tells.
    Unreadable(Warning, io::Error),
    /// Something that nobody can back up, and that nobody misses.
    Noted(Warning),
}

/// A directory whose names are being visited.
struct Level {
    /// None while the walk is far below it.
    directory: Option<Arc<OwnedFd>>,
    /// How the kernel finds what lies in it, for attributes.
    proc_prefix: Arc<[u8]>,
    /// Device and inode, which tell whether it is still the same when it is opened again.
    is: (u64, u64),
    /// Length of its path within the path of the walk.
    path_length: usize,
    names: Names,
    next: usize,
    is_cache: bool,
}

/// Goes through a tree.
pub struct Walk {
    root: Arc<OwnedFd>,
    options: WalkOptions,
    levels: Vec<Level>,
    pending: VecDeque<Found>,
    /// The path of what is visited, in the snapshot.
    path: Vec<u8>,
    /// Where its part below the tree begins.
    inner_start: usize,
    device: u64,
    links: Links,
    /// Devices that have no attributes.
    without_attributes: HashSet<u64>,
    excluded: u64,
    proc_path: Vec<u8>,
    listing: Listing,
    /// Whether directories are only named.
    is_flat: bool,
}

impl Tree {
    /// Starts a walk. With a prefix, the first entry is the root itself.
    ///
    /// # Errors
    /// The root cannot be read.
    pub fn walk(&self, options: WalkOptions) -> io::Result<Walk> {
        let stat = rustix::fs::fstat(&**self.root_directory())?;
        let prefix = options.prefix.clone();
        let mut walk = Walk::new(Arc::clone(self.root_directory()), options, stat.st_dev);
        walk.check_attributes();
        if !self.is_directory() {
            let (directory, name) = self.open_parent()?;
            let shown = self.root_name();
            let path = match prefix {
                Some(path) => path,
                None => EntryPath::new(shown).map_err(io::Error::other)?,
            };
            let place = xattr::proc_prefix(&directory);
            let found = walk.make_found(&Arc::new(directory), &place, &name, path, &stat);
            walk.pending.push_front(found);
            return Ok(walk);
        }
        // A descriptor of its own: its position in the listing is not shared.
        let own = rustix::fs::openat(&**self.root_directory(), c".", DIRECTORY, Mode::empty())?;
        if let Some(path) = prefix {
            walk.path.extend_from_slice(path.as_bytes());
            walk.inner_start = walk.path.len() + 1;
            let place = xattr::proc_prefix(&own);
            let entry = walk.make_entry(&place, b".", path, EntryKind::Directory, &stat)?;
            walk.pending.push_front(Found::Entry(entry, None));
        }
        walk.enter_directory(own, &stat);
        Ok(walk)
    }

    /// Returns whether a walk with these options, which looks at the names above this one, passes over it: it is left
    /// out, lies beside a valid tag, or in a directory on another file system. What cannot be told is not passed over.
    #[must_use]
    pub fn passes_over(&self, options: &WalkOptions, name: &[u8]) -> bool {
        let (above, own) = match name.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&name[..slash], &name[slash + 1..]),
            None => (&b"."[..], name),
        };
        let root = self.root_directory();
        let Ok(parent) = open_beneath(root, above, DIRECTORY, Mode::empty()) else {
            return false;
        };
        let stat = rustix::fs::statat(&parent, own, AtFlags::SYMLINK_NOFOLLOW);
        let is_directory = stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir());
        let device = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| stat.st_dev);
        options.excludes.excludes(name, is_directory)
            || (options.exclude_caches && own != CACHEDIR_TAG && has_cache_tag(&parent))
            || (options.one_file_system && device(&parent) != device(root))
    }

    /// Lists what lies directly in a directory, sorted; the root if none is given.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list_directory(&self, directory: Option<&EntryPath>) -> io::Result<Vec<Entry>> {
        let options = WalkOptions {
            prefix: directory.cloned(),
            ..WalkOptions::default()
        };
        let walk = self.subtree(directory)?.walk_flat(options)?;
        let entries = walk.filter_map(|found| match found {
            Found::Entry(entry, _) => Some(entry),
            Found::Skipped(_) | Found::Unreadable(..) | Found::Noted(_) => None,
        });
        Ok(entries.collect())
    }

    /// Starts a walk that does not enter directories, and leaves out the root itself.
    fn walk_flat(&self, options: WalkOptions) -> io::Result<Walk> {
        let mut walk = self.walk(options)?;
        if self.is_directory() {
            walk.pending.clear();
        }
        walk.is_flat = true;
        Ok(walk)
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.pending.pop_front() {
                return Some(found);
            }
            let level = self.levels.last_mut()?;
            if level.next == level.names.len() {
                self.leave_directory();
                continue;
            }
            let at = level.next;
            level.next += 1;
            if let Some(found) = self.visit_name(at) {
                return Some(found);
            }
        }
    }
}

impl Walk {
    fn new(root: Arc<OwnedFd>, options: WalkOptions, device: u64) -> Self {
        Self {
            root,
            options,
            levels: Vec::new(),
            pending: VecDeque::new(),
            path: Vec::new(),
            inner_start: 0,
            device,
            links: Links::default(),
            without_attributes: HashSet::new(),
            excluded: 0,
            proc_path: Vec::new(),
            listing: new_listing(),
            is_flat: false,
        }
    }

    /// Leaves out the root itself, which comes first if there is a prefix, and keeps what lies in it.
    pub fn skip_root(&mut self) {
        if !self.levels.is_empty() {
            self.pending.pop_front();
        }
    }

    /// Returns how many names the options left out so far, each directory counted once.
    #[must_use]
    pub fn excluded(&self) -> u64 {
        self.excluded
    }

    /// Says so once if attributes are out of reach.
    fn check_attributes(&mut self) {
        let path = xattr::proc_prefix(&*self.root);
        let there = rustix::fs::lstat(&path[..path.len() - 1]);
        if there.is_err() {
            self.without_attributes.insert(self.device);
            let message = "extended attributes and ACLs are left out: they are reached through \
                           /proc, which is not mounted";
            self.report_skipped("/proc", message.to_owned());
        }
    }

    fn report_unreadable(&mut self, subject: impl Into<String>, what: &str, error: io::Error) {
        let warning = Warning {
            subject: subject.into(),
            message: format!("{what}: {error}"),
        };
        self.pending.push_back(Found::Unreadable(warning, error));
    }

    fn report_skipped(&mut self, subject: impl Into<String>, message: String) {
        let subject = subject.into();
        self.pending
            .push_back(Found::Skipped(Warning { subject, message }));
    }

    /// Looks at one name; none if it is excluded.
    fn visit_name(&mut self, at: usize) -> Option<Found> {
        let level = self.levels.last()?;
        let name = level.names.get(at);
        if level.is_cache && name != CACHEDIR_TAG {
            self.excluded += 1;
            return None;
        }
        self.path.truncate(level.path_length);
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        let directory = Arc::clone(level.directory.as_ref()?);
        let stat = match rustix::fs::statat(&*directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return Some(unreadable(&self.path, error.into())),
        };
        let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        let inner = &self.path[self.inner_start..];
        if self.options.excludes.excludes(inner, is_directory) {
            self.excluded += 1;
            return None;
        }
        let path = match EntryPath::new(self.path.clone()) {
            Ok(path) => path,
            Err(error) => return Some(left_out(&self.path, error.to_string())),
        };
        let (name, place) = (name.to_vec(), Arc::clone(&level.proc_prefix));
        Some(if is_directory {
            self.visit_directory(&directory, &place, &name, path, &stat)
        } else {
            self.make_found(&directory, &place, &name, path, &stat)
        })
    }

    fn visit_directory(
        &mut self,
        directory: &OwnedFd,
        place: &[u8],
        name: &[u8],
        path: EntryPath,
        stat: &Stat,
    ) -> Found {
        let entry = match self.make_entry(place, name, path, EntryKind::Directory, stat) {
            Ok(entry) => entry,
            Err(error) => return unreadable(&self.path, error),
        };
        let stays_out = self.options.one_file_system && stat.st_dev != self.device;
        if !self.is_flat && !stays_out {
            match rustix::fs::openat(directory, name, DIRECTORY, Mode::empty()) {
                Ok(opened) => self.enter_directory(opened, stat),
                Err(error) => {
                    let what = "what lies in it cannot be read and is left out";
                    self.report_unreadable(printable(&self.path), what, error.into());
                }
            }
        }
        Found::Entry(entry, None)
    }

    /// Reads the names of a directory, which are visited next.
    fn enter_directory(&mut self, directory: OwnedFd, stat: &Stat) {
        let (names, trouble) = Names::read_sorted(&directory, &mut self.listing);
        if let Some(error) = trouble {
            let subject = if self.path.is_empty() {
                ".".to_owned()
            } else {
                printable(&self.path)
            };
            self.report_unreadable(subject, "it could not be read to its end", error);
        }
        let is_cache = self.options.exclude_caches
            && names.contains(CACHEDIR_TAG)
            && has_cache_tag(&directory);
        self.levels.push(Level {
            proc_prefix: xattr::proc_prefix(&directory).into(),
            directory: Some(Arc::new(directory)),
            is: (stat.st_dev, stat.st_ino),
            path_length: self.path.len(),
            names,
            next: 0,
            is_cache,
        });
        if let Some(far) = self.levels.len().checked_sub(OPEN_LEVELS + 1) {
            self.levels[far].directory = None;
        }
    }

    /// Goes back up, and opens the directory there again if it was closed meanwhile.
    fn leave_directory(&mut self) {
        let Some(left) = self.levels.pop() else {
            return;
        };
        let Some(level) = self.levels.last() else {
            return;
        };
        if level.directory.is_some() || level.next == level.names.len() {
            return;
        }
        let inner = self.path.get(self.inner_start..level.path_length);
        let opened = reopen(&self.root, inner, left.directory.as_deref(), level.is);
        self.path.truncate(level.path_length);
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        match opened {
            Ok(directory) => {
                level.proc_prefix = xattr::proc_prefix(&directory).into();
                level.directory = Some(Arc::new(directory));
            }
            Err(error) => {
                let count = level.names.len() - level.next;
                level.next = level.names.len();
                let what = format!("{count} more of its entries are left out");
                self.report_unreadable(printable(&self.path), &what, error);
            }
        }
    }

    /// Makes an entry of what is no directory.
    fn make_found(
        &mut self,
        directory: &Arc<OwnedFd>,
        place: &[u8],
        name: &[u8],
        path: EntryPath,
        stat: &Stat,
    ) -> Found {
        let mut entry = || -> io::Result<Option<Entry>> {
            let Some(mut kind) = entry_kind(directory, name, stat)? else {
                return Ok(None);
            };
            if let Some(target) = self.links.find_first(stat) {
                kind = EntryKind::HardLink { target };
            }
            self.make_entry(place, name, path.clone(), kind, stat)
                .map(Some)
        };
        let entry = match entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                return Found::Noted(Warning {
                    subject: path.to_string(),
                    message: "it is a socket, which only its own program can make again".into(),
                });
            }
            Err(error) => return unreadable(path.as_bytes(), error),
        };
        if !matches!(entry.kind, EntryKind::HardLink { .. }) && !self.links.remember(stat, &path) {
            let message = "there are so many hard links that this one, if another name of it \
                           follows, becomes a file of its own";
            self.report_skipped(path.to_string(), message.into());
        }
        let content: Option<Box<dyn FileContent>> = match entry.kind {
            EntryKind::File { .. } => Some(Box::new(FoundFile {
                directory: Arc::clone(directory),
                name: name.to_vec(),
                identity: identity(stat),
            })),
            _ => None,
        };
        Found::Entry(entry, content)
    }

    fn make_entry(
        &mut self,
        place: &[u8],
        name: &[u8],
        path: EntryPath,
        kind: EntryKind,
        stat: &Stat,
    ) -> io::Result<Entry> {
        let is_file = matches!(kind, EntryKind::File { .. } | EntryKind::HardLink { .. });
        let xattrs = if is_file {
            Vec::new()
        } else {
            self.read_attributes(place, name, &path, stat)?
        };
        let modified = self.read_time(&path, stat);
        Ok(Entry {
            path,
            kind,
            modified,
            ownership: Some(Ownership {
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
                xattrs,
            }),
            attributes: Vec::new(),
        })
    }

    /// Returns when something was last changed, as near as an instant goes, and says so if that is not near.
    fn read_time(&mut self, path: &EntryPath, stat: &Stat) -> Instant {
        let modified = Instant::from_parts(stat.st_mtime, stat.st_mtime_nsec as i64);
        if modified.seconds() != stat.st_mtime {
            let message = format!(
                "its time lies {} seconds from 1970 and is stored as {modified}: times before 1677 and after \
                 2262 are not kept",
                stat.st_mtime
            );
            self.report_skipped(path.to_string(), message);
        }
        modified
    }

    /// Reads the attributes of what is no file.
    fn read_attributes(
        &mut self,
        place: &[u8],
        name: &[u8],
        path: &EntryPath,
        stat: &Stat,
    ) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if self.without_attributes.contains(&stat.st_dev) {
            return Ok(Vec::new());
        }
        self.proc_path.clear();
        self.proc_path.extend_from_slice(place);
        self.proc_path.extend_from_slice(name);
        let Some(read) = xattr::read_at(&self.proc_path)? else {
            // Some file systems have attributes, but not on links and devices.
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                self.without_attributes.insert(stat.st_dev);
            }
            return Ok(Vec::new());
        };
        if let Some(trouble) = read.trouble {
            self.report_skipped(path.to_string(), trouble);
        }
        Ok(read.pairs)
    }
}

/// Returns what an entry is; none for what cannot be made again. Links come later.
fn entry_kind(directory: &OwnedFd, name: &[u8], stat: &Stat) -> io::Result<Option<EntryKind>> {
    let (major, minor) = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File {
            size: stat.st_size as u64,
            extents: None,
        },
        FileType::Symlink => EntryKind::Symlink {
            target: rustix::fs::readlinkat(directory, name, Vec::new())?.into_bytes(),
        },
        FileType::Fifo => EntryKind::Fifo,
        FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
        FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
        FileType::Directory | FileType::Socket | FileType::Unknown => return Ok(None),
    }))
}

/// Opens a directory again: from one that lies in it, or from the root. It must still be the same.
fn reopen(
    root: &OwnedFd,
    inner: Option<&[u8]>,
    below: Option<&OwnedFd>,
    is: (u64, u64),
) -> io::Result<OwnedFd> {
    let same = |opened: OwnedFd| -> Option<OwnedFd> {
        let stat = rustix::fs::fstat(&opened).ok()?;
        ((stat.st_dev, stat.st_ino) == is).then_some(opened)
    };
    // The way up leaves the tree if somebody moved the directory; then it is not the same.
    let up = |below| rustix::fs::openat(below, c"..", DIRECTORY, Mode::empty()).ok();
    if let Some(opened) = below.and_then(up).and_then(same) {
        return Ok(opened);
    }
    let moved = || io::Error::other("somebody moved it");
    match inner {
        Some(inner) if !inner.is_empty() => {
            same(open_beneath(root, inner, DIRECTORY, Mode::empty())?).ok_or_else(moved)
        }
        _ => same(rustix::fs::openat(root, c".", DIRECTORY, Mode::empty())?).ok_or_else(moved),
    }
}

fn left_out(path: &[u8], message: String) -> Found {
    Found::Skipped(Warning {
        subject: printable(path),
        message,
    })
}

fn unreadable(path: &[u8], error: io::Error) -> Found {
    if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) {
        return left_out(path, "it vanished before it could be looked at".to_owned());
    }
    let warning = Warning {
        subject: printable(path),
        message: format!("it cannot be read and is left out: {error}"),
    };
    Found::Unreadable(warning, error)
}

fn has_cache_tag(directory: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(directory, CACHEDIR_TAG, flags, Mode::empty()) else {
        return false;
    };
    let mut head = [0; CACHEDIR_SIGNATURE.len()];
    let read = rustix::io::pread(&fd, &mut head[..], 0);
    read == Ok(head.len()) && head == *CACHEDIR_SIGNATURE
}
