//! Notifiers.

use super::{CallContext, CallError, Plugin, settle};
use crate::bindings::v1::notifier::NotifierPlugin as Bindings;
use crate::manifest::PluginKind;
use std::sync::Arc;

/// Something that people should know.
pub use crate::bindings::v1::notifier::exports::holdfast::plugin::notifier::Event;

impl Plugin {
    /// Lets the plugin, as a notifier, tell people.
    ///
    /// # Errors
    /// It is no notifier, failed, or broke.
    pub fn notify(&self, context: &Arc<CallContext>, event: &Event) -> Result<(), CallError> {
        if !self.inspection.kinds.contains(&PluginKind::Notifier) {
            return Err(self.other_kind("notifier"));
        }
        let mut store = self.store(context);
        let linker = self.linker()?;
        let bindings = Bindings::instantiate(&mut store, &self.component, &linker);
        let bindings = bindings.map_err(|e| self.cannot_start(&e))?;
        let result = bindings
            .holdfast_plugin_notifier()
            .call_notify(&mut store, event);
        settle(&self.name(), &context.cancel, result)
    }
}
