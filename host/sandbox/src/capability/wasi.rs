//! WASI with nothing in it: no files, no sockets, no environment. Its output goes into the log.

use super::log::LogGate;
use crate::limits::LOG_LINE_BYTES_MAX;
use holdfast_base::sync::Unpoisoned;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

/// Output that is taken at once.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Makes a context that gives access to nothing.
pub(crate) fn empty_wasi(log: &Arc<LogGate>) -> WasiCtx {
    let output = |level| Output {
        level,
        log: Arc::clone(log),
        line: Arc::default(),
    };
    WasiCtxBuilder::new()
        .stdout(output(Level::INFO))
        .stderr(output(Level::WARN))
        .build()
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
    fn write_lines(&self, bytes: &[u8]) {
        let mut line = self.line.lock_unpoisoned();
        for byte in bytes {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= LOG_LINE_BYTES_MAX {
                self.log
                    .write_line(self.level, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.write_lines(&bytes);
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
        self.write_lines(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
