//! `ls`, `cat` and `find`.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::entry::{EntryKind, EntryPath, Extent, printable};
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_jobs::select::{self, Paths};
use holdfast_repository::RepositoryError;
use holdfast_repository::format::item::Item;
use holdfast_repository::format::root::Root;
use holdfast_repository::read::{ContentReader, Reader};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Bytes of content that are read at once.
const READ_BYTES: usize = 64 << 10;

fn letter(kind: &EntryKind) -> char {
    match kind {
        EntryKind::Stream => 's',
        EntryKind::File { .. } => '-',
        EntryKind::Directory => 'd',
        EntryKind::Symlink { .. } => 'l',
        EntryKind::HardLink { .. } => 'h',
        EntryKind::Fifo => 'p',
        EntryKind::CharDevice { .. } => 'c',
        EntryKind::BlockDevice { .. } => 'b',
    }
}

/// Names what an entry is, for people.
fn word(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::Stream => "stream",
        EntryKind::File { .. } => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink { .. } => "symlink",
        EntryKind::HardLink { .. } => "hard link",
        EntryKind::Fifo => "fifo",
        EntryKind::CharDevice { .. } => "character device",
        EntryKind::BlockDevice { .. } => "block device",
    }
}

fn show(item: &Item, root: Option<&Root>, view: &View) {
    let entry = &item.entry;
    let target = match &entry.kind {
        EntryKind::Symlink { target } => Some(printable(target)),
        EntryKind::HardLink { target } => Some(target.to_string()),
        _ => None,
    };
    let mut json = serde_json::json!({
        "path": entry.path.to_string(),
        "target": target,
        "kind": word(&entry.kind),
        "size": item.content_bytes,
        "modified": entry.modified.to_string(),
        "mode": entry.ownership.as_ref().map(|o| format!("{:04o}", o.mode)),
        "uid": entry.ownership.as_ref().map(|o| o.uid),
        "gid": entry.ownership.as_ref().map(|o| o.gid),
    });
    if let (Some(map), Some(root)) = (json.as_object_mut(), root) {
        map.insert("snapshot".into(), root.snapshot.to_string().into());
        map.insert("job".into(), root.job.clone().into());
    }
    view.answer(&json, |view| {
        let (mode, owner) = match &entry.ownership {
            Some(o) => (format!("{:04o}", o.mode), format!("{}:{}", o.uid, o.gid)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let target = match &entry.kind {
            EntryKind::Symlink { target } => format!(" -> {}", printable(target)),
            EntryKind::HardLink { target } => format!(" = {target}"),
            _ => String::new(),
        };
        let size = ByteSize(item.content_bytes).to_string();
        view.line(&format!(
            "{}{mode:>5}  {owner:>11}  {size:>10}  {}  {}{target}",
            letter(&entry.kind),
            entry.modified,
            entry.path
        ));
    });
}

pub(crate) fn ls(
    context: &Context,
    snapshot: &str,
    paths: &[OsString],
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let paths = Paths::new(paths)?;
    let repository = super::open(context, keys, Some(snapshot))?;
    let root = select::snapshot(&repository, snapshot)?;
    let reader = Reader::new(repository)?;
    let mut has_some = false;
    for item in reader.items(&root)? {
        let (item, _) = item?;
        if paths.takes(&item.entry.path) {
            show(&item, None, view);
            has_some = true;
        }
        if view.is_gone() {
            return Ok(Outcome::Done);
        }
    }
    if !has_some && !paths.is_all() {
        let path = paths.words();
        return Err(RepositoryError::NoEntry { path }.into());
    }
    Ok(Outcome::Done)
}

pub(crate) fn cat(
    context: &Context,
    snapshot: &str,
    path: &OsStr,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let bytes = path.as_bytes();
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == b'/').count()..];
    let path = EntryPath::new(bytes).map_err(|e| JobError::usage(e.to_string(), None))?;
    let repository = super::open(context, keys, Some(snapshot))?;
    let root = select::snapshot(&repository, snapshot)?;
    let reader = Arc::new(Reader::new(repository)?);
    let (mut item, mut chunks) = reader.entry(&root, &path)?;
    if let EntryKind::HardLink { target } = &item.entry.kind {
        (item, chunks) = reader.entry(&root, target)?;
    }
    if !item.entry.has_content() {
        let message = format!(
            "`{path}` is a {} and has no content",
            word(&item.entry.kind)
        );
        return Err(JobError::usage(message, None));
    }
    let mut out = Holes::new(&item.entry.kind, view);
    let mut content = ContentReader::new(reader, chunks);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = content.read(&mut buffer).map_err(read_error)?;
        if count == 0 {
            out.end();
            return Ok(Outcome::Done);
        }
        if !out.write(&buffer[..count]) {
            return Ok(Outcome::Done);
        }
    }
}

fn read_error(error: io::Error) -> JobError {
    match error.downcast::<RepositoryError>() {
        Ok(error) => error.into(),
        Err(error) => JobError::io("read the entry")(error),
    }
}

/// Puts the holes of a sparse file back between its data.
struct Holes<'a> {
    view: &'a View,
    extents: VecDeque<Extent>,
    size: u64,
    at: u64,
}

impl<'a> Holes<'a> {
    fn new(kind: &EntryKind, view: &'a View) -> Self {
        let (extents, size) = match kind {
            EntryKind::File {
                size,
                extents: Some(extents),
            } => (extents.iter().cloned().collect(), *size),
            _ => (VecDeque::new(), 0),
        };
        Self {
            view,
            extents,
            size,
            at: 0,
        }
    }

    /// Writes zeros up to a place; returns whether anybody still reads.
    fn fill(&mut self, to: u64) -> bool {
        let zeros = [0; READ_BYTES];
        while self.at < to {
            let count = (to - self.at).min(READ_BYTES as u64);
            self.at += count;
            if !self.view.bytes(&zeros[..count as usize]) {
                return false;
            }
        }
        true
    }

    /// Writes data; returns whether anybody still reads.
    fn write(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(extent) = self.extents.front() {
            let (from, end) = (extent.offset, extent.offset + extent.length);
            if bytes.is_empty() {
                return true;
            }
            if !self.fill(from) {
                return false;
            }
            let count = (end - self.at).min(bytes.len() as u64);
            let (now, later) = bytes.split_at(count as usize);
            if !self.view.bytes(now) {
                return false;
            }
            self.at += count;
            if self.at == end {
                self.extents.pop_front();
            }
            bytes = later;
        }
        bytes.is_empty() || self.view.bytes(bytes)
    }

    fn end(mut self) {
        self.fill(self.size);
    }
}

pub(crate) fn find(
    context: &Context,
    pattern: &OsStr,
    job: Option<&str>,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let paths = Paths::found(pattern)?;
    let repository = super::open(context, keys, job)?;
    let (roots, failures) = repository.snapshots()?;
    super::snapshots::known_job(context, job, &roots)?;
    let reader = Reader::new(repository)?;
    let mut has_some = false;
    for root in roots
        .iter()
        .filter(|root| job.is_none_or(|job| root.job == job))
    {
        let mut is_headed = false;
        for item in reader.items(root)? {
            let (item, _) = item?;
            if paths.takes(&item.entry.path) {
                if !is_headed && !view.is_json() {
                    view.line(&format!(
                        "{}@{}  {}",
                        root.job,
                        root.snapshot.short(),
                        root.started
                    ));
                    is_headed = true;
                }
                show(&item, Some(root), view);
                has_some = true;
            }
            if view.is_gone() {
                return Ok(Outcome::Done);
            }
        }
    }
    if !has_some {
        view.note(&format!("nothing fits `{}`", paths.words()));
    }
    Ok(super::snapshots::unread(&failures, view))
}
