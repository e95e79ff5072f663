//! What a guest's store holds.
//!
//! - Every limit of a call is set here, before the guest runs.
//! - Ending a call drops every handle, which discards what was not finished, kills what still runs
//!   and waits for every transfer: nothing of a call outlives it.

use super::failure;
use super::ledger::Ledger;
use super::plain::LogGate;
use super::streams::{Pieces, Transfers};
use super::wasi;
use super::{Answer, Hidden, cancelled};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::grant::Asker;
use crate::limits::{
    CallLimits, HANDLES_MAX, INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX, TICK,
};
use crate::plugin::CallContext;
use crate::watchdog::{Watch, Watchdog};
use holdfast_base::cancel::{Cancel, Reason};
use std::sync::Arc;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a guest's store holds.
pub struct Guest {
    pub(crate) table: ResourceTable,
    pub(crate) context: Arc<CallContext>,
    pub(crate) plugin: Arc<str>,
    /// Ends this call, and nothing else of the run.
    pub(crate) call: Cancel,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) transfers: Transfers,
    pub(crate) pieces: Pieces,
    pub(crate) log: Arc<LogGate>,
    pub(crate) hidden: Arc<Hidden>,
    /// Ends commands whose time is over.
    pub(crate) clock: Watchdog,
    /// Whether what stands in the way in a tree may be replaced.
    pub(crate) overwrite: bool,
    pub(crate) streams: u64,
    pub(crate) warnings: u64,
    pub(crate) progress_told: Option<std::time::Instant>,
    ticks: u64,
    limits: StoreLimits,
    wasi: WasiCtx,
    wasi_table: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.wasi_table,
        }
    }
}

/// The guest ran longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the guest ran longer than it may")]
pub(crate) struct OutOfTime;

/// The call was ended from outside while the guest ran.
#[derive(Debug, thiserror::Error)]
#[error("the call was ended")]
pub(crate) struct Ended;

/// The guest went beyond a limit that is no failure of its own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BeyondLimit(pub(crate) String);

fn table() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES_MAX);
    table
}

impl Guest {
    /// Makes a store with every limit set.
    pub(crate) fn store(
        engine: &wasmtime::Engine,
        context: Arc<CallContext>,
        plugin: Arc<str>,
        watch: &Watch,
    ) -> Store<Self> {
        let CallLimits {
            guest_time,
            memory_bytes,
            ..
        } = context.limits;
        let limits = StoreLimitsBuilder::new()
            .memory_size(memory_bytes)
            .memories(MEMORIES_MAX)
            .tables(TABLES_MAX)
            .table_elements(TABLE_ELEMENTS_MAX)
            .instances(INSTANCES_MAX)
            .trap_on_grow_failure(true)
            .build();
        let hidden = Arc::<Hidden>::default();
        let log = Arc::new(LogGate::new(&plugin, &context.job, Arc::clone(&hidden)));
        let guest = Self {
            table: table(),
            wasi: wasi::context(&log),
            wasi_table: table(),
            context,
            plugin,
            call: watch.call(),
            ledger: Arc::default(),
            transfers: Transfers::default(),
            pieces: Pieces::default(),
            log,
            hidden,
            clock: watch.dog(),
            overwrite: true,
            streams: 0,
            warnings: 0,
            progress_told: None,
            ticks: 0,
            limits,
        };
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
                return Err(wasmtime::Error::new(Ended));
            }
            if guest.ticks > ticks_max {
                return Err(wasmtime::Error::new(OutOfTime));
            }
            Ok(UpdateDeadline::Continue(1))
        });
        store
    }

    /// Starts another call in a store that is used again.
    pub(crate) fn begin_call(&mut self, call: Cancel) {
        self.call = call;
        self.ledger = Arc::default();
        self.log.reset();
        self.ticks = 0;
        self.streams = 0;
        self.warnings = 0;
        self.progress_told = None;
    }

    /// Ends the call: discards, kills and waits for what is left of it. Returns why the call was
    /// ended from outside, if it was, and whether the guest held nothing any more.
    pub(crate) fn end_call(&mut self) -> (Option<Reason>, bool) {
        // What moves bytes may have heard of an interrupt before the clock told this call.
        let run = self.context.cancel.reason();
        let run = run.filter(|reason| *reason != Reason::Failed);
        let reason = self.call.reason().or(run);
        let is_clean = self.table.is_empty();
        self.table = table();
        self.call.raise(Reason::Failed);
        self.transfers.join();
        self.log.close();
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
    pub(crate) fn keep<T: Send + 'static>(&mut self, thing: T) -> Answer<Resource<T>> {
        match self.table.push(thing) {
            Ok(handle) => Ok(Ok(handle)),
            Err(ResourceTableError::Full) => {
                let message = format!("more than {HANDLES_MAX} handles are open at once");
                Ok(Err(failure(FailureKind::Limit, message)))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn check_cancelled(&self) -> Result<(), Failure> {
        self.call
            .reason()
            .map_or(Ok(()), |reason| Err(cancelled(reason)))
    }
}
