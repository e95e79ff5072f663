//! What a file turns out to be when it is opened and read, after the walk that found it.

use crate::objects::error::IoStep;
use crate::read::ReadError;
use crate::write::Shared;
use crate::write::WriteError;
use holdfast_base::entry::{Entry, EntryKind, OpenFile, Warning};
use std::io;

/// Completes an entry with what only the open file tells.
pub(super) fn opened(shared: &Shared, entry: &mut Entry, file: &dyn OpenFile) {
    if let EntryKind::File { size, extents } = &mut entry.kind {
        *size = file.size();
        *extents = file.extents().map(<[_]>::to_vec);
    }
    let xattrs = file.xattrs();
    if let Some(message) = xattrs.trouble {
        let subject = entry.path.to_string();
        shared.warn(Warning { subject, message });
    }
    if let Some(ownership) = &mut entry.ownership {
        ownership.xattrs = xattrs.pairs;
    }
}

/// Says that a file is stored, but perhaps not as it ever was.
pub(super) fn changed_under_reader(entry: &Entry) -> Warning {
    Warning {
        subject: entry.path.to_string(),
        message: "it changed while it was read; what was read is stored".into(),
    }
}

/// Leaves a file out that cannot be read, and names it; a copy fails.
///
/// # Errors
/// This is a copy, and nothing may be missing in it.
pub(super) fn leave_out(
    shared: &Shared,
    entry: &Entry,
    error: io::Error,
) -> Result<(), WriteError> {
    if !shared.is_copy {
        shared.warn(unreadable(entry, &error));
        return Ok(());
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
