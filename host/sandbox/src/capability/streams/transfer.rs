//! Transfers that the host carries on in the background, each on a thread of its own.

use super::handles::{Reader, Writer, copy_stream};
use super::pieces::Piece;
use crate::capability::failure::{CountLimit, failure};
use crate::contract::{Failure, FailureKind};
use crate::limits::TRANSFERS_MAX;
use holdfast_base::cancel::Cancel;
use holdfast_base::sync::Unpoisoned;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

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

impl Transfer {
    /// Returns how many bytes were moved so far.
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Waits for the end and returns how many bytes were moved.
    pub(crate) fn finish(&self) -> Result<u64, Failure> {
        let again = || {
            let what = "the transfer was waited for before";
            Err(failure(FailureKind::Invalid, what))
        };
        join_thread(&self.thread).unwrap_or_else(again)
    }
}

/// All transfers of a call.
#[derive(Default)]
pub(crate) struct Transfers(Vec<Thread>);

fn is_over(thread: &Thread) -> bool {
    let thread = thread.lock_unpoisoned();
    thread.as_ref().is_none_or(JoinHandle::is_finished)
}

fn join_thread(thread: &Thread) -> Option<Moved> {
    let taken = thread.lock_unpoisoned().take()?;
    let broke = |_| Err(failure(FailureKind::Failed, "the transfer broke"));
    Some(taken.join().unwrap_or_else(broke))
}

impl Transfers {
    fn add_thread(&mut self, thread: &Thread) -> Result<(), CountLimit> {
        self.0.retain(|thread| !is_over(thread));
        if self.0.len() >= TRANSFERS_MAX {
            return Err(CountLimit::Transfers);
        }
        self.0.push(Arc::clone(thread));
        Ok(())
    }

    /// Starts a transfer of everything from a reader to a writer, until the call ends.
    pub(crate) fn start_transfer(
        &mut self,
        mut from: Reader,
        mut to: Writer,
        call: Cancel,
        mut piece: Piece,
    ) -> wasmtime::Result<Transfer> {
        let thread = Thread::default();
        self.add_thread(&thread)?;
        let transfer = Transfer {
            thread: Arc::clone(&thread),
            moved: Arc::default(),
            given_up: Arc::default(),
        };
        let (moved, given_up) = (Arc::clone(&transfer.moved), Arc::clone(&transfer.given_up));
        let work = move || {
            let report = |total| {
                moved.store(total, Ordering::Relaxed);
                if given_up.load(Ordering::Relaxed) {
                    return Err(failure(FailureKind::Cancelled, "the transfer was given up"));
                }
                Ok(())
            };
            if let Err(failure) = copy_stream(&mut from, &mut to, &call, &mut piece.bytes, report) {
                to.discard(&failure);
            }
            to.finish()
        };
        let spawned = std::thread::Builder::new()
            .name("transfer".to_owned())
            .spawn(work)?;
        *thread.lock_unpoisoned() = Some(spawned);
        Ok(transfer)
    }

    /// Waits for what is left; the call was ended before, so that all of it comes to its end.
    pub(crate) fn join_all(&mut self) {
        for thread in self.0.drain(..) {
            let _ = join_thread(&thread);
        }
    }
}
