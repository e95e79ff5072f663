//! What a guest's store holds.

use super::failure;
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::limits::{
    CallLimits, HANDLES_MAX, INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TICK,
};
use crate::plugin::CallContext;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// What a guest's store holds.
pub struct Guest {
    pub(crate) table: ResourceTable,
    pub(crate) context: Arc<CallContext>,
    pub(crate) plugin: Arc<str>,
    /// Entries that were started and are neither finished nor given up.
    pub(crate) unfinished: Arc<Mutex<BTreeSet<String>>>,
    pub(crate) log_lines: u64,
    pub(crate) streams: u64,
    pub(crate) warnings: u64,
    ticks: u64,
    limits: StoreLimits,
    wasi: WasiCtx,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// The guest ran longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the guest ran longer than it may")]
pub(crate) struct OutOfTime;

/// The job was cancelled while the guest ran.
#[derive(Debug, thiserror::Error)]
#[error("the job was cancelled")]
pub(crate) struct WasCancelled;

impl Guest {
    /// Makes a store with every limit set.
    pub(crate) fn store(
        engine: &wasmtime::Engine,
        context: Arc<CallContext>,
        plugin: Arc<str>,
    ) -> Store<Self> {
        let CallLimits {
            guest_time,
            memory_bytes,
        } = context.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let limits = StoreLimitsBuilder::new()
            .memory_size(memory_bytes)
            .memories(MEMORIES_MAX)
            .table_elements(TABLE_ELEMENTS_MAX)
            .instances(INSTANCES_MAX)
            .trap_on_grow_failure(true)
            .build();
        let guest = Self {
            table,
            context,
            plugin,
            unfinished: Arc::default(),
            log_lines: 0,
            streams: 0,
            warnings: 0,
            ticks: 0,
            limits,
            wasi: WasiCtxBuilder::new().build(),
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_hostcall_fuel(crate::limits::HOSTCALL_BYTES_MAX);
        store.set_epoch_deadline(1);
        // Called once a tick while the guest itself runs; waiting on the host does not count.
        let ticks_max = (guest_time.as_millis() / TICK.as_millis()).max(1) as u64;
        store.epoch_deadline_callback(move |mut store| {
            let guest = store.data_mut();
            guest.ticks += 1;
            if guest.context.cancel.is_raised() {
                return Err(wasmtime::Error::new(WasCancelled));
            }
            if guest.ticks > ticks_max {
                return Err(wasmtime::Error::new(OutOfTime));
            }
            Ok(UpdateDeadline::Continue(1))
        });
        store
    }

    /// Starts a call of its own in a store that is used again.
    pub(crate) fn begin_call(&mut self, context: Arc<CallContext>) {
        self.context = context;
        self.ticks = 0;
        self.log_lines = 0;
    }

    /// Makes a denial that shows the line which would allow what was asked for.
    pub(crate) fn denied(&self, what: &str, line: &str) -> Failure {
        let mut failure = failure(
            FailureKind::Denied,
            format!(
                "plugin `{}` asked to {what}, which job `{}` does not allow",
                self.plugin, self.context.job
            ),
        );
        failure.hint = Some(format!(
            "To allow it, add to [job.{}.with]: {line}",
            self.context.job
        ));
        failure
    }

    /// Notes that an entry was started.
    pub(crate) fn started(&self, name: &str) -> Unfinished {
        lock(&self.unfinished).insert(name.to_owned());
        Unfinished {
            all: Arc::clone(&self.unfinished),
            name: name.to_owned(),
        }
    }

    pub(crate) fn check_cancelled(&self) -> io::Result<()> {
        if self.context.cancel.is_raised() {
            return Err(super::held(failure(
                FailureKind::Cancelled,
                "the job was cancelled",
            )));
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An entry that was started. What is dropped without being done stays on the list.
pub(crate) struct Unfinished {
    all: Arc<Mutex<BTreeSet<String>>>,
    name: String,
}

impl Unfinished {
    pub(crate) fn done(self) {
        lock(&self.all).remove(&self.name);
    }
}
