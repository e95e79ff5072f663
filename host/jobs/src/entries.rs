//! Looks into snapshots: their entries, the content of one, and what differs between two.
//!
//! Entries are handed on one by one, since there may be millions; whoever gets them can stop early.

use crate::context::Context;
use crate::error::JobError;
use crate::list::{Listing, read_snapshots};
use crate::open::Access;
use crate::select::{Paths, SelectError, find_snapshot};
use holdfast_base::entry::{EntryKind, EntryPath};
use holdfast_base::id::ChunkId;
use holdfast_repository::format::item::Item;
use holdfast_repository::format::root::Root;
use holdfast_repository::read::{ContentReader, Reader};
use holdfast_repository::{ReadError, RepositoryError};
use std::cmp::Ordering;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

/// How an entry differs between two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Only the first snapshot has it.
    Removed,
    /// Only the second snapshot has it.
    Added,
    /// Its content changed.
    Content,
    /// Something else about it changed.
    Metadata,
}

/// The content of an entry.
pub struct EntryContent {
    /// What the entry is.
    pub kind: EntryKind,
    reader: ContentReader,
}

/// What a search came to.
#[derive(Debug)]
pub struct Search {
    /// Whether anything was found.
    pub has_some: bool,
    /// Snapshots that cannot be read.
    pub unread: Vec<RepositoryError>,
}

/// Hands the chosen entries of a snapshot on.
///
/// # Errors
/// The snapshot cannot be read, or holds nothing of what was asked for.
pub fn list_entries(
    context: &Context,
    access: &Access,
    snapshot: &str,
    paths: &Paths,
    visit: &mut dyn FnMut(&Item) -> ControlFlow<()>,
) -> Result<(), JobError> {
    let repository = access.open(context)?;
    let root = find_snapshot(&repository, snapshot)?;
    let reader = Reader::new(repository)?;
    let mut has_some = false;
    for item in reader.read_items(&root)? {
        let (item, _) = item?;
        if paths.includes(&item.entry.path) {
            has_some = true;
            if visit(&item).is_break() {
                return Ok(());
            }
        }
    }
    if !has_some && !paths.is_all() {
        let path = paths.as_words();
        return Err(ReadError::NoEntry { path }.into());
    }
    Ok(())
}

/// Hands the chosen entries of all snapshots on, or of one job's.
///
/// # Errors
/// There is no such job, or a snapshot cannot be read.
pub fn find_entries(
    context: &Context,
    access: &Access,
    job: Option<&str>,
    paths: &Paths,
    visit: &mut dyn FnMut(&Root, &Item) -> ControlFlow<()>,
) -> Result<Search, JobError> {
    let repository = access.open(context)?;
    let Listing { found, unread } = read_snapshots(context, &repository, job)?;
    let reader = Reader::new(repository)?;
    let mut has_some = false;
    for root in &found {
        for item in reader.read_items(root)? {
            let (item, _) = item?;
            if !paths.includes(&item.entry.path) {
                continue;
            }
            has_some = true;
            if visit(root, &item).is_break() {
                return Ok(Search {
                    has_some,
                    unread: Vec::new(),
                });
            }
        }
    }
    Ok(Search { has_some, unread })
}

/// Opens the content of one entry; of what it refers to, if it is a hard link.
///
/// # Errors
/// There is no such entry, or it has no content.
pub fn open_content(
    context: &Context,
    access: &Access,
    snapshot: &str,
    path: &[u8],
) -> Result<EntryContent, JobError> {
    let path = &path[path.iter().take_while(|byte| **byte == b'/').count()..];
    let path = EntryPath::new(path).map_err(SelectError::from)?;
    let repository = access.open(context)?;
    let root = find_snapshot(&repository, snapshot)?;
    let reader = Arc::new(Reader::new(repository)?);
    let (mut item, mut chunks) = reader.find_entry(&root, &path)?;
    if let EntryKind::HardLink { target } = &item.entry.kind {
        (item, chunks) = reader.find_entry(&root, target)?;
    }
    let kind = item.entry.kind.clone();
    if !item.entry.has_content() {
        return Err(SelectError::NoContent { path, kind }.into());
    }
    let reader = ContentReader::new(reader, chunks);
    Ok(EntryContent { kind, reader })
}

impl EntryContent {
    /// Reads the next bytes; none at the end.
    ///
    /// # Errors
    /// What is stored cannot be read, or is damaged.
    pub fn read_next(&mut self, buffer: &mut [u8]) -> Result<usize, JobError> {
        let read = self.reader.read(buffer);
        read.map_err(|error: io::Error| match error.downcast::<ReadError>() {
            Ok(error) => error.into(),
            Err(error) => JobError::ReadEntry(error),
        })
    }
}

/// An entry, and the chunks of its content.
type Found = (Item, Vec<ChunkId>);

/// Hands on what differs between two snapshots of one store.
///
/// # Errors
/// A snapshot cannot be read.
pub fn compare_snapshots(
    context: &Context,
    access: &Access,
    from: &str,
    to: &str,
    visit: &mut dyn FnMut(Difference, &Item) -> ControlFlow<()>,
) -> Result<(), JobError> {
    let repository = access.open(context)?;
    let (from, to) = (
        find_snapshot(&repository, from)?,
        find_snapshot(&repository, to)?,
    );
    let reader = Reader::new(repository)?;
    let (mut old, mut new) = (reader.read_items(&from)?, reader.read_items(&to)?);
    let (mut left, mut right) = (old.next().transpose()?, new.next().transpose()?);
    // Both are in the order of a walk, so that one pass side by side is enough.
    loop {
        let order = match (&left, &right) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.0.entry.path.cmp(&b.0.entry.path),
        };
        let found = find_difference(order, left.as_ref(), right.as_ref());
        if found.is_some_and(|(difference, item)| visit(difference, item).is_break()) {
            return Ok(());
        }
        if order != Ordering::Greater {
            left = old.next().transpose()?;
        }
        if order != Ordering::Less {
            right = new.next().transpose()?;
        }
    }
}

/// Returns how the next entries of two walks differ, and the one that shows it.
fn find_difference<'a>(
    order: Ordering,
    left: Option<&'a Found>,
    right: Option<&'a Found>,
) -> Option<(Difference, &'a Item)> {
    match order {
        Ordering::Less => Some((Difference::Removed, &left?.0)),
        Ordering::Greater => Some((Difference::Added, &right?.0)),
        Ordering::Equal => Some((compare_entries(left?, right?)?, &right?.0)),
    }
}

fn compare_entries(old: &Found, new: &Found) -> Option<Difference> {
    if old.1 != new.1 {
        return Some(Difference::Content);
    }
    (old.0.entry != new.0.entry).then_some(Difference::Metadata)
}
