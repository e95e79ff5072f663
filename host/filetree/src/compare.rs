//! Compares two trees strictly: names, kinds, content, owners, modes, times, attributes,
//! link targets and hard links. For tests, and for restores that are checked.
//!
//! - Both trees are walked side by side, and content is read piece by piece: neither memory nor open
//!   descriptors grow with the trees.
//! - Files that differ only in the places of their holes are equal.
//! - The two roots themselves are not compared, only what lies in them.

use crate::tree::Tree;
use crate::walk::{Found, Walk, WalkOptions};
use holdfast_base::entry::{Entry, EntryKind, Extent, FileContent, OpenFile, Ownership, printable};
use std::cmp::Ordering;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

/// How much of two files is compared at once.
const PIECE: usize = 256 << 10;

/// In what two entries differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// Only one of the trees has it.
    Presence,
    /// It could not be read in one of the trees.
    Unreadable,
    /// Kind, size, device number, link target, or which file it is another name of.
    Kind,
    /// The bytes of a file.
    Content,
    /// Permission bits.
    Mode,
    /// Owner or group.
    Owner,
    /// Extended attributes, ACLs among them.
    Attributes,
    /// When it was last changed, to the nanosecond.
    Time,
}

/// One way in which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it concerns, printable and relative to the trees.
    pub path: String,
    /// In what they differ.
    pub aspect: Aspect,
    /// What each has, in words.
    pub message: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Returns one line for each difference; none if the trees are equal.
///
/// # Errors
/// A tree cannot be opened.
pub fn compare(a: &Path, b: &Path) -> io::Result<Vec<String>> {
    let found = differences(a, b)?;
    Ok(found.iter().map(ToString::to_string).collect())
}

/// Returns how the trees differ, in the order of a walk; nothing if they are equal.
///
/// # Errors
/// A tree cannot be opened.
pub fn differences(a: &Path, b: &Path) -> io::Result<Vec<Difference>> {
    let mut differences = Differences(Vec::new());
    let mut left = Tree::open(a)?.walk(WalkOptions::default())?;
    let mut right = Tree::open(b)?.walk(WalkOptions::default())?;
    let mut expected = differences.next_entry(&mut left);
    let mut there = differences.next_entry(&mut right);
    loop {
        let order = match (&expected, &there) {
            (None, None) => return Ok(differences.0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.path.cmp(&other.path),
        };
        let one = order.is_le().then(|| expected.take()).flatten();
        let other = order.is_ge().then(|| there.take()).flatten();
        match (one, other) {
            (Some(one), Some(other)) => differences.compare_entries(one, other),
            (Some((one, _)), None) => differences.only_in(&one, a),
            (None, Some((other, _))) => differences.only_in(&other, b),
            (None, None) => {}
        }
        if order.is_le() {
            expected = differences.next_entry(&mut left);
        }
        if order.is_ge() {
            there = differences.next_entry(&mut right);
        }
    }
}

type Content = Option<Box<dyn FileContent>>;

struct Differences(Vec<Difference>);

impl Differences {
    fn add_difference(&mut self, path: impl ToString, aspect: Aspect, message: String) {
        self.0.push(Difference {
            path: path.to_string(),
            aspect,
            message,
        });
    }

    fn next_entry(&mut self, walk: &mut Walk) -> Option<(Entry, Content)> {
        loop {
            match walk.next()? {
                Found::Entry(entry, content) => return Some((entry, content)),
                Found::Skipped(warning) | Found::Unreadable(warning, _) | Found::Noted(warning) => {
                    self.add_difference(warning.subject, Aspect::Unreadable, warning.message);
                }
            }
        }
    }

    fn only_in(&mut self, entry: &Entry, tree: &Path) {
        let message = format!("only in {}", tree.display());
        self.add_difference(&entry.path, Aspect::Presence, message);
    }

    fn compare_entries(&mut self, one: (Entry, Content), other: (Entry, Content)) {
        let ((mut expected, content), (mut there, other_content)) = (one, other);
        let path = expected.path.clone();
        if expected.kind != there.kind {
            let message = format!(
                "{} is not {}",
                describe_kind(&there.kind),
                describe_kind(&expected.kind)
            );
            self.add_difference(&path, Aspect::Kind, message);
        } else if let (Some(one), Some(other)) = (content, other_content) {
            let one = ComparedFile {
                entry: &mut expected,
                content: one,
            };
            let other = ComparedFile {
                entry: &mut there,
                content: other,
            };
            match first_difference(one, other) {
                Ok(None) => {}
                Ok(Some(at)) => {
                    let message = format!("the content differs from byte {at} on");
                    self.add_difference(&path, Aspect::Content, message);
                }
                Err(error) => self.add_difference(&path, Aspect::Unreadable, error.to_string()),
            }
        }
        if let (Some(one), Some(other)) = (&expected.ownership, &there.ownership) {
            self.compare_ownership(&path, one, other);
        }
        if expected.modified != there.modified {
            let message = format!("time {} is not {}", there.modified.0, expected.modified.0);
            self.add_difference(&path, Aspect::Time, message);
        }
    }

    fn compare_ownership(&mut self, path: &impl ToString, expected: &Ownership, there: &Ownership) {
        if expected.mode != there.mode {
            let message = format!("mode {:o} is not {:o}", there.mode, expected.mode);
            self.add_difference(path.to_string(), Aspect::Mode, message);
        }
        if (expected.uid, expected.gid) != (there.uid, there.gid) {
            let message = format!(
                "owner {}:{} is not {}:{}",
                there.uid, there.gid, expected.uid, expected.gid
            );
            self.add_difference(path.to_string(), Aspect::Owner, message);
        }
        let names = |it: &Ownership| -> Vec<_> {
            let pair = |(name, value): &(Vec<u8>, Vec<u8>)| {
                format!("{}={}", printable(name), printable(value))
            };
            it.xattrs.iter().map(pair).collect()
        };
        if expected.xattrs != there.xattrs {
            let message = format!(
                "attributes {:?} are not {:?}",
                names(there),
                names(expected)
            );
            self.add_difference(path.to_string(), Aspect::Attributes, message);
        }
    }
}

fn describe_kind(kind: &EntryKind) -> String {
    match kind {
        EntryKind::Symlink { target } => format!("a link to `{}`", printable(target)),
        EntryKind::HardLink { target } => format!("another name of `{target}`"),
        EntryKind::File { size, .. } => format!("a file of {size} bytes"),
        other => format!("{other:?}"),
    }
}

/// A file that is compared.
struct ComparedFile<'a> {
    entry: &'a mut Entry,
    content: Box<dyn FileContent>,
}

/// Returns the first byte in which two files differ; none if they are equal. Completes the
/// entries with what can be read from open files only.
fn first_difference(one: ComparedFile<'_>, other: ComparedFile<'_>) -> io::Result<Option<u64>> {
    let (mut one, mut other) = (
        Whole::new(open_content(one)?),
        Whole::new(open_content(other)?),
    );
    let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    loop {
        let (m, n) = (one.read_full(&mut a)?, other.read_full(&mut b)?);
        let shorter = m.min(n);
        if a[..shorter] != b[..shorter] {
            let offset = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            return Ok(Some(at + offset as u64));
        }
        if m != n {
            return Ok(Some(at + shorter as u64));
        }
        if m < PIECE {
            return Ok(None);
        }
        at += m as u64;
    }
}

fn open_content(compared: ComparedFile<'_>) -> io::Result<Box<dyn OpenFile>> {
    let file = compared.content.open()?;
    let xattrs = file.xattrs();
    if let Some(ownership) = &mut compared.entry.ownership {
        ownership.xattrs = xattrs.pairs;
    }
    xattrs
        .trouble
        .map_or(Ok(file), |trouble| Err(io::Error::other(trouble)))
}

/// Reads a file with zeros in place of its holes.
struct Whole {
    file: Box<dyn OpenFile>,
    extents: Vec<Extent>,
    next: usize,
    at: u64,
}

impl Whole {
    fn new(file: Box<dyn OpenFile>) -> Self {
        let length = file.size();
        let whole = [Extent { offset: 0, length }];
        Self {
            extents: file.extents().unwrap_or(&whole).to_vec(),
            file,
            next: 0,
            at: 0,
        }
    }

    /// Fills the buffer; less only at the end.
    fn read_full(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let size = self.file.size();
            let extent = self.extents.get(self.next).copied();
            let extent = extent.unwrap_or(Extent {
                offset: size,
                length: 0,
            });
            let end = extent.offset + extent.length;
            let is_hole = self.at < extent.offset;
            let left = if is_hole { extent.offset } else { end } - self.at;
            if left == 0 {
                if self.next >= self.extents.len() {
                    break;
                }
                self.next += 1;
                continue;
            }
            let wanted = (buffer.len() - filled).min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &mut buffer[filled..filled + wanted];
            let count = if is_hole {
                piece.fill(0);
                wanted
            } else {
                self.file.read(piece)?
            };
            if count == 0 {
                break;
            }
            filled += count;
            self.at += count as u64;
        }
        Ok(filled)
    }
}
