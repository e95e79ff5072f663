//! Notifiers.

use super::{CallContext, CallError, Finding, Plugin, limit_findings};
use crate::bindings::v1::notifier::{NotifierPlugin as Bindings, NotifierPluginPre};
use crate::capability::Guest;
use crate::limits::SHORT_CALL;
use crate::manifest::PluginKind;
use std::sync::Arc;
use wasmtime::Store;

/// Something that people should know.
pub use crate::bindings::v1::notifier::exports::holdfast::plugin::notifier::Event;

impl Plugin {
    fn as_notifier<T>(
        &self,
        context: &Arc<CallContext>,
        call: impl FnOnce(&mut Store<Guest>, &Bindings) -> wasmtime::Result<Result<T, super::Failure>>,
    ) -> Result<T, CallError> {
        self.check_kind(PluginKind::Notifier)?;
        let linked = NotifierPluginPre::new(self.linked.clone());
        let linked = linked.map_err(|e| self.start_error(e))?;
        let mut running = self.begin_call(context, SHORT_CALL)?;
        let bindings = running.instantiate(|store| linked.instantiate(store))?;
        running.finish(|store| call(store, &bindings))
    }

    /// Asks the plugin, as a notifier, "would a notification go out now?".
    ///
    /// # Errors
    /// It is no notifier, failed, or broke.
    pub fn check_notifier(&self, context: &Arc<CallContext>) -> Result<Vec<Finding>, CallError> {
        let check = |store: &mut Store<Guest>, bindings: &Bindings| {
            let found = bindings.holdfast_plugin_notifier().call_check(&mut *store);
            limit_findings(store, found)
        };
        self.as_notifier(context, check)
    }

    /// Lets the plugin, as a notifier, tell people.
    ///
    /// # Errors
    /// It is no notifier, failed, or broke.
    pub fn notify(&self, context: &Arc<CallContext>, event: &Event) -> Result<(), CallError> {
        self.as_notifier(context, |store, bindings| {
            bindings
                .holdfast_plugin_notifier()
                .call_notify(store, event)
        })
    }
}
