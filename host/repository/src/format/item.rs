//! Entries as the item stream holds them.
//!
//! One record follows the other. A record begins with its length, so that a reader can pass over
//! one; fields that a later version adds stand at its end and are passed over by this one.

use crate::format::FormatError;
use crate::format::wire::{Wire, put_bytes, put_i64, put_u64};
use holdfast_base::entry::{Entry, EntryKind, EntryPath, Extent, Ownership};
use holdfast_base::time::Instant;

const WHAT: &str = "item stream";

/// An entry with what the reference stream must give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The entry.
    pub entry: Entry,
    /// Length of its content in bytes, holes left out.
    pub content_bytes: u64,
    /// How many chunks its content is made of.
    pub chunks: u64,
}

mod tag {
    pub(super) const STREAM: u8 = 0;
    pub(super) const FILE: u8 = 1;
    pub(super) const SPARSE: u8 = 2;
    pub(super) const DIRECTORY: u8 = 3;
    pub(super) const SYMLINK: u8 = 4;
    pub(super) const HARD_LINK: u8 = 5;
    pub(super) const FIFO: u8 = 6;
    pub(super) const CHAR_DEVICE: u8 = 7;
    pub(super) const BLOCK_DEVICE: u8 = 8;
}

impl Item {
    /// Appends the record.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut record = Vec::with_capacity(96);
        put_bytes(&mut record, self.entry.path.as_bytes());
        encode_kind(&self.entry.kind, &mut record);
        put_i64(&mut record, self.entry.modified.seconds());
        put_u64(&mut record, self.entry.modified.nanoseconds() as u64);
        encode_ownership(self.entry.ownership.as_ref(), &mut record);
        put_u64(&mut record, self.entry.attributes.len() as u64);
        for (key, value) in &self.entry.attributes {
            put_bytes(&mut record, key.as_bytes());
            put_bytes(&mut record, value.as_bytes());
        }
        put_u64(&mut record, self.content_bytes);
        put_u64(&mut record, self.chunks);
        put_bytes(to, &record);
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// The bytes are no such record.
    pub fn decode(wire: &mut Wire<'_>) -> Result<Self, FormatError> {
        let mut record = Wire::new(wire.read_bytes()?, WHAT);
        let path = parse_path(record.read_bytes()?)?;
        let kind = decode_kind(&mut record)?;
        let seconds = record.read_i64()?;
        let nanoseconds = i64::from(record.read_u32()?);
        let ownership = decode_ownership(&mut record)?;
        let mut attributes = Vec::new();
        for _ in 0..record.read_count(2)? {
            attributes.push((record.read_text()?, record.read_text()?));
        }
        let content_bytes = record.read_u64()?;
        let chunks = record.read_u64()?;
        let modified = Instant::from_parts(seconds, nanoseconds);
        let entry = Entry {
            path,
            kind,
            modified,
            ownership,
            attributes,
        };
        if !entry.has_content() && chunks != 0 {
            return Err(record.invalid("content of an entry that can have none"));
        }
        Ok(Self {
            entry,
            content_bytes,
            chunks,
        })
    }

    /// Reads all records of a piece of the item stream.
    ///
    /// # Errors
    /// The bytes are not such records.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        let mut wire = Wire::new(bytes, WHAT);
        let mut items = Vec::new();
        while !wire.is_empty() {
            items.push(Self::decode(&mut wire)?);
        }
        Ok(items)
    }
}

fn parse_path(bytes: &[u8]) -> Result<EntryPath, FormatError> {
    EntryPath::new(bytes).map_err(|e| FormatError::invalid(WHAT, e.to_string()))
}

fn encode_kind(kind: &EntryKind, to: &mut Vec<u8>) {
    match kind {
        EntryKind::Stream => to.push(tag::STREAM),
        EntryKind::File {
            size,
            extents: None,
        } => {
            to.push(tag::FILE);
            put_u64(to, *size);
        }
        EntryKind::File {
            size,
            extents: Some(extents),
        } => {
            to.push(tag::SPARSE);
            put_u64(to, *size);
            put_u64(to, extents.len() as u64);
            for extent in extents {
                put_u64(to, extent.offset);
                put_u64(to, extent.length);
            }
        }
        EntryKind::Directory => to.push(tag::DIRECTORY),
        EntryKind::Symlink { target } => {
            to.push(tag::SYMLINK);
            put_bytes(to, target);
        }
        EntryKind::HardLink { target } => {
            to.push(tag::HARD_LINK);
            put_bytes(to, target.as_bytes());
        }
        EntryKind::Fifo => to.push(tag::FIFO),
        EntryKind::CharDevice { major, minor } => {
            to.push(tag::CHAR_DEVICE);
            put_u64(to, u64::from(*major));
            put_u64(to, u64::from(*minor));
        }
        EntryKind::BlockDevice { major, minor } => {
            to.push(tag::BLOCK_DEVICE);
            put_u64(to, u64::from(*major));
            put_u64(to, u64::from(*minor));
        }
    }
}

fn decode_kind(record: &mut Wire<'_>) -> Result<EntryKind, FormatError> {
    Ok(match record.read_byte()? {
        tag::STREAM => EntryKind::Stream,
        tag::FILE => EntryKind::File {
            size: record.read_u64()?,
            extents: None,
        },
        tag::SPARSE => decode_sparse(record)?,
        tag::DIRECTORY => EntryKind::Directory,
        tag::SYMLINK => EntryKind::Symlink {
            target: record.read_bytes()?.to_vec(),
        },
        tag::HARD_LINK => EntryKind::HardLink {
            target: parse_path(record.read_bytes()?)?,
        },
        tag::FIFO => EntryKind::Fifo,
        tag::CHAR_DEVICE => EntryKind::CharDevice {
            major: record.read_u32()?,
            minor: record.read_u32()?,
        },
        tag::BLOCK_DEVICE => EntryKind::BlockDevice {
            major: record.read_u32()?,
            minor: record.read_u32()?,
        },
        other => return Err(record.invalid(&format!("an entry of kind {other}"))),
    })
}

fn decode_sparse(record: &mut Wire<'_>) -> Result<EntryKind, FormatError> {
    let size = record.read_u64()?;
    let mut extents = Vec::new();
    let mut reached = 0_u64;
    for _ in 0..record.read_count(2)? {
        let extent = Extent {
            offset: record.read_u64()?,
            length: record.read_u64()?,
        };
        let end = extent.offset.checked_add(extent.length);
        match end {
            Some(end) if extent.offset >= reached && extent.length > 0 && end <= size => {
                reached = end
            }
            _ => return Err(record.invalid("extents that overlap or leave the file")),
        }
        extents.push(extent);
    }
    Ok(EntryKind::File {
        size,
        extents: Some(extents),
    })
}

fn encode_ownership(ownership: Option<&Ownership>, to: &mut Vec<u8>) {
    let Some(ownership) = ownership else {
        return to.push(0);
    };
    to.push(1);
    put_u64(to, u64::from(ownership.mode));
    put_u64(to, u64::from(ownership.uid));
    put_u64(to, u64::from(ownership.gid));
    put_u64(to, ownership.xattrs.len() as u64);
    for (name, value) in &ownership.xattrs {
        put_bytes(to, name);
        put_bytes(to, value);
    }
}

fn decode_ownership(record: &mut Wire<'_>) -> Result<Option<Ownership>, FormatError> {
    match record.read_byte()? {
        0 => Ok(None),
        1 => {
            let (mode, uid, gid) = (record.read_u32()?, record.read_u32()?, record.read_u32()?);
            let mut xattrs = Vec::new();
            for _ in 0..record.read_count(2)? {
                xattrs.push((record.read_bytes()?.to_vec(), record.read_bytes()?.to_vec()));
            }
            Ok(Some(Ownership {
                mode: mode & 0o7777,
                uid,
                gid,
                xattrs,
            }))
        }
        other => Err(record.invalid(&format!("an ownership of kind {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(kind: EntryKind) -> Entry {
        Entry {
            path: EntryPath::new(b"etc/\xff name".to_vec()).unwrap(),
            kind,
            modified: Instant(-5),
            ownership: Some(Ownership {
                mode: 0o4755,
                uid: 7,
                gid: u32::MAX,
                xattrs: vec![(b"user.a".to_vec(), vec![0, 1])],
            }),
            attributes: vec![("format".into(), "sql".into())],
        }
    }

    #[test]
    fn every_kind_of_entry_survives() {
        let target = EntryPath::new("a/b").unwrap();
        let extents = vec![
            Extent {
                offset: 4096,
                length: 10,
            },
            Extent {
                offset: 9000,
                length: 1,
            },
        ];
        for kind in [
            EntryKind::Stream,
            EntryKind::File {
                size: 1 << 40,
                extents: None,
            },
            EntryKind::File {
                size: 10_000,
                extents: Some(extents),
            },
            EntryKind::File {
                size: 10,
                extents: Some(vec![]),
            },
            EntryKind::Directory,
            EntryKind::Symlink {
                target: b"../\xfe".to_vec(),
            },
            EntryKind::HardLink { target },
            EntryKind::Fifo,
            EntryKind::CharDevice { major: 1, minor: 3 },
            EntryKind::BlockDevice {
                major: 8,
                minor: 300,
            },
        ] {
            let entry = entry(kind);
            let chunks = u64::from(entry.has_content());
            let item = Item {
                entry,
                content_bytes: 3,
                chunks,
            };
            let mut bytes = Vec::new();
            item.encode(&mut bytes);
            assert_eq!(Item::decode_all(&bytes), Ok(vec![item]));
        }
    }

    #[test]
    fn an_entry_that_would_leave_its_place_is_refused() {
        let mut bytes = Vec::new();
        let item = Item {
            entry: entry(EntryKind::Directory),
            content_bytes: 0,
            chunks: 0,
        };
        item.encode(&mut bytes);
        let at = bytes.windows(3).position(|w| w == b"etc").unwrap();
        bytes[at..at + 3].copy_from_slice(b"../");
        assert!(Item::decode_all(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_give_items_or_an_error(bytes: Vec<u8>) {
            let _ = Item::decode_all(&bytes);
        }
    }
}
