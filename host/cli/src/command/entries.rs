//! `ls`, `cat` and `find`.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_base::entry::{EntryKind, Extent, printable};
use holdfast_base::size::ByteSize;
use holdfast_jobs::context::Context;
use holdfast_jobs::entries::{find_entries, list_entries, open_content};
use holdfast_jobs::model::{Item, Root};
use holdfast_jobs::select::{Paths, kind_word};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Bytes of content that are read at once.
const READ_BYTES: usize = 64 << 10;

fn kind_letter(kind: &EntryKind) -> char {
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

fn show_entry(item: &Item, root: Option<&Root>, view: &View) {
    let entry = &item.entry;
    let target = match &entry.kind {
        EntryKind::Symlink { target } => Some(printable(target)),
        EntryKind::HardLink { target } => Some(target.to_string()),
        _ => None,
    };
    let mut json = serde_json::json!({
        "path": entry.path.to_string(),
        "target": target,
        "kind": kind_word(&entry.kind),
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
            kind_letter(&entry.kind),
            entry.modified,
            entry.path
        ));
    });
}

pub(super) fn list(
    context: &Context,
    snapshot: &str,
    paths: &[OsString],
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let paths = Paths::parse(paths)?;
    let access = super::find_access(context, keys, Some(snapshot))?;
    list_entries(context, &access, snapshot, &paths, &mut |item| {
        show_entry(item, None, view);
        view.flow()
    })?;
    Ok(Outcome::Done)
}

pub(super) fn print_content(
    context: &Context,
    snapshot: &str,
    path: &OsStr,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, Some(snapshot))?;
    let mut content = open_content(context, &access, snapshot, path.as_bytes())?;
    let mut out = SparseWriter::new(&content.kind, view);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = content.read_next(&mut buffer)?;
        if count == 0 {
            out.finish();
            return Ok(Outcome::Done);
        }
        if !out.write_data(&buffer[..count]) {
            return Ok(Outcome::Done);
        }
    }
}

/// Puts the holes of a sparse file back between its data.
struct SparseWriter<'a> {
    view: &'a View,
    extents: VecDeque<Extent>,
    size: u64,
    at: u64,
}

impl<'a> SparseWriter<'a> {
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
    fn write_zeros(&mut self, to: u64) -> bool {
        let zeros = [0; READ_BYTES];
        while self.at < to {
            let count = (to - self.at).min(READ_BYTES as u64);
            self.at += count;
            if !self.view.write_bytes(&zeros[..count as usize]) {
                return false;
            }
        }
        true
    }

    /// Writes data; returns whether anybody still reads.
    fn write_data(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(extent) = self.extents.front() {
            let (from, end) = (extent.offset, extent.offset + extent.length);
            if bytes.is_empty() {
                return true;
            }
            if !self.write_zeros(from) {
                return false;
            }
            let count = (end - self.at).min(bytes.len() as u64);
            let (now, later) = bytes.split_at(count as usize);
            if !self.view.write_bytes(now) {
                return false;
            }
            self.at += count;
            if self.at == end {
                self.extents.pop_front();
            }
            bytes = later;
        }
        bytes.is_empty() || self.view.write_bytes(bytes)
    }

    /// Writes what is left of a file that ends in a hole.
    fn finish(mut self) {
        self.write_zeros(self.size);
    }
}

pub(super) fn search(
    context: &Context,
    pattern: &OsStr,
    job: Option<&str>,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let paths = Paths::parse_name(pattern)?;
    let access = super::find_access(context, keys, job)?;
    let mut headed = None;
    let search = find_entries(context, &access, job, &paths, &mut |root, item| {
        if headed != Some(root.snapshot) && !view.is_json() {
            let name = crate::view::snapshot_name(root);
            view.line(&format!("{name}  {}", root.started));
            headed = Some(root.snapshot);
        }
        show_entry(item, Some(root), view);
        view.flow()
    })?;
    if !search.has_some {
        view.note(&format!("nothing fits `{}`", paths.as_words()));
    }
    Ok(super::snapshots::warn_unread(&search.unread, view))
}
