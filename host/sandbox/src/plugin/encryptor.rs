//! Encryptors, with instances that are kept ready: one seals every pack.
//!
//! An instance is used again only after a call that ended without a trap and left no handle behind.

use super::{CallContext, CallError, Finding, Plugin, few, settle};
use crate::bindings::v1::encryptor::EncryptorPlugin as Bindings;
use crate::bindings::v1::encryptor::EncryptorPluginPre;
use crate::bindings::v1::encryptor::exports::holdfast::plugin::encryptor as wit;
use crate::capability::Guest;
use crate::capability::streams::{Blob, BlobBytes, PlainTarget, Reader, Writer};
use crate::manifest::PluginKind;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Store;
use wasmtime::component::Resource;

pub use wit::{Identity, KeyPair, Recipient};

/// Instances that are kept ready; more than work at once are of no use.
const READY_MAX: usize = 8;

type Instance = (Store<Guest>, Bindings);

/// A plugin, as an encryptor. Shared by threads.
pub struct Encryptor {
    plugin: Plugin,
    context: Arc<CallContext>,
    pre: EncryptorPluginPre<Guest>,
    ready: Mutex<Vec<Instance>>,
}

impl Encryptor {
    /// Takes a plugin as an encryptor.
    ///
    /// # Errors
    /// It is none, or cannot be linked.
    pub fn new(plugin: Plugin, context: CallContext) -> Result<Self, CallError> {
        if !plugin.inspection.kinds.contains(&PluginKind::Encryptor) {
            return Err(plugin.other_kind("encryptor"));
        }
        let linker = plugin.linker()?;
        let pre = linker
            .instantiate_pre(&plugin.component)
            .and_then(EncryptorPluginPre::new);
        let pre = pre.map_err(|e| plugin.cannot_start(&e))?;
        Ok(Self {
            plugin,
            context: Arc::new(context),
            pre,
            ready: Mutex::default(),
        })
    }

    /// Returns the plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plugin.inspection.manifest.name
    }

    fn instance(&self) -> Result<Instance, CallError> {
        let ready = self
            .ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(instance) = ready {
            return Ok(instance);
        }
        let mut store = self.plugin.store(&self.context);
        let bindings = self
            .pre
            .instantiate(&mut store)
            .map_err(|e| self.plugin.cannot_start(&e))?;
        Ok((store, bindings))
    }

    /// Makes a call, and keeps the instance if nothing of the call is left in it.
    fn call<T>(
        &self,
        call: impl FnOnce(&mut Store<Guest>, &Bindings) -> wasmtime::Result<Result<T, super::Failure>>,
    ) -> Result<T, CallError> {
        let (mut store, bindings) = self.instance()?;
        store.data_mut().begin_call(Arc::clone(&self.context));
        store.set_hostcall_fuel(crate::limits::HOSTCALL_BYTES_MAX);
        store.set_epoch_deadline(1);
        let result = call(&mut store, &bindings);
        let is_clean = result.is_ok() && store.data().table.is_empty();
        let answer = settle(self.name(), &self.context.cancel, result);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if is_clean && ready.len() < READY_MAX {
            ready.push((store, bindings));
        }
        answer
    }

    /// Asks "would sealing to these recipients work?".
    ///
    /// # Errors
    /// The plugin failed to answer.
    pub fn check(&self, recipients: &[Recipient]) -> Result<Vec<Finding>, CallError> {
        let check = |store: &mut Store<Guest>, bindings: &Bindings| {
            bindings
                .holdfast_plugin_encryptor()
                .call_check(store, recipients)
        };
        self.call(check).map(few)
    }

    /// Makes a new pair of keys.
    ///
    /// # Errors
    /// The plugin failed.
    pub fn generate(&self) -> Result<KeyPair, CallError> {
        self.call(|store, bindings| bindings.holdfast_plugin_encryptor().call_generate(store))
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
        let finished = Arc::new(AtomicBool::new(false));
        let target = PlainTarget {
            to: sealed,
            finished: Arc::clone(&finished),
        };
        self.call(|store, bindings| {
            let plain = store.data_mut().table.push(Reader {
                from: plain,
                size_hint: None,
            })?;
            let sealed = store.data_mut().table.push(Writer::new(Box::new(target)))?;
            bindings
                .holdfast_plugin_encryptor()
                .call_seal(store, recipients, plain, sealed)
        })?;
        self.was_finished(&finished)
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
        let finished = Arc::new(AtomicBool::new(false));
        let target = PlainTarget {
            to: plain,
            finished: Arc::clone(&finished),
        };
        self.call(|store, bindings| {
            let sealed = store.data_mut().table.push(Reader {
                from: sealed,
                size_hint: None,
            })?;
            let plain = store.data_mut().table.push(Writer::new(Box::new(target)))?;
            bindings
                .holdfast_plugin_encryptor()
                .call_open(store, identities, sealed, plain)
        })?;
        self.was_finished(&finished)
    }

    /// Opens a range of the plaintext.
    ///
    /// # Errors
    /// As for [`Encryptor::open`].
    pub fn open_range(
        &self,
        identities: &[Identity],
        sealed: Arc<dyn BlobBytes>,
        range: (u64, u64),
        plain: Box<dyn Write + Send>,
    ) -> Result<(), CallError> {
        let finished = Arc::new(AtomicBool::new(false));
        let target = PlainTarget {
            to: plain,
            finished: Arc::clone(&finished),
        };
        self.call(|store, bindings| {
            let blob = store.data_mut().table.push(Blob { bytes: sealed })?;
            let plain = store.data_mut().table.push(Writer::new(Box::new(target)))?;
            let borrowed = Resource::new_borrow(blob.rep());
            let (offset, length) = range;
            let result = bindings.holdfast_plugin_encryptor().call_open_range(
                &mut *store,
                identities,
                borrowed,
                offset,
                length,
                plain,
            );
            store.data_mut().table.delete(blob)?;
            result
        })?;
        self.was_finished(&finished)
    }

    fn was_finished(&self, finished: &AtomicBool) -> Result<(), CallError> {
        if finished.load(Ordering::SeqCst) {
            return Ok(());
        }
        let what = "it did not finish what it wrote".to_owned();
        Err(CallError::Untrue {
            plugin: self.name().to_owned(),
            what,
        })
    }
}
