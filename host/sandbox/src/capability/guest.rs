//! What a guest's store holds.
//!
//! - Every limit of a call is set here, before the guest runs.
//! - Ending a call drops every handle, which discards what was not finished, kills what still runs
//!   and waits for every transfer: nothing of a call outlives it.

use super::context::CallContext;
use super::failure::{
    Answer, CallEnded, GuestTimeOver, check_cancelled, denied, failure, io_failure,
};
use super::log::LogGate;
use super::secret_filter::SecretFilter;
use super::streams::{Pieces, Reader, Transfers, Writer};
use super::unfinished::UnfinishedEntries;
use super::wasi::empty_wasi;
use crate::contract::{Failure, FailureKind};
use crate::grant::{Asker, Denial};
use crate::limits::{
    CallLimits, HANDLES_MAX, INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX, TICK,
};
use crate::ports::SpellAdvice;
use crate::watchdog::{Watch, Watchdog};
use holdfast_base::cancel::{Cancel, Reason};
use std::io;
use std::sync::Arc;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a guest's store holds.
pub struct Guest {
    pub(crate) table: ResourceTable,
    pub(crate) context: Arc<CallContext>,
    pub(crate) plugin: Arc<str>,
    /// Ends this call, and nothing else of the run.
    pub(crate) call: Cancel,
    /// Puts advice into words for the guest.
    pub(crate) spell: SpellAdvice,
    pub(crate) unfinished: Arc<UnfinishedEntries>,
    pub(crate) transfers: Transfers,
    pub(crate) pieces: Pieces,
    pub(crate) log: Arc<LogGate>,
    pub(crate) secret_filter: Arc<SecretFilter>,
    /// Ends commands whose time is over.
    pub(crate) clock: Watchdog,
    /// Whether what stands in the way in a tree may be replaced.
    pub(crate) overwrite: bool,
    pub(crate) streams: u64,
    pub(crate) warnings: u64,
    pub(crate) progress_reported: Option<std::time::Instant>,
    ticks: u64,
    limits: GuestLimits,
    wasi: WasiCtx,
    wasi_table: ResourceTable,
}

/// The plugin that is called, and how it is spoken to.
pub(crate) struct Caller {
    pub(crate) plugin: Arc<str>,
    pub(crate) spell: SpellAdvice,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.wasi_table,
        }
    }
}

/// A guest wanted more memory or larger tables than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrowthRefused {
    /// More memory.
    #[error("memory may not grow further")]
    Memory,
    /// A larger table.
    #[error("a table may not grow further")]
    Table,
}

/// What a guest may have of memories, tables and instances. A refusal ends the call.
///
/// Why not simply the limiter that the engine has? It refuses with a text, not with a type.
struct GuestLimits {
    memory_bytes: usize,
}

impl ResourceLimiter for GuestLimits {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > maximum.unwrap_or(usize::MAX).min(self.memory_bytes) {
            return Err(wasmtime::Error::new(GrowthRefused::Memory));
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(GrowthRefused::Memory))
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > maximum.unwrap_or(usize::MAX).min(TABLE_ELEMENTS_MAX) {
            return Err(wasmtime::Error::new(GrowthRefused::Table));
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(GrowthRefused::Table))
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

/// Makes a table that holds as many handles as a guest may have.
fn make_table() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES_MAX);
    table
}

impl Guest {
    /// Makes a store with every limit set.
    pub(crate) fn make_store(
        engine: &wasmtime::Engine,
        context: Arc<CallContext>,
        caller: Caller,
        watch: &Watch,
    ) -> Store<Self> {
        let CallLimits {
            guest_time,
            memory_bytes,
            ..
        } = context.limits;
        let guest = Self::new(context, caller, watch, memory_bytes);
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_hostcall_fuel(crate::limits::HOSTCALL_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(1);
        // Called once a tick while the guest itself runs; waiting on the host does not count.
        let ticks_max = (guest_time.as_millis() / TICK.as_millis()).max(1) as u64;
        store.epoch_deadline_callback(move |mut store| {
            let guest = store.data_mut();
            guest.ticks += 1;
            if guest.call.is_raised() {
                return Err(wasmtime::Error::new(CallEnded));
            }
            if guest.ticks > ticks_max {
                return Err(wasmtime::Error::new(GuestTimeOver));
            }
            Ok(UpdateDeadline::Continue(1))
        });
        store
    }

    fn new(context: Arc<CallContext>, caller: Caller, watch: &Watch, memory_bytes: usize) -> Self {
        let Caller { plugin, spell } = caller;
        let filter = Arc::<SecretFilter>::default();
        let log = Arc::new(LogGate::new(&plugin, &context.job, Arc::clone(&filter)));
        Self {
            table: make_table(),
            wasi: empty_wasi(&log),
            wasi_table: make_table(),
            context,
            plugin,
            call: watch.cancel(),
            spell,
            unfinished: Arc::default(),
            transfers: Transfers::default(),
            pieces: Pieces::default(),
            log,
            secret_filter: filter,
            clock: watch.watchdog(),
            overwrite: true,
            streams: 0,
            warnings: 0,
            progress_reported: None,
            ticks: 0,
            limits: GuestLimits { memory_bytes },
        }
    }

    /// Starts another call in a store that is used again.
    pub(crate) fn begin_call(&mut self, call: Cancel) {
        self.call = call;
        self.unfinished = Arc::default();
        self.log.reset_counts();
        self.ticks = 0;
        self.streams = 0;
        self.warnings = 0;
        self.progress_reported = None;
    }

    /// Ends the call: discards, kills and waits for what is left of it. Returns why the call was
    /// ended from outside, if it was, and whether the guest held nothing any more.
    pub(crate) fn end_call(&mut self) -> (Option<Reason>, bool) {
        // What moves bytes may have seen an interrupt before the clock has raised it for this call.
        let run = self.context.cancel.reason();
        let run = run.filter(|reason| *reason != Reason::Failed);
        let reason = self.call.reason().or(run);
        let is_clean = self.table.is_empty();
        self.table = make_table();
        self.call.raise(Reason::Failed);
        self.transfers.join_all();
        self.log.close_call();
        (reason, is_clean)
    }

    /// Returns who asks, for denials.
    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            plugin: &self.plugin,
            job: &self.context.job,
        }
    }

    /// Hands a thing to the guest.
    pub(crate) fn keep_handle<T: Send + 'static>(&mut self, thing: T) -> Answer<Resource<T>> {
        match self.table.push(thing) {
            Ok(handle) => Ok(Ok(handle)),
            Err(ResourceTableError::Full) => {
                let message = format!("more than {HANDLES_MAX} handles are open at once");
                Ok(Err(failure(FailureKind::Limit, message)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Hands a thing to the guest if there is one.
    pub(crate) fn keep_result<T: Send + 'static>(
        &mut self,
        thing: Result<T, Failure>,
    ) -> Answer<Resource<T>> {
        match thing {
            Ok(thing) => self.keep_handle(thing),
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Fails if the call is ended.
    pub(crate) fn check_cancelled(&self) -> Result<(), Failure> {
        check_cancelled(&self.call)
    }

    /// Makes the failure of what was denied.
    pub(crate) fn denied(&self, denial: &Denial) -> Failure {
        denied(denial, self.spell)
    }

    /// Resolves a secret that was granted, and hides it in all texts from now on.
    pub(crate) fn resolve_secret(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let secret = self.context.secrets.resolve(name);
        let secret = secret.map_err(|e| io_failure(&e))?;
        self.secret_filter.add_secret(&secret);
        Ok(secret)
    }

    /// Works with a reader and a writer at once; a failure of the work discards the writer's bytes.
    pub(crate) fn with_streams(
        &mut self,
        source: &Resource<Reader>,
        target: &Resource<Writer>,
        work: impl FnOnce(&mut Reader, &mut Writer) -> Result<u64, Failure>,
    ) -> Answer<u64> {
        // Taken out for the time of the work, since the table lends one thing at a time.
        let empty = Reader::new(io::empty());
        let mut writer = std::mem::replace(self.table.get_mut(target)?, Writer::placeholder());
        let mut reader = std::mem::replace(self.table.get_mut(source)?, empty);
        let result = work(&mut reader, &mut writer);
        if let Err(failure) = &result {
            writer.discard(failure);
        }
        *self.table.get_mut(source)? = reader;
        *self.table.get_mut(target)? = writer;
        Ok(result)
    }
}
