//! Verifiers.

use super::{CallContext, CallError, Finding, Plugin, limit_findings};
use crate::bindings::v1::verifier::{VerifierPlugin as Bindings, VerifierPluginPre};
use crate::capability::Guest;
use crate::capability::entries::ContentHandle;
use crate::limits::{LONG_CALL, SHORT_CALL};
use crate::manifest::PluginKind;
use crate::ports::ContentPort;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::Resource;

impl Plugin {
    fn as_verifier<T>(
        &self,
        context: &Arc<CallContext>,
        time: Duration,
        call: impl FnOnce(&mut Store<Guest>, &Bindings) -> wasmtime::Result<Result<T, super::Failure>>,
    ) -> Result<T, CallError> {
        self.check_kind(PluginKind::Verifier)?;
        let linked = VerifierPluginPre::new(self.linked.clone());
        let linked = linked.map_err(|e| self.start_error(e))?;
        let mut running = self.begin_call(context, time)?;
        let bindings = running.instantiate(|store| linked.instantiate(store))?;
        running.finish(|store| call(store, &bindings))
    }

    /// Asks the plugin, as a verifier, "would a verification work now?".
    ///
    /// # Errors
    /// It is no verifier, failed, or broke.
    pub fn check_verifier(&self, context: &Arc<CallContext>) -> Result<Vec<Finding>, CallError> {
        let check = |store: &mut Store<Guest>, bindings: &Bindings| {
            let found = bindings.holdfast_plugin_verifier().call_check(&mut *store);
            limit_findings(store, found)
        };
        self.as_verifier(context, SHORT_CALL, check)
    }

    /// Lets the plugin, as a verifier, read a snapshot's entries and say what it finds.
    ///
    /// # Errors
    /// It is no verifier, failed, or broke.
    pub fn verify(
        &self,
        context: &Arc<CallContext>,
        content: &Arc<dyn ContentPort>,
    ) -> Result<Vec<Finding>, CallError> {
        let verify = |store: &mut Store<Guest>, bindings: &Bindings| {
            let handle = store
                .data_mut()
                .table
                .push(ContentHandle(Arc::clone(content)))?;
            let borrowed = Resource::new_borrow(handle.rep());
            let found = bindings
                .holdfast_plugin_verifier()
                .call_verify(&mut *store, borrowed);
            limit_findings(store, found)
        };
        self.as_verifier(context, LONG_CALL, verify)
    }
}
