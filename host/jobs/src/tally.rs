//! Counts what a restore or a verification has moved so far, for whoever watches.

use holdfast_base::entry::{Entry, EntryKind, RestoreTarget, Started, TargetFile};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far the work is. Counts only grow.
#[derive(Debug, Default)]
pub struct Tally {
    /// Entries that were begun.
    pub entries: AtomicU64,
    /// Bytes of content that were written or read.
    pub bytes: AtomicU64,
}

impl Tally {
    fn count(&self, entries: u64, bytes: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A target whose entries and bytes are counted.
pub(crate) struct CountedTarget<'a> {
    pub(crate) target: &'a dyn RestoreTarget,
    pub(crate) tally: &'a Arc<Tally>,
}

struct CountedFile {
    file: Box<dyn TargetFile>,
    tally: Arc<Tally>,
}

/// Bytes of a file's content, holes left out: what is read for it.
fn content_bytes(entry: &Entry, size: u64) -> u64 {
    match &entry.kind {
        EntryKind::File {
            extents: Some(extents),
            ..
        } => extents.iter().map(|extent| extent.length).sum(),
        _ => size,
    }
}

impl CountedTarget<'_> {
    fn count_file(&self, file: Box<dyn TargetFile>) -> Box<dyn TargetFile> {
        self.tally.count(1, 0);
        let tally = Arc::clone(self.tally);
        Box::new(CountedFile { file, tally })
    }
}

impl RestoreTarget for CountedTarget<'_> {
    fn make(&self, entry: &Entry) -> io::Result<()> {
        self.tally.count(1, 0);
        self.target.make(entry)
    }

    fn make_parent(&self, entry: &Entry) -> io::Result<()> {
        self.target.make_parent(entry)
    }

    fn set_root(&self, entry: &Entry) -> io::Result<()> {
        self.target.set_root(entry)
    }

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Started> {
        Ok(match self.target.start(entry, size)? {
            Started::New(file) => Started::New(self.count_file(file)),
            there => {
                self.tally.count(1, content_bytes(entry, size));
                there
            }
        })
    }

    fn start_over(&self, entry: &Entry, size: u64) -> io::Result<Box<dyn TargetFile>> {
        // It was counted when it was found to stand there.
        self.target.start_over(entry, size)
    }

    fn finish(&self) -> io::Result<()> {
        self.target.finish()
    }
}

impl TargetFile for CountedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)?;
        self.tally.count(0, bytes.len() as u64);
        Ok(())
    }

    fn finish(&self, entry: &Entry) -> io::Result<()> {
        self.file.finish(entry)
    }
}

/// A reader whose bytes are counted.
pub(crate) struct CountedReader<R> {
    pub(crate) reader: R,
    pub(crate) tally: Arc<Tally>,
}

impl<R: Read> Read for CountedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.tally.count(0, count as u64);
        Ok(count)
    }
}
