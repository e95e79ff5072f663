//! What a snapshot takes and gives. The handles come as arguments; a guest cannot open one.

use super::failure::{CountLimit, clean_text, io_failure};
use super::guest::Guest;
use super::streams::Writer;
use super::trees::{OpenTree, entry_path, optional_path};
use crate::contract::{Attributes, Failure};
use crate::limits::{LISTING_MAX, STREAMS_MAX, WARNINGS_MAX};
use crate::ports::{ContentPort, DraftPort, EntryIter, Totals};
use holdfast_base::added_tree::{AddedTree, LeftToAdd};
use holdfast_base::entry::{Entry, Warning};
use holdfast_filetree::{Found, Tree, WalkOptions};
use std::io;
use std::sync::Arc;
use tracing::Level;

/// The snapshot that is being made.
pub struct DraftHandle(pub(crate) Arc<dyn DraftPort>);

/// A committed snapshot.
pub struct ContentHandle(pub(crate) Arc<dyn ContentPort>);

/// Entries as they come.
pub struct Listing(pub(crate) EntryIter);

impl Listing {
    /// Returns the next entries and the length of their content; none at the end.
    pub(crate) fn next_entries(&mut self, max: u32) -> Result<Vec<(Entry, u64)>, Failure> {
        let max = max.clamp(1, LISTING_MAX) as usize;
        let entries = self.0.by_ref().take(max);
        entries
            .map(|entry| entry.map_err(|e| io_failure(&e)))
            .collect()
    }
}

/// Says which names a tree takes.
fn describe_tree(tree: &Tree, options: &WalkOptions) -> io::Result<AddedTree> {
    let (place, file_system) = tree.find_place()?;
    let (walked, walk_options) = (tree.clone(), options.clone());
    Ok(AddedTree {
        prefix: options.prefix.clone(),
        place,
        only_file_system: options.one_file_system.then_some(file_system),
        file_system,
        passed_over: Box::new(move |name| walked.passes_over(&walk_options, name)),
    })
}

impl Guest {
    /// Adds a whole tree to a draft.
    pub(crate) fn add_whole_tree(
        &self,
        draft: &dyn DraftPort,
        tree: &Tree,
        options: WalkOptions,
    ) -> Result<Totals, Failure> {
        let before = draft.settle().map_err(|e| io_failure(&e))?;
        let unreadable = |error: io::Error| {
            let message = format!("cannot read `{}`: {error}", tree.path().display());
            Failure {
                message,
                ..io_failure(&error)
            }
        };
        let added = describe_tree(tree, &options).map_err(unreadable)?;
        let left = draft.take_tree(added).map_err(|e| io_failure(&e))?;
        if left == LeftToAdd::Nothing {
            return Ok(Totals::default());
        }
        let mut walk = tree.walk(options).map_err(unreadable)?;
        if left == LeftToAdd::WhatLiesInIt {
            walk.skip_root();
        }
        let mut noted = 0;
        for found in walk.by_ref() {
            self.check_cancelled()?;
            match found {
                Found::Entry(entry, content) => {
                    draft.add(entry, content).map_err(|e| io_failure(&e))?
                }
                Found::Skipped(warning) => draft.warn(warning),
                Found::Unreadable(warning, answer) => draft
                    .leave_out(warning, answer)
                    .map_err(|e| io_failure(&e))?,
                Found::Noted(Warning { subject, message }) => {
                    noted += 1;
                    tracing::info!("{subject}: {message}");
                }
            }
        }
        draft.count_left_out(walk.excluded(), noted);
        let after = draft.settle().map_err(|e| io_failure(&e))?;
        Ok(Totals {
            entries: after.entries.saturating_sub(before.entries),
            bytes: after.bytes.saturating_sub(before.bytes),
            warnings: after.warnings.saturating_sub(before.warnings),
        })
    }

    /// Starts an entry of bytes, which the source has to finish.
    pub(crate) fn create_entry(
        &mut self,
        draft: Arc<dyn DraftPort>,
        name: Vec<u8>,
        mut attributes: Attributes,
    ) -> wasmtime::Result<Result<Writer, Failure>> {
        self.streams += 1;
        if self.streams > STREAMS_MAX {
            return Err(wasmtime::Error::new(CountLimit::Entries));
        }
        let start = || -> Result<Writer, Failure> {
            let path = entry_path(name)?;
            let shown = path.to_string();
            attributes.sort();
            let sink = draft.create_stream(path, attributes);
            let sink = sink.map_err(|e| io_failure(&e))?;
            let started = self.unfinished.start_entry(shown, draft);
            Ok(Writer::for_entry(sink, started))
        };
        Ok(start())
    }

    /// Adds a warning of the source to a draft.
    pub(crate) fn add_warning(
        &mut self,
        draft: &dyn DraftPort,
        subject: &str,
        message: &str,
    ) -> wasmtime::Result<()> {
        self.warnings += 1;
        if self.warnings > WARNINGS_MAX {
            return Err(wasmtime::Error::new(CountLimit::Warnings));
        }
        draft.warn(Warning {
            subject: clean_text(&self.secret_filter.redact(subject)),
            message: clean_text(&self.secret_filter.redact(message)),
        });
        Ok(())
    }

    /// Writes entries of a snapshot into a tree.
    pub(crate) fn extract_content(
        &self,
        content: &dyn ContentPort,
        prefix: Vec<u8>,
        tree: &OpenTree,
    ) -> Result<Totals, Failure> {
        let target = tree.extractor(self.overwrite)?;
        let extracted = content.extract(optional_path(prefix)?.as_ref(), &target);
        let mut totals = extracted.map_err(|e| io_failure(&e))?;
        for note in target.notes() {
            totals.warnings += 1;
            self.log.write_line(Level::WARN, &note);
        }
        Ok(totals)
    }
}
