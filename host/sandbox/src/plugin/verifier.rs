//! Verifiers.

use super::{CallContext, CallError, Finding, Plugin, few, settle};
use crate::bindings::v1::verifier::VerifierPlugin as Bindings;
use crate::capability::entries::ContentHandle;
use crate::manifest::PluginKind;
use crate::ports::ContentPort;
use std::sync::Arc;
use wasmtime::component::Resource;

impl Plugin {
    /// Lets the plugin, as a verifier, read a snapshot's entries and say what it finds.
    ///
    /// # Errors
    /// It is no verifier, failed, or broke.
    pub fn verify(
        &self,
        context: &Arc<CallContext>,
        content: &Arc<dyn ContentPort>,
    ) -> Result<Vec<Finding>, CallError> {
        if !self.inspection.kinds.contains(&PluginKind::Verifier) {
            return Err(self.other_kind("verifier"));
        }
        let mut store = self.store(context);
        let linker = self.linker()?;
        let bindings = Bindings::instantiate(&mut store, &self.component, &linker);
        let bindings = bindings.map_err(|e| self.cannot_start(&e))?;
        let handle = ContentHandle {
            content: Arc::clone(content),
            overwrite: false,
        };
        let handle = store
            .data_mut()
            .table
            .push(handle)
            .map_err(|e| self.cannot_start(&e.into()))?;
        let borrowed = Resource::new_borrow(handle.rep());
        let result = bindings
            .holdfast_plugin_verifier()
            .call_verify(&mut store, borrowed);
        settle(&self.name(), &context.cancel, result).map(few)
    }
}
