//! Whether a file that stands there already is the one of the snapshot: its content tells, and nothing less does.

use super::places::placed;
use super::{FileJob, Run};
use crate::ground::domain::Domain;
use holdfast_base::entry::{EntryKind, Extent};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

impl Run<'_> {
    /// Returns whether what stands there has the content of the snapshot, byte for byte.
    pub(super) fn has_content(&self, there: &File, file: &FileJob) -> io::Result<bool> {
        let whole = [Extent {
            offset: 0,
            length: file.size,
        }];
        let extents = match &file.entry.kind {
            EntryKind::File {
                extents: Some(extents),
                ..
            } => extents.as_slice(),
            _ => &whole[..],
        };
        let (mut position, mut end, mut bytes) = (0, 0, Vec::new());
        for id in &file.chunks {
            let Ok(at) = self.reader.locate(id) else {
                return Ok(false);
            };
            bytes.clear();
            for (offset, length) in placed(extents, position, u64::from(at.length)) {
                if !is_zero(there, end, offset)? {
                    return Ok(false);
                }
                end = offset + length;
                let start = bytes.len();
                bytes.resize(start + length as usize, 0);
                match there.read_exact_at(&mut bytes[start..], offset) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                    read => read?,
                }
            }
            if self.id_key.id(Domain::Content, &bytes) != *id {
                return Ok(false);
            }
            position += u64::from(at.length);
        }
        is_zero(there, end, file.size)
    }
}

/// Returns whether a range of a file is a hole, or reads like one.
fn is_zero(file: &File, from: u64, to: u64) -> io::Result<bool> {
    let mut buffer = [0; 64 << 10];
    let mut at = from;
    while at < to {
        let wanted = (to - at).min(buffer.len() as u64) as usize;
        let count = file.read_at(&mut buffer[..wanted], at)?;
        if count == 0 || buffer[..count].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}
