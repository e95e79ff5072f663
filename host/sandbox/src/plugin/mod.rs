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

use crate::bindings::v1::shared;
use crate::capability::{Guest, cleaned, link_fast, link_wasi};
use crate::component::{CONTRACT, Inspection, PACKAGE};
use crate::grant::{Asker, Effective};
use crate::limits::{CallLimits, FINDINGS_MAX};
use crate::manifest::PluginKind;
use crate::ports::{Listener, SecretPort, StatePort};
use crate::watchdog::{Watch, Watchdog};
use error::Ending;
use holdfast_base::cancel::Cancel;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Engine, Store};

pub use error::CallError;
pub use shared::types::{Attributes, Failure, FailureKind, Finding, Severity};

/// A plugin that was loaded.
pub struct Plugin {
    engine: Engine,
    watchdog: Watchdog,
    linked: InstancePre<Guest>,
    inspection: Inspection,
    name: Arc<str>,
}

/// What a call may use, and for which job it is made.
pub struct CallContext {
    /// The job.
    pub job: String,
    /// Its settings, checked and filled in.
    pub settings: serde_json::Value,
    /// What the plugin may do.
    pub effective: Effective,
    /// Resolves its secrets.
    pub secrets: Arc<dyn SecretPort>,
    /// Keeps its values.
    pub state: Arc<dyn StatePort>,
    /// Hears how far the work is.
    pub listener: Arc<dyn Listener>,
    /// Ends the call.
    pub cancel: Cancel,
    /// What the call may take.
    pub limits: CallLimits,
}

impl Plugin {
    pub(crate) fn new(
        engine: Engine,
        watchdog: Watchdog,
        component: &Component,
        inspection: Inspection,
    ) -> wasmtime::Result<Self> {
        let linker = link(&engine, &inspection)?;
        let linked = linker.instantiate_pre(component)?;
        let name = Arc::from(inspection.manifest.name.as_str());
        Ok(Self {
            engine,
            watchdog,
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

    fn is(&self, kind: PluginKind) -> Result<(), CallError> {
        if self.inspection.kinds.contains(&kind) {
            return Ok(());
        }
        Err(CallError::OtherKind {
            plugin: self.name.to_string(),
            kind: kind.word(),
        })
    }

    /// Makes a store, and starts to watch the time.
    fn begin(&self, context: &Arc<CallContext>, time: Duration) -> Result<Running, CallError> {
        let asker = Asker {
            plugin: &self.name,
            job: &context.job,
        };
        if let Some(denial) = context.effective.first_lacking(&asker) {
            return Err(Box::new(denial).into());
        }
        let watch = self
            .watchdog
            .watch(&context.cancel, context.limits.deadline.unwrap_or(time));
        let (context, name) = (Arc::clone(context), Arc::clone(&self.name));
        let store = Guest::store(&self.engine, context, name, &watch);
        Ok(Running { store, watch })
    }

    fn cannot_start(&self, error: &wasmtime::Error) -> CallError {
        CallError::Start {
            plugin: self.name.to_string(),
            detail: format!("{error:#}"),
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
    fn finish_start<B>(
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
        end(&mut self.store, result).0
    }
}

/// Ends a call. Returns what it came to, and whether the store may be used again.
fn end<T>(
    store: &mut Store<Guest>,
    result: wasmtime::Result<Result<T, Failure>>,
) -> (Result<T, CallError>, bool) {
    let guest = store.data_mut();
    let (reason, is_clean) = guest.end_call();
    let last_words = guest.log.last_error();
    let ending = Ending {
        plugin: guest.plugin.to_string(),
        reason,
        last_words,
        hidden: Arc::clone(&guest.hidden),
    };
    let is_reusable = is_clean && result.is_ok();
    (ending.settle(result), is_reusable)
}

/// Links what the component imports, and WASI with nothing in it where it wants that.
fn link(engine: &Engine, inspection: &Inspection) -> wasmtime::Result<Linker<Guest>> {
    type Own = HasSelf<Guest>;
    let mut linker = Linker::new(engine);
    let to = &mut linker;
    for interface in &inspection.imports {
        match interface.as_str() {
            "types" => shared::types::add_to_linker::<_, Own>(to, |guest| guest)?,
            "streams" => {
                shared::streams::add_to_linker::<_, Own>(to, |guest| guest)?;
                link_fast(to, &format!("{PACKAGE}streams@{CONTRACT}"))?;
            }
            "config" => shared::config::add_to_linker::<_, Own>(to, |guest| guest)?,
            "log" => shared::log::add_to_linker::<_, Own>(to, |guest| guest)?,
            "progress" => shared::progress::add_to_linker::<_, Own>(to, |guest| guest)?,
            "crypto" => shared::crypto::add_to_linker::<_, Own>(to, |guest| guest)?,
            "clock" => shared::clock::add_to_linker::<_, Own>(to, |guest| guest)?,
            "random" => shared::random::add_to_linker::<_, Own>(to, |guest| guest)?,
            "trees" => shared::trees::add_to_linker::<_, Own>(to, |guest| guest)?,
            "process" => shared::process::add_to_linker::<_, Own>(to, |guest| guest)?,
            "net" => shared::net::add_to_linker::<_, Own>(to, |guest| guest)?,
            "http" => shared::http::add_to_linker::<_, Own>(to, |guest| guest)?,
            "secrets" => shared::secrets::add_to_linker::<_, Own>(to, |guest| guest)?,
            "state" => shared::state::add_to_linker::<_, Own>(to, |guest| guest)?,
            "entries" => shared::entries::add_to_linker::<_, Own>(to, |guest| guest)?,
            // Not of this contract: instantiating names it.
            _ => {}
        }
    }
    if !inspection.wasi.is_empty() {
        link_wasi(to)?;
    }
    Ok(linker)
}

/// What a guest answers: a trap, or a failure of its own, or findings.
type Found = wasmtime::Result<Result<Vec<Finding>, Failure>>;

/// Keeps as many findings as a person would read, without secrets.
fn few(store: &Store<Guest>, found: Found) -> Found {
    let hidden = &store.data().hidden;
    let told = |text: &str| cleaned(&hidden.hide(text));
    let tidy = |mut findings: Vec<Finding>| {
        findings.truncate(FINDINGS_MAX);
        for finding in &mut findings {
            finding.subject = told(&finding.subject);
            finding.message = told(&finding.message);
            finding.hint = finding.hint.as_deref().map(told);
        }
        findings
    };
    Ok(found?.map(tidy))
}
