//! Plugins by kind: typed calls.
//!
//! - A call runs on the thread that makes it, and blocks it. A clock ends it when its time is over or
//!   its run is cancelled; whatever waits listens.
//! - When a call is over nothing of it goes on: handles are dropped, commands killed, transfers joined.
//! - A store that trapped is thrown away; nothing of it is used again.

/// Encryptors, with instances that are kept ready.
pub mod encryptor;
/// Why a call failed.
mod error;
/// Notifiers.
pub mod notifier;
/// Sources.
pub mod source;
/// Verifiers.
pub mod verifier;

use crate::bindings::v1::make_linker;
use crate::capability::Guest;
use crate::capability::failure::clean_text;
use crate::capability::guest::Caller;
use crate::component::Inspection;
use crate::grant::Asker;
use crate::limits::FINDINGS_MAX;
use crate::manifest::PluginKind;
use crate::ports::SpellAdvice;
use crate::watchdog::{Watch, Watchdog};
use error::CallEnd;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, InstancePre};
use wasmtime::{Engine, Store};

pub use crate::capability::CallContext;
pub use crate::contract::{Attributes, Failure, FailureKind, Finding, Severity};
pub use error::{CallError, CallLimit, Crash, Shortfall};

/// A plugin that was loaded.
pub struct Plugin {
    engine: Engine,
    watchdog: Watchdog,
    spell: SpellAdvice,
    linked: InstancePre<Guest>,
    inspection: Inspection,
    name: Arc<str>,
}

impl Plugin {
    pub(crate) fn new(
        engine: Engine,
        watchdog: Watchdog,
        spell: SpellAdvice,
        component: &Component,
        inspection: Inspection,
    ) -> wasmtime::Result<Self> {
        let linker = make_linker(&engine, &inspection)?;
        let linked = linker.instantiate_pre(component)?;
        let name = Arc::from(inspection.manifest.name.as_str());
        Ok(Self {
            engine,
            watchdog,
            spell,
            linked,
            inspection,
            name,
        })
    }

    /// Returns what can be said of it without running it.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks that the plugin is of this kind.
    fn check_kind(&self, kind: PluginKind) -> Result<(), CallError> {
        if self.inspection.kinds.contains(&kind) {
            return Ok(());
        }
        Err(CallError::OtherKind {
            plugin: self.name.to_string(),
            kind: kind.as_str(),
        })
    }

    /// Makes a store, and starts to watch the time.
    fn begin_call(&self, context: &Arc<CallContext>, time: Duration) -> Result<Running, CallError> {
        let asker = Asker {
            plugin: &self.name,
            job: &context.job,
        };
        context.effective.check_granted(&asker)?;
        let time = context.limits.deadline.unwrap_or(time);
        let watch = self.watchdog.watch_call(&context.cancel, time);
        let caller = Caller {
            plugin: Arc::clone(&self.name),
            spell: self.spell,
        };
        let store = Guest::make_store(&self.engine, Arc::clone(context), caller, &watch);
        Ok(Running { store, watch })
    }

    fn start_error(&self, error: wasmtime::Error) -> CallError {
        CallError::Start {
            plugin: self.name.to_string(),
            error,
        }
    }
}

/// A call that is being made.
struct Running {
    store: Store<Guest>,
    watch: Watch,
}

impl Running {
    /// Brings the guest to life. What it does while it starts is bounded as a call is.
    fn instantiate<B>(
        &mut self,
        start: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<B>,
    ) -> Result<B, CallError> {
        match start(&mut self.store) {
            Ok(bindings) => Ok(bindings),
            Err(error) => self.finish(|_| Err(error)),
        }
    }

    /// Makes the call, and ends it with all that the guest left behind.
    fn finish<T>(
        &mut self,
        call: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<Result<T, Failure>>,
    ) -> Result<T, CallError> {
        let result = call(&mut self.store);
        end_call(&mut self.store, result).0
    }
}

/// Ends a call. Returns what it came to, and whether the store may be used again.
fn end_call<T>(
    store: &mut Store<Guest>,
    result: wasmtime::Result<Result<T, Failure>>,
) -> (Result<T, CallError>, bool) {
    let guest = store.data_mut();
    let (reason, is_clean) = guest.end_call();
    let last_error = guest.log.last_error();
    let ending = CallEnd {
        plugin: guest.plugin.to_string(),
        reason,
        last_error,
        secret_filter: Arc::clone(&guest.secret_filter),
    };
    let is_reusable = is_clean && result.is_ok();
    (ending.into_answer(result), is_reusable)
}

/// What a guest answers: a trap, or a failure of its own, or findings.
type Found = wasmtime::Result<Result<Vec<Finding>, Failure>>;

/// Keeps as many findings as a person would read, without secrets.
fn limit_findings(store: &Store<Guest>, found: Found) -> Found {
    let filter = &store.data().secret_filter;
    let redact = |text: &str| clean_text(&filter.redact(text));
    let tidy = |mut findings: Vec<Finding>| {
        findings.truncate(FINDINGS_MAX);
        for finding in &mut findings {
            finding.subject = redact(&finding.subject);
            finding.message = redact(&finding.message);
            finding.hint = finding.hint.as_deref().map(redact);
        }
        findings
    };
    Ok(found?.map(tidy))
}
