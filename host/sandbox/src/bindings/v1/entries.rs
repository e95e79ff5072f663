//! Entries of snapshots.

use super::shared::entries::{
    Entry as WitEntry, EntryKind as WitKind, Host, HostContent, HostDraft, HostListing, TreeReport,
};
use super::shared::trees::WalkOptions as WitOptions;
use crate::capability::Guest;
use crate::capability::entries::{ContentHandle, DraftHandle, Listing};
use crate::capability::failure::{Answer, failure, io_failure};
use crate::capability::streams::{Reader, Writer};
use crate::capability::trees::{OpenTree, entry_path, optional_path};
use crate::contract::{Attributes, Failure, FailureKind};
use crate::ports::Totals;
use holdfast_base::entry::{Entry, EntryKind};
use holdfast_filetree::{Excludes, WalkOptions};
use std::sync::Arc;
use wasmtime::component::Resource;

fn to_report(totals: Totals) -> TreeReport {
    TreeReport {
        entries: totals.entries,
        bytes: totals.bytes,
        warnings: totals.warnings,
    }
}

fn from_wit(prefix: Vec<u8>, options: WitOptions) -> Result<WalkOptions, Failure> {
    let prefix = optional_path(prefix)?;
    let excludes = Excludes::new(&options.excludes);
    Ok(WalkOptions {
        prefix,
        excludes: excludes.map_err(|e| failure(FailureKind::Invalid, e.to_string()))?,
        one_file_system: options.one_file_system,
        exclude_caches: options.exclude_caches,
    })
}

impl HostDraft for Guest {
    fn create(
        &mut self,
        this: Resource<DraftHandle>,
        name: Vec<u8>,
        attributes: Attributes,
    ) -> Answer<Resource<Writer>> {
        let draft = Arc::clone(&self.table.get(&this)?.0);
        let writer = self.create_entry(draft, name, attributes)?;
        self.keep_result(writer)
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
        let add = || {
            let tree = source.existing()?;
            self.add_whole_tree(draft.as_ref(), tree, from_wit(prefix, options)?)
        };
        Ok(add().map(to_report))
    }

    fn record_fact(
        &mut self,
        this: Resource<DraftHandle>,
        key: String,
        value: String,
    ) -> Answer<()> {
        let value = self.secret_filter.redact(&value).into_owned();
        let recorded = self.table.get(&this)?.0.record_fact(key, value);
        Ok(recorded.map_err(|e| io_failure(&e)))
    }

    fn warn(
        &mut self,
        this: Resource<DraftHandle>,
        subject: String,
        message: String,
    ) -> wasmtime::Result<()> {
        let draft = Arc::clone(&self.table.get(&this)?.0);
        self.add_warning(draft.as_ref(), &subject, &message)
    }

    fn drop(&mut self, this: Resource<DraftHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostListing for Guest {
    fn next(&mut self, this: Resource<Listing>, max: u32) -> Answer<Vec<WitEntry>> {
        let entries = self.table.get_mut(&this)?.next_entries(max);
        Ok(entries.map(|entries| entries.into_iter().map(to_wit).collect()))
    }

    fn drop(&mut self, this: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn to_wit((entry, size): (Entry, u64)) -> WitEntry {
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
        let content = Arc::clone(&self.table.get(&this)?.0);
        let list = || {
            let entries = content.list(optional_path(prefix)?.as_ref());
            entries.map(Listing).map_err(|e| io_failure(&e))
        };
        self.keep_result(list())
    }

    fn open(&mut self, this: Resource<ContentHandle>, name: Vec<u8>) -> Answer<Resource<Reader>> {
        let content = Arc::clone(&self.table.get(&this)?.0);
        let open = || {
            let from = content.open(&entry_path(name)?);
            from.map(Reader::new).map_err(|e| io_failure(&e))
        };
        self.keep_result(open())
    }

    fn extract(
        &mut self,
        this: Resource<ContentHandle>,
        prefix: Vec<u8>,
        target: Resource<OpenTree>,
    ) -> Answer<TreeReport> {
        let content = Arc::clone(&self.table.get(&this)?.0);
        let tree = self.table.get(&target)?;
        let extracted = self.extract_content(content.as_ref(), prefix, tree);
        Ok(extracted.map(to_report))
    }

    fn facts(&mut self, this: Resource<ContentHandle>) -> wasmtime::Result<Attributes> {
        Ok(self.table.get(&this)?.0.facts())
    }

    fn drop(&mut self, this: Resource<ContentHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl Host for Guest {}
