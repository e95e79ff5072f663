//! Encryptors, with instances that are kept ready: one seals every pack.
//!
//! An instance is used again only after a call that ended without a trap and left no handle behind.

use super::{CallContext, CallError, Finding, Plugin, Shortfall, end_call, limit_findings};
use crate::bindings::v1::encryptor::exports::holdfast::plugin::encryptor as wit;
use crate::bindings::v1::encryptor::{EncryptorPlugin as Bindings, EncryptorPluginPre};
use crate::capability::Guest;
use crate::capability::streams::{Blob, BlobBytes, PlainTarget, Reader, Writer};
use crate::limits::{SEAL_CALL, SHORT_CALL};
use crate::manifest::PluginKind;
use holdfast_base::sync::Unpoisoned;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::Resource;

pub use wit::{Identity, KeyPair, Recipient};

/// Instances that are kept ready; more than work at once are of no use.
const READY_MAX: usize = 8;
/// Calls after which an instance is replaced, so that what a guest forgets to free does not pile up.
const CALLS_MAX: u32 = 1_000;

struct Instance {
    store: Store<Guest>,
    bindings: Bindings,
    calls: u32,
}

/// A plugin, as an encryptor. Shared by threads.
pub struct Encryptor {
    plugin: Plugin,
    context: Arc<CallContext>,
    linked: EncryptorPluginPre<Guest>,
    ready: Mutex<Vec<Instance>>,
}

impl Encryptor {
    /// Takes a plugin as an encryptor.
    ///
    /// # Errors
    /// It is none, or cannot be linked.
    pub fn new(plugin: Plugin, context: CallContext) -> Result<Self, CallError> {
        plugin.check_kind(PluginKind::Encryptor)?;
        let linked = EncryptorPluginPre::new(plugin.linked.clone());
        let linked = linked.map_err(|e| plugin.start_error(e))?;
        Ok(Self {
            plugin,
            context: Arc::new(context),
            linked,
            ready: Mutex::default(),
        })
    }

    /// Returns the plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.plugin.name()
    }

    /// Makes a call, and keeps the instance if nothing of the call is left in it.
    fn call_instance<T>(
        &self,
        time: Duration,
        call: impl FnOnce(&mut Store<Guest>, &Bindings) -> wasmtime::Result<Result<T, super::Failure>>,
    ) -> Result<T, CallError> {
        let ready = self.ready.lock_unpoisoned().pop();
        let (mut instance, _watch) = match ready {
            Some(mut instance) => {
                let time = self.context.limits.deadline.unwrap_or(time);
                let watch = self.plugin.watchdog.watch_call(&self.context.cancel, time);
                instance.store.data_mut().begin_call(watch.cancel());
                instance.store.set_epoch_deadline(1);
                (instance, watch)
            }
            None => {
                let mut running = self.plugin.begin_call(&self.context, time)?;
                let bindings = running.instantiate(|store| self.linked.instantiate(store))?;
                (
                    Instance {
                        store: running.store,
                        bindings,
                        calls: 0,
                    },
                    running.watch,
                )
            }
        };
        let result = call(&mut instance.store, &instance.bindings);
        let (answer, is_reusable) = end_call(&mut instance.store, result);
        instance.calls += 1;
        let mut ready = self.ready.lock_unpoisoned();
        if is_reusable && instance.calls < CALLS_MAX && ready.len() < READY_MAX {
            ready.push(instance);
        }
        answer
    }

    /// Asks "would sealing to these recipients work?".
    ///
    /// # Errors
    /// The plugin failed to answer.
    pub fn check(&self, recipients: &[Recipient]) -> Result<Vec<Finding>, CallError> {
        let check = |store: &mut Store<Guest>, bindings: &Bindings| {
            let found = bindings
                .holdfast_plugin_encryptor()
                .call_check(&mut *store, recipients);
            limit_findings(store, found)
        };
        self.call_instance(SHORT_CALL, check)
    }

    /// Makes a new pair of keys.
    ///
    /// # Errors
    /// The plugin failed.
    pub fn generate(&self) -> Result<KeyPair, CallError> {
        self.call_instance(SHORT_CALL, |store, bindings| {
            bindings.holdfast_plugin_encryptor().call_generate(store)
        })
    }

    /// Seals a stream.
    ///
    /// # Errors
    /// The plugin failed, or did not finish what it wrote.
    pub fn seal(
        &self,
        recipients: &[Recipient],
        plain: Box<dyn Read + Send>,
        sealed: Box<dyn Write + Send>,
    ) -> Result<(), CallError> {
        self.transform(sealed, |store, bindings, sealed| {
            let plain = store.data_mut().table.push(Reader::new(plain))?;
            bindings
                .holdfast_plugin_encryptor()
                .call_seal(store, recipients, plain, sealed)
        })
    }

    /// Opens a sealed stream.
    ///
    /// # Errors
    /// No identity fits, the stream is damaged, or the plugin did not finish what it wrote.
    pub fn open(
        &self,
        identities: &[Identity],
        sealed: Box<dyn Read + Send>,
        plain: Box<dyn Write + Send>,
    ) -> Result<(), CallError> {
        self.transform(plain, |store, bindings, plain| {
            let sealed = store.data_mut().table.push(Reader::new(sealed))?;
            bindings
                .holdfast_plugin_encryptor()
                .call_open(store, identities, sealed, plain)
        })
    }

    /// Opens a range of the plaintext: its offset and its length.
    ///
    /// # Errors
    /// As for [`Encryptor::open`]; also if the range reaches past the end.
    pub fn open_range(
        &self,
        identities: &[Identity],
        sealed: Arc<dyn BlobBytes>,
        range: (u64, u64),
        plain: Box<dyn Write + Send>,
    ) -> Result<(), CallError> {
        let (offset, length) = range;
        self.transform(plain, |store, bindings, plain| {
            let blob = store.data_mut().table.push(Blob { bytes: sealed })?;
            let borrowed = Resource::new_borrow(blob.rep());
            let encryptor = bindings.holdfast_plugin_encryptor();
            let result =
                encryptor.call_open_range(&mut *store, identities, borrowed, offset, length, plain);
            store.data_mut().table.delete(blob)?;
            result
        })
    }

    /// Makes a call that writes, and sees to it that what was written is whole.
    fn transform(
        &self,
        to: Box<dyn Write + Send>,
        call: impl FnOnce(
            &mut Store<Guest>,
            &Bindings,
            Resource<Writer>,
        ) -> wasmtime::Result<Result<(), super::Failure>>,
    ) -> Result<(), CallError> {
        let finished = Arc::new(AtomicBool::new(false));
        let target = PlainTarget {
            to,
            taken: 0,
            finished: Arc::clone(&finished),
        };
        self.call_instance(SEAL_CALL, |store, bindings| {
            let target = store.data_mut().table.push(Writer::new(Box::new(target)))?;
            call(store, bindings, target)
        })?;
        if finished.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(CallError::FalseSuccess {
            plugin: self.name().to_owned(),
            shortfall: Shortfall::Output,
        })
    }
}
