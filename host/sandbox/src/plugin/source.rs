//! Sources: what they say is checked before it is believed.

use super::{CallContext, CallError, Finding, Plugin, few, settle};
use crate::bindings::v1::source::SourcePlugin as Bindings;
use crate::bindings::v1::source::exports::holdfast::plugin::source as wit;
use crate::capability::Guest;
use crate::capability::entries::{ContentHandle, DraftHandle};
use crate::manifest::PluginKind;
use crate::ports::{ContentPort, DraftPort};
use std::sync::{Arc, PoisonError};
use wasmtime::Store;
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
        if self.inspection.kinds.contains(&PluginKind::Source) {
            Ok(Source(self))
        } else {
            Err(self.other_kind("source"))
        }
    }
}

/// A plugin, as a source.
pub struct Source<'a>(&'a Plugin);

impl Source<'_> {
    fn start(&self, context: &Arc<CallContext>) -> Result<(Store<Guest>, Bindings), CallError> {
        let mut store = self.0.store(context);
        let linker = self.0.linker()?;
        let bindings = Bindings::instantiate(&mut store, &self.0.component, &linker);
        let bindings = bindings.map_err(|e| self.0.cannot_start(&e))?;
        Ok((store, bindings))
    }

    /// Asks "would a backup work now?".
    ///
    /// # Errors
    /// The plugin failed to answer.
    pub fn check(&self, context: &Arc<CallContext>) -> Result<Vec<Finding>, CallError> {
        let (mut store, bindings) = self.start(context)?;
        let result = bindings.holdfast_plugin_source().call_check(&mut store);
        settle(&self.0.name(), &context.cancel, result).map(few)
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
        let (mut store, bindings) = self.start(context)?;
        let handle = store.data_mut().table.push(DraftHandle(Arc::clone(draft)));
        let handle = handle.map_err(|e| self.0.cannot_start(&e.into()))?;
        let borrowed = Resource::new_borrow(handle.rep());
        let result = bindings
            .holdfast_plugin_source()
            .call_backup(&mut store, borrowed, previous);
        settle(&self.0.name(), &context.cancel, result)?;
        let unfinished = Arc::clone(&store.data().unfinished);
        drop(store);
        let unfinished = unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        match unfinished.first() {
            None => Ok(()),
            Some(name) => Err(CallError::Untrue {
                plugin: self.0.name().to_string(),
                what: format!("entry `{name}` was started and never finished"),
            }),
        }
    }

    /// Tells the source that its snapshot was committed.
    ///
    /// # Errors
    /// The plugin failed; the snapshot stays.
    pub fn committed(&self, context: &Arc<CallContext>, snapshot: &str) -> Result<(), CallError> {
        let (mut store, bindings) = self.start(context)?;
        let result = bindings
            .holdfast_plugin_source()
            .call_committed(&mut store, snapshot);
        settle(&self.0.name(), &context.cancel, result)
    }

    /// Lets the source bring a snapshot back to where it came from.
    ///
    /// # Errors
    /// It failed or broke.
    pub fn restore(
        &self,
        context: &Arc<CallContext>,
        content: &Arc<dyn ContentPort>,
        request: &RestoreRequest,
    ) -> Result<(), CallError> {
        let (mut store, bindings) = self.start(context)?;
        let handle = ContentHandle {
            content: Arc::clone(content),
            overwrite: request.overwrite,
        };
        let handle = store
            .data_mut()
            .table
            .push(handle)
            .map_err(|e| self.0.cannot_start(&e.into()))?;
        let borrowed = Resource::new_borrow(handle.rep());
        let result = bindings
            .holdfast_plugin_source()
            .call_restore(&mut store, borrowed, request);
        settle(&self.0.name(), &context.cancel, result)
    }
}
