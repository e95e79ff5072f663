//! What a snapshot takes and gives. The handles come as arguments; a guest cannot open one.

use super::guest::BeyondLimit;
use super::streams::{Reader, Writer};
use super::trees::OpenTree;
use super::{Answer, Guest, cleaned, failure, of_io};
use crate::bindings::v1::shared::entries::{
    Entry as WitEntry, EntryKind as WitKind, Host, HostContent, HostDraft, HostListing, TreeReport,
};
use crate::bindings::v1::shared::log::Level;
use crate::bindings::v1::shared::trees::WalkOptions as WitOptions;
use crate::bindings::v1::shared::types::{Attributes, Failure, FailureKind};
use crate::limits::{LISTING_MAX, STREAMS_MAX, WARNINGS_MAX};
use crate::ports::{ContentPort, DraftPort, EntryIter, Totals};
use holdfast_base::entry::{Entry, EntryKind, EntryPath, Warning};
use holdfast_filetree::{Excludes, Found, Tree, WalkOptions};
use std::sync::Arc;
use wasmtime::component::Resource;

/// The snapshot that is being made.
pub struct DraftHandle(pub(crate) Arc<dyn DraftPort>);

/// A committed snapshot.
pub struct ContentHandle {
    pub(crate) content: Arc<dyn ContentPort>,
}

/// Entries as they come.
pub struct Listing(EntryIter);

fn path(bytes: Vec<u8>) -> Result<EntryPath, Failure> {
    EntryPath::new(bytes).map_err(|e| failure(FailureKind::Invalid, e.to_string()))
}

fn optional(bytes: Vec<u8>) -> Result<Option<EntryPath>, Failure> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        path(bytes).map(Some)
    }
}

fn report(totals: Totals) -> TreeReport {
    TreeReport {
        entries: totals.entries,
        bytes: totals.bytes,
        warnings: totals.warnings,
    }
}

impl Guest {
    /// Adds a whole tree to a draft.
    fn add(
        &self,
        draft: &dyn DraftPort,
        tree: &Tree,
        prefix: Option<EntryPath>,
        options: WitOptions,
    ) -> Result<Totals, Failure> {
        let excludes = Excludes::new(&options.excludes);
        let options = WalkOptions {
            prefix,
            excludes: excludes.map_err(|e| failure(FailureKind::Invalid, e.to_string()))?,
            one_file_system: options.one_file_system,
            exclude_caches: options.exclude_caches,
        };
        let before = draft.settle().map_err(|e| of_io(&e))?;
        let walk = tree.walk(options).map_err(|e| {
            let message = format!("cannot read `{}`: {e}", tree.path().display());
            Failure {
                message,
                ..of_io(&e)
            }
        })?;
        for found in walk {
            self.check_cancelled()?;
            match found {
                Found::Entry(entry, content) => draft.add(entry, content).map_err(|e| of_io(&e))?,
                Found::Skipped(warning) => draft.warn(warning),
            }
        }
        let after = draft.settle().map_err(|e| of_io(&e))?;
        Ok(Totals {
            entries: after.entries.saturating_sub(before.entries),
            bytes: after.bytes.saturating_sub(before.bytes),
            warnings: after.warnings.saturating_sub(before.warnings),
        })
    }
}

impl HostDraft for Guest {
    fn create(
        &mut self,
        this: Resource<DraftHandle>,
        name: Vec<u8>,
        attributes: Attributes,
    ) -> Answer<Resource<Writer>> {
        self.streams += 1;
        if self.streams > STREAMS_MAX {
            let message = format!("more than {STREAMS_MAX} entries were created one by one");
            return Err(wasmtime::Error::new(BeyondLimit(message)));
        }
        let draft = Arc::clone(&self.table.get(&this)?.0);
        let start = || -> Result<(String, _), Failure> {
            let path = path(name)?;
            let shown = path.to_string();
            let mut attributes = attributes;
            attributes.sort();
            let sink = draft
                .create_stream(path, attributes)
                .map_err(|e| of_io(&e))?;
            Ok((shown, sink))
        };
        match start() {
            Ok((name, sink)) => {
                let started = self.ledger.start(name, draft);
                self.keep(Writer::of_entry(sink, started))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn add_tree(
        &mut self,
        this: Resource<DraftHandle>,
        source: Resource<OpenTree>,
        prefix: Vec<u8>,
        options: WitOptions,
    ) -> Answer<TreeReport> {
        let draft = Arc::clone(&self.table.get(&this)?.0);
        let source = self.table.get(&source)?;
        let add = || self.add(draft.as_ref(), source.tree()?, optional(prefix)?, options);
        Ok(add().map(report))
    }

    fn record_fact(
        &mut self,
        this: Resource<DraftHandle>,
        key: String,
        value: String,
    ) -> Answer<()> {
        let value = self.hidden.hide(&value).into_owned();
        Ok(self
            .table
            .get(&this)?
            .0
            .record_fact(key, value)
            .map_err(|e| of_io(&e)))
    }

    fn warn(
        &mut self,
        this: Resource<DraftHandle>,
        subject: String,
        message: String,
    ) -> wasmtime::Result<()> {
        self.warnings += 1;
        if self.warnings > WARNINGS_MAX {
            let message = format!("more than {WARNINGS_MAX} warnings were given");
            return Err(wasmtime::Error::new(BeyondLimit(message)));
        }
        let warning = Warning {
            subject: cleaned(&self.hidden.hide(&subject)),
            message: cleaned(&self.hidden.hide(&message)),
        };
        self.table.get(&this)?.0.warn(warning);
        Ok(())
    }

    fn drop(&mut self, this: Resource<DraftHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostListing for Guest {
    fn next(&mut self, this: Resource<Listing>, max: u32) -> Answer<Vec<WitEntry>> {
        let listing = self.table.get_mut(&this)?;
        let mut entries = Vec::new();
        for _ in 0..max.clamp(1, LISTING_MAX) {
            match listing.0.next() {
                Some(Ok((entry, size))) => entries.push(shown(entry, size)),
                Some(Err(error)) => return Ok(Err(of_io(&error))),
                None => break,
            }
        }
        Ok(Ok(entries))
    }

    fn drop(&mut self, this: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn shown(entry: Entry, size: u64) -> WitEntry {
    let kind = match entry.kind {
        EntryKind::Stream => WitKind::ByteStream,
        EntryKind::File { .. } => WitKind::File,
        EntryKind::Directory => WitKind::Directory,
        EntryKind::Symlink { .. } => WitKind::Symlink,
        EntryKind::HardLink { .. } => WitKind::HardLink,
        EntryKind::Fifo | EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => {
            WitKind::Special
        }
    };
    WitEntry {
        path: entry.path.as_bytes().to_vec(),
        kind,
        size,
        modified_ns: entry.modified.0,
        attributes: entry.attributes,
    }
}

impl HostContent for Guest {
    fn list_entries(
        &mut self,
        this: Resource<ContentHandle>,
        prefix: Vec<u8>,
    ) -> Answer<Resource<Listing>> {
        let content = Arc::clone(&self.table.get(&this)?.content);
        let list = || {
            content
                .list(optional(prefix)?.as_ref())
                .map_err(|e| of_io(&e))
        };
        match list() {
            Ok(entries) => self.keep(Listing(entries)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn open(&mut self, this: Resource<ContentHandle>, name: Vec<u8>) -> Answer<Resource<Reader>> {
        let content = Arc::clone(&self.table.get(&this)?.content);
        match path(name).and_then(|path| content.open(&path).map_err(|e| of_io(&e))) {
            Ok(from) => self.keep(Reader::new(from)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn extract(
        &mut self,
        this: Resource<ContentHandle>,
        prefix: Vec<u8>,
        target: Resource<OpenTree>,
    ) -> Answer<TreeReport> {
        let content = Arc::clone(&self.table.get(&this)?.content);
        let tree = self.table.get(&target)?;
        let extract = || -> Result<Totals, Failure> {
            let target = tree.extractor(self.overwrite)?;
            let extracted = content.extract(optional(prefix)?.as_ref(), &target);
            let mut totals = extracted.map_err(|e| of_io(&e))?;
            for note in target.notes() {
                totals.warnings += 1;
                self.log.write(Level::Warn, &note);
            }
            Ok(totals)
        };
        Ok(extract().map(report))
    }

    fn facts(&mut self, this: Resource<ContentHandle>) -> wasmtime::Result<Attributes> {
        Ok(self.table.get(&this)?.content.facts())
    }

    fn drop(&mut self, this: Resource<ContentHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl Host for Guest {}
