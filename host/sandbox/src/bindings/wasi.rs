//! Links WASI, whose waiting ends with the call.

use crate::capability::Guest;
use crate::capability::failure::CallEnded;
use holdfast_base::cancel::Cancel;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::sync::io::poll;
use wasmtime_wasi::runtime::in_tokio;
use wasmtime_wasi_io::bindings::wasi::io::poll as asynchronous;

/// How often a wait looks whether the call has ended.
const CHECK_EVERY: std::time::Duration = std::time::Duration::from_millis(10);

/// Links WASI, whose waiting ends with the call.
pub(crate) fn link_wasi(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<Guest, Waiting>(linker, |guest| Waiter {
        cancel: guest.call.clone(),
        table: guest.ctx().table,
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Names the part of a guest that waits.
struct Waiting;

impl HasData for Waiting {
    type Data<'a> = Waiter<'a>;
}

/// Waits for what a guest waits for, or for the end of the call.
struct Waiter<'a> {
    cancel: Cancel,
    table: &'a mut ResourceTable,
}

async fn until_ended<T>(
    cancel: &Cancel,
    work: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(CHECK_EVERY, &mut work).await {
            Ok(done) => return done,
            Err(_) if cancel.is_raised() => return Err(wasmtime::Error::new(CallEnded)),
            Err(_) => {}
        }
    }
}

impl poll::Host for Waiter<'_> {
    fn poll(&mut self, pollables: Vec<Resource<poll::Pollable>>) -> wasmtime::Result<Vec<u32>> {
        let Self { cancel, table } = self;
        in_tokio(async { until_ended(cancel, asynchronous::Host::poll(*table, pollables)).await })
    }
}

impl poll::HostPollable for Waiter<'_> {
    fn ready(&mut self, pollable: Resource<poll::Pollable>) -> wasmtime::Result<bool> {
        in_tokio(async { asynchronous::HostPollable::ready(self.table, pollable).await })
    }

    fn block(&mut self, pollable: Resource<poll::Pollable>) -> wasmtime::Result<()> {
        let Self { cancel, table } = self;
        let work = async { asynchronous::HostPollable::block(*table, pollable).await };
        in_tokio(async { until_ended(cancel, work).await })
    }

    fn drop(&mut self, pollable: Resource<poll::Pollable>) -> wasmtime::Result<()> {
        asynchronous::HostPollable::drop(self.table, pollable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};
    use wasmtime_wasi::p2::Pollable;

    struct Never;

    #[wasmtime_wasi::async_trait]
    impl Pollable for Never {
        async fn ready(&mut self) {
            std::future::pending::<()>().await;
        }
    }

    #[test]
    fn waiting_for_what_never_comes_ends_with_the_call() {
        let mut table = ResourceTable::new();
        let never = table.push(Never).unwrap();
        let never = wasmtime_wasi_io::poll::subscribe(&mut table, never).unwrap();
        let cancel = Cancel::new();
        let later = cancel.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            later.raise(holdfast_base::cancel::Reason::Deadline);
        });
        let begun = Instant::now();
        let mut waiter = Waiter {
            cancel,
            table: &mut table,
        };
        let again = Resource::new_borrow(never.rep());
        assert!(
            poll::Host::poll(&mut waiter, vec![again])
                .unwrap_err()
                .is::<CallEnded>()
        );
        assert!(
            poll::HostPollable::block(&mut waiter, never)
                .unwrap_err()
                .is::<CallEnded>()
        );
        assert!(begun.elapsed() < Duration::from_secs(5));
        thread.join().unwrap();
    }

    #[test]
    fn all_of_it_links() {
        let engine = crate::codegen::make_engine().unwrap();
        link_wasi(&mut Linker::new(&engine)).unwrap();
    }
}
