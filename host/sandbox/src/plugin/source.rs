//! Sources: what they say is checked before it is believed.
//!
//! [`Source::backup`] succeeds only if the source returned well, finished every entry that it
//! started, and put in as many entries as the job demands.

use super::{CallContext, CallError, Finding, Plugin, Running, Shortfall, limit_findings};
use crate::bindings::v1::source::exports::holdfast::plugin::source as wit;
use crate::bindings::v1::source::{SourcePlugin as Bindings, SourcePluginPre};
use crate::capability::entries::{ContentHandle, DraftHandle};
use crate::capability::unfinished::UnfinishedEntries;
use crate::limits::{LONG_CALL, SHORT_CALL};
use crate::manifest::PluginKind;
use crate::ports::{ContentPort, DraftPort};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;

/// The newest committed snapshot of the same job.
pub use wit::Previous;
/// What to restore.
pub use wit::RestoreRequest;

impl Plugin {
    /// Takes the plugin as a source.
    ///
    /// # Errors
    /// It is none.
    pub fn source(&self) -> Result<Source<'_>, CallError> {
        self.check_kind(PluginKind::Source)?;
        let linked = SourcePluginPre::new(self.linked.clone());
        let linked = linked.map_err(|e| self.start_error(e))?;
        Ok(Source {
            plugin: self,
            linked,
        })
    }
}

/// A plugin, as a source.
pub struct Source<'a> {
    plugin: &'a Plugin,
    linked: SourcePluginPre<crate::capability::Guest>,
}

impl Source<'_> {
    fn start_call(
        &self,
        context: &Arc<CallContext>,
        time: Duration,
    ) -> Result<(Running, Bindings), CallError> {
        let mut running = self.plugin.begin_call(context, time)?;
        let bindings = running.instantiate(|store| self.linked.instantiate(store))?;
        Ok((running, bindings))
    }

    /// Asks "would a backup work now?".
    ///
    /// # Errors
    /// The plugin failed to answer.
    pub fn check(&self, context: &Arc<CallContext>) -> Result<Vec<Finding>, CallError> {
        let (mut running, bindings) = self.start_call(context, SHORT_CALL)?;
        running.finish(|store| {
            let found = bindings.holdfast_plugin_source().call_check(&mut *store);
            limit_findings(store, found)
        })
    }

    /// Lets the source put everything into the draft.
    ///
    /// # Errors
    /// It failed, broke, or says that all went well when it did not.
    pub fn backup(
        &self,
        context: &Arc<CallContext>,
        draft: &Arc<dyn DraftPort>,
        previous: Option<&Previous>,
    ) -> Result<(), CallError> {
        let (mut running, bindings) = self.start_call(context, LONG_CALL)?;
        let unfinished = Arc::clone(&running.store.data().unfinished);
        running.finish(|store| {
            let handle = store
                .data_mut()
                .table
                .push(DraftHandle(Arc::clone(draft)))?;
            let borrowed = Resource::new_borrow(handle.rep());
            bindings
                .holdfast_plugin_source()
                .call_backup(store, borrowed, previous)
        })?;
        let entries_min = context.limits.entries_min;
        check_draft(&unfinished, draft.as_ref(), entries_min).map_err(|shortfall| {
            CallError::FalseSuccess {
                plugin: self.plugin.name.to_string(),
                shortfall,
            }
        })
    }

    /// Informs the source that its snapshot was committed.
    ///
    /// # Errors
    /// The plugin failed; the snapshot stays.
    pub fn committed(&self, context: &Arc<CallContext>, snapshot: &str) -> Result<(), CallError> {
        let (mut running, bindings) = self.start_call(context, SHORT_CALL)?;
        running.finish(|store| {
            bindings
                .holdfast_plugin_source()
                .call_committed(store, snapshot)
        })
    }

    /// Lets the source restore a snapshot to its origin.
    ///
    /// # Errors
    /// It failed or broke.
    pub fn restore(
        &self,
        context: &Arc<CallContext>,
        content: &Arc<dyn ContentPort>,
        request: &RestoreRequest,
    ) -> Result<(), CallError> {
        let (mut running, bindings) = self.start_call(context, LONG_CALL)?;
        running.finish(|store| {
            let guest = store.data_mut();
            guest.overwrite = request.overwrite;
            let handle = guest.table.push(ContentHandle(Arc::clone(content)))?;
            let borrowed = Resource::new_borrow(handle.rep());
            bindings
                .holdfast_plugin_source()
                .call_restore(store, borrowed, request)
        })
    }
}

/// Checks that what a source reported as done is in the draft.
fn check_draft(
    unfinished: &UnfinishedEntries,
    draft: &dyn DraftPort,
    entries_min: u64,
) -> Result<(), Shortfall> {
    if let Some(entry) = unfinished.first_entry() {
        return Err(Shortfall::Unfinished(entry));
    }
    let totals = draft.settle().map_err(Shortfall::Draft)?;
    if totals.entries < entries_min {
        return Err(Shortfall::Entries(totals.entries));
    }
    Ok(())
}
