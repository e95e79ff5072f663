//! Reads files that a walk found: what they turn out to be when they are opened, and what cannot be read.

use crate::objects::error::IoStep;
use crate::read::ReadError;
use crate::write::cut::CutBuffer;
use crate::write::error::WriteError;
use crate::write::sequence::ClosedEntry;
use crate::write::shared::Shared;
use holdfast_base::entry::{Entry, EntryKind, FileContent, OpenFile, Warning};
use std::io;

/// What becomes of a file that was read to its end, if it cannot be told whether it changed meanwhile.
#[derive(Clone, Copy)]
pub(super) enum UnknownChange {
    /// It counts as one that cannot be read.
    LeaveOut,
    /// It is stored with the warning that it changed: a large one would be read in vain again and again.
    Warn,
}

/// Reads a file through a buffer; `take_chunks` is called each time that the buffer is full, and at the end.
///
/// A file that cannot be read is left out and named in a warning: then there is nothing to return.
///
/// # Errors
/// The chunks could not be taken, the system is short of something, or this is a copy, in which nothing may be missing.
pub(super) fn read_file(
    shared: &Shared,
    mut entry: Entry,
    content: Box<dyn FileContent>,
    buffer: &mut CutBuffer,
    if_unknown: UnknownChange,
    mut take_chunks: impl FnMut(&mut CutBuffer, bool) -> Result<(), WriteError>,
) -> Result<Option<ClosedEntry>, WriteError> {
    let identity = content.identity();
    let Some(mut file) = readable(shared, &entry, content.open())? else {
        return Ok(None);
    };
    complete_entry(shared, &mut entry, file.as_ref());
    buffer.restart(&shared.cutter, file.size());
    loop {
        let Some(is_end) = readable(shared, &entry, buffer.fill(file.as_mut()))? else {
            return Ok(None);
        };
        take_chunks(buffer, is_end)?;
        if is_end {
            break;
        }
    }
    let has_changed = match (file.has_changed(), if_unknown) {
        (Err(_), UnknownChange::Warn) => true,
        (result, _) => match readable(shared, &entry, result)? {
            Some(has_changed) => has_changed,
            None => return Ok(None),
        },
    };
    if has_changed {
        shared.add_warning(Warning {
            subject: entry.path.to_string(),
            message: "it changed while it was read; what was read is stored".into(),
        });
    }
    Ok(Some(ClosedEntry {
        entry,
        content_bytes: buffer.content_bytes(),
        identity: identity.filter(|_| !has_changed),
    }))
}

/// Completes an entry with what only the open file tells.
fn complete_entry(shared: &Shared, entry: &mut Entry, file: &dyn OpenFile) {
    if let EntryKind::File { size, extents } = &mut entry.kind {
        *size = file.size();
        *extents = file.extents().map(<[_]>::to_vec);
    }
    let xattrs = file.xattrs();
    if let Some(message) = xattrs.trouble {
        let subject = entry.path.to_string();
        shared.add_warning(Warning { subject, message });
    }
    if let Some(ownership) = &mut entry.ownership {
        ownership.xattrs = xattrs.pairs;
    }
}

/// Leaves a file out that cannot be read, and names it; a copy fails.
fn readable<T>(
    shared: &Shared,
    entry: &Entry,
    result: io::Result<T>,
) -> Result<Option<T>, WriteError> {
    let error = match result {
        Ok(value) => return Ok(Some(value)),
        Err(error) => error,
    };
    if !shared.is_copy {
        shared.leave_out(unreadable(entry, &error), error)?;
        return Ok(None);
    }
    let step = IoStep::ReadEntry(entry.path.to_string());
    Err(match error.downcast::<ReadError>() {
        Ok(error) => error.into(),
        Err(error) => step.failed()(error).into(),
    })
}

/// Says why a file is not in the snapshot.
fn unreadable(entry: &Entry, error: &io::Error) -> Warning {
    let message = if error.kind() == io::ErrorKind::NotFound {
        "it vanished before it could be read, and is left out".to_owned()
    } else {
        format!("it cannot be read and is left out: {error}")
    };
    Warning {
        subject: entry.path.to_string(),
        message,
    }
}
