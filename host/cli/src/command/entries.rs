//! `ls`, `cat` and `find`.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::entry::{EntryKind, EntryPath, printable};
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::open::Context;
use holdfast_jobs::select::{self, Paths};
use holdfast_repository::format::item::Item;
use holdfast_repository::read::{ContentReader, Reader};
use std::io;
use std::sync::Arc;

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

fn show(item: &Item, view: &View) {
    let entry = &item.entry;
    let json = serde_json::json!({
        "path": entry.path.to_string(),
        "kind": letter(&entry.kind).to_string(),
        "size": item.content_bytes,
        "modified": entry.modified.to_string(),
        "mode": entry.ownership.as_ref().map(|o| format!("{:04o}", o.mode)),
        "uid": entry.ownership.as_ref().map(|o| o.uid),
        "gid": entry.ownership.as_ref().map(|o| o.gid),
    });
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
    paths: &[String],
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let paths = Paths::new(paths)?;
    let repository = super::open(context, keys, Some(snapshot))?;
    let root = select::snapshot(&repository, snapshot)?;
    let reader = Reader::new(repository)?;
    for item in reader.items(&root)? {
        let (item, _) = item?;
        if paths.takes(&item.entry.path) {
            show(&item, view);
        }
    }
    Ok(Outcome::Done)
}

pub(crate) fn cat(
    context: &Context,
    snapshot: &str,
    path: &str,
    keys: &Keys,
) -> Result<Outcome, JobError> {
    let path = EntryPath::new(path.trim_start_matches('/'))
        .map_err(|e| JobError::usage(e.to_string(), None))?;
    let repository = super::open(context, keys, Some(snapshot))?;
    let root = select::snapshot(&repository, snapshot)?;
    let reader = Arc::new(Reader::new(repository)?);
    let (item, chunks) = reader.entry(&root, &path)?;
    if !item.entry.has_content() {
        return Err(JobError::usage(format!("`{path}` has no content"), None));
    }
    let mut content = ContentReader::new(reader, chunks);
    match io::copy(&mut content, &mut io::stdout().lock()) {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(error) => Err(
            match error.downcast::<holdfast_repository::RepositoryError>() {
                Ok(error) => error.into(),
                Err(error) => JobError::io("write to standard output")(error),
            },
        ),
    }
}

pub(crate) fn find(
    context: &Context,
    pattern: &str,
    job: Option<&str>,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let paths = Paths::new(&[pattern.to_owned()])?;
    let repository = super::open(context, keys, job)?;
    let (roots, _) = repository.snapshots()?;
    let reader = Reader::new(repository)?;
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
                show(&item, view);
            }
        }
    }
    Ok(Outcome::Done)
}
