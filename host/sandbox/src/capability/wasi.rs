//! WASI with nothing in it: no files, no sockets, no environment. Its output goes into the log, its
//! waiting ends with the call.

use super::Guest;
use super::guest::Ended;
use super::plain::LogGate;
use crate::bindings::v1::shared::log::Level;
use crate::limits::LOG_LINE_BYTES_MAX;
use holdfast_base::cancel::Cancel;
use holdfast_base::sync::Unpoisoned;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::sync::io::poll;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::runtime::in_tokio;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiView};
use wasmtime_wasi_io::bindings::wasi::io::poll as asynchronous;

/// How often somebody who waits looks whether the call has ended.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);
/// Output that is taken at once.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Makes a context that gives access to nothing.
pub(crate) fn context(log: &Arc<LogGate>) -> WasiCtx {
    let output = |level| Output {
        level,
        log: Arc::clone(log),
        line: Arc::default(),
    };
    WasiCtxBuilder::new()
        .stdout(output(Level::Info))
        .stderr(output(Level::Warn))
        .build()
}

/// Links it.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<Guest, Waiting>(linker, |guest| Waiter {
        cancel: guest.call.clone(),
        table: guest.ctx().table,
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

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
        match tokio::time::timeout(LOOK, &mut work).await {
            Ok(done) => return done,
            Err(_) if cancel.is_raised() => return Err(wasmtime::Error::new(Ended)),
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

/// Standard output or standard error, line by line into the log.
#[derive(Clone)]
struct Output {
    level: Level,
    log: Arc<LogGate>,
    line: Arc<Mutex<Vec<u8>>>,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl Output {
    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock_unpoisoned();
        for byte in bytes {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= LOG_LINE_BYTES_MAX {
                self.log.write(self.level, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(OUTPUT_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

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
                .is::<Ended>()
        );
        assert!(
            poll::HostPollable::block(&mut waiter, never)
                .unwrap_err()
                .is::<Ended>()
        );
        assert!(begun.elapsed() < Duration::from_secs(5));
        thread.join().unwrap();
    }

    #[test]
    fn all_of_it_links() {
        let engine = crate::codegen::engine().unwrap();
        link(&mut Linker::new(&engine)).unwrap();
    }
}
