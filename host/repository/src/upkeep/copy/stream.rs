//! Content that is read from one repository and stored in another as a backup of it would be.

use crate::format::root::Root;
use crate::read::{ContentReader, Reader};
use crate::upkeep::UpkeepError;
use crate::upkeep::copy::{Copied, Copier};
use crate::write::{Gauge, RunNote, SnapshotWriter, SourceEnd};
use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{Entry, EntryKind, Extent, FileContent, Identity, OpenFile, Xattrs};
use holdfast_base::id::ChunkId;
use holdfast_base::progress::Progress;
use std::io::{self, Read};
use std::sync::Arc;

/// Copies a snapshot entry by entry.
pub(super) fn copy_entries(
    copier: &Copier,
    root: &Root,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Copied, UpkeepError> {
    progress.add_total(root.counts.bytes);
    let reader = Arc::new(Reader::new(Arc::clone(&copier.from))?);
    let note = RunNote {
        job: root.job.clone(),
        host: copier.host.clone(),
        source: root.source.clone(),
        tags: root.tags.clone(),
        level: 3,
        prove: true,
        of: Some(Arc::new(Root {
            origin: Some(copier.origin(root)),
            ..root.clone()
        })),
    };
    let session = SnapshotWriter::begin(&copier.to, note, cancel, Arc::new(Gauge::default()))?;
    if let Err(error) = add_all(&session, &reader, root, progress) {
        return Err(session.abandon().map_or(error, UpkeepError::from));
    }
    let copy = session.commit(SourceEnd::seen())?;
    Ok(Copied {
        from: root.snapshot,
        packs: 0,
        bytes: copy.counts.stored_bytes,
        root: copy,
    })
}

fn add_all(
    session: &SnapshotWriter,
    reader: &Arc<Reader>,
    root: &Root,
    progress: &Progress,
) -> Result<(), UpkeepError> {
    for item in reader.read_items(root)? {
        let (item, chunks) = item?;
        let content = item.entry.has_content().then(|| {
            Box::new(Stored {
                reader: Arc::clone(reader),
                entry: item.entry.clone(),
                chunks,
                bytes: item.content_bytes,
            }) as Box<dyn FileContent>
        });
        session.add_of(item.entry, content, item.content_bytes)?;
        progress.add_done(item.content_bytes);
    }
    Ok(())
}

/// The content of an entry that lies in a repository.
struct Stored {
    reader: Arc<Reader>,
    entry: Entry,
    chunks: Vec<ChunkId>,
    bytes: u64,
}

impl FileContent for Stored {
    fn identity(&self) -> Option<Identity> {
        None
    }

    fn open(self: Box<Self>) -> io::Result<Box<dyn OpenFile>> {
        Ok(Box::new(Opened {
            content: ContentReader::new(self.reader, self.chunks),
            entry: self.entry,
            bytes: self.bytes,
        }))
    }
}

struct Opened {
    content: ContentReader,
    entry: Entry,
    bytes: u64,
}

impl Read for Opened {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.content.read(to)
    }
}

impl OpenFile for Opened {
    fn size(&self) -> u64 {
        match self.entry.kind {
            EntryKind::File { size, .. } => size,
            _ => self.bytes,
        }
    }

    fn extents(&self) -> Option<&[Extent]> {
        match &self.entry.kind {
            EntryKind::File { extents, .. } => extents.as_deref(),
            _ => None,
        }
    }

    fn xattrs(&self) -> Xattrs {
        let owned = self.entry.ownership.as_ref();
        Xattrs {
            pairs: owned.map_or_else(Vec::new, |owned| owned.xattrs.clone()),
            trouble: None,
        }
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}
