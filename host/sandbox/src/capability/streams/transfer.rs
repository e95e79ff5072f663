//! Transfers that the host carries on in the background, each on a thread of its own.

use super::{Reader, SPLICE_BYTES, Writer, copy};
use crate::bindings::v1::shared::streams::HostTransfer;
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use crate::capability::guest::BeyondLimit;
use crate::capability::{Answer, Guest, failure};
use crate::limits::TRANSFERS_MAX;
use holdfast_base::sync::Unpoisoned;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use wasmtime::component::Resource;

type Moved = Result<u64, Failure>;

/// A thread that is joined once: by the guest that waits for it, or at the end of the call.
type Thread = Arc<Mutex<Option<JoinHandle<Moved>>>>;

/// A transfer that goes on in the background. Dropping it gives it up.
pub struct Transfer {
    thread: Thread,
    moved: Arc<AtomicU64>,
    given_up: Arc<AtomicBool>,
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// All transfers of a call.
#[derive(Default)]
pub(crate) struct Transfers(Vec<Thread>);

fn is_over(thread: &Thread) -> bool {
    let thread = thread.lock_unpoisoned();
    thread.as_ref().is_none_or(JoinHandle::is_finished)
}

fn join(thread: &Thread) -> Option<Moved> {
    let taken = thread.lock_unpoisoned().take()?;
    let broke = |_| Err(failure(FailureKind::Failed, "the transfer broke"));
    Some(taken.join().unwrap_or_else(broke))
}

impl Transfers {
    fn add(&mut self, thread: &Thread) -> wasmtime::Result<()> {
        self.0.retain(|thread| !is_over(thread));
        if self.0.len() >= TRANSFERS_MAX {
            let message = format!("more than {TRANSFERS_MAX} transfers were going on at once");
            return Err(wasmtime::Error::new(BeyondLimit(message)));
        }
        self.0.push(Arc::clone(thread));
        Ok(())
    }

    /// Waits for what is left; the call was ended before, so that all of it comes to its end.
    pub(crate) fn join(&mut self) {
        for thread in self.0.drain(..) {
            let _ = join(&thread);
        }
    }
}

impl HostTransfer for Guest {
    fn start(
        &mut self,
        source: Resource<Reader>,
        target: Resource<Writer>,
    ) -> wasmtime::Result<Resource<Transfer>> {
        let mut from = self.table.delete(source)?;
        let mut to = self.table.delete(target)?;
        let thread = Thread::default();
        self.transfers.add(&thread)?;
        let transfer = Transfer {
            thread: Arc::clone(&thread),
            moved: Arc::default(),
            given_up: Arc::default(),
        };
        let (call, moved, given_up) = (
            self.call.clone(),
            Arc::clone(&transfer.moved),
            Arc::clone(&transfer.given_up),
        );
        let mut piece = self.pieces.take(SPLICE_BYTES);
        let work = move || {
            let note = |total| {
                moved.store(total, Ordering::Relaxed);
                if given_up.load(Ordering::Relaxed) {
                    return Err(failure(FailureKind::Cancelled, "the transfer was given up"));
                }
                Ok(())
            };
            if let Err(failure) = copy(&mut from, &mut to, &call, &mut piece.bytes, note) {
                to.fail(&failure);
            }
            to.finish()
        };
        let spawned = std::thread::Builder::new()
            .name("transfer".to_owned())
            .spawn(work)?;
        *thread.lock_unpoisoned() = Some(spawned);
        Ok(self.table.push(transfer)?)
    }

    fn moved(&mut self, this: Resource<Transfer>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.moved.load(Ordering::Relaxed))
    }

    fn wait(&mut self, this: Resource<Transfer>) -> Answer<u64> {
        let transfer = self.table.delete(this)?;
        let again = || {
            Err(failure(
                FailureKind::Invalid,
                "the transfer was waited for before",
            ))
        };
        Ok(join(&transfer.thread).unwrap_or_else(again))
    }

    fn drop(&mut self, this: Resource<Transfer>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
