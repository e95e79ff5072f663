//! The clock that interrupts: guests that run, and calls that wait.
//!
//! One thread for all plugins. It ends with the last engine.

use crate::limits::TICK;
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::sync::Unpoisoned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use wasmtime::Engine;

struct Watched {
    run: Cancel,
    call: Cancel,
    /// None if the time is too far away for the clock.
    deadline: Option<Instant>,
}

#[derive(Default)]
struct Calls {
    next: u64,
    watched: HashMap<u64, Watched>,
}

/// Ends calls whose time is over, or whose run was cancelled.
#[derive(Clone, Default)]
pub(crate) struct Watchdog(Arc<Mutex<Calls>>);

/// A call that is watched, for as long as this lives.
pub(crate) struct Watch {
    watchdog: Watchdog,
    number: u64,
    call: Cancel,
}

impl Watchdog {
    /// Starts the clock.
    pub(crate) fn start_clock(engine: &Engine) -> std::io::Result<Self> {
        let dog = Self::default();
        let (weak, watching) = (engine.weak(), dog.clone());
        let tick = move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                watching.end_overdue();
                std::thread::sleep(TICK);
            }
        };
        std::thread::Builder::new()
            .name("plugin clock".to_owned())
            .spawn(tick)?;
        Ok(dog)
    }

    /// Watches a call from now on.
    pub(crate) fn watch_call(&self, run: &Cancel, time: Duration) -> Watch {
        let call = Cancel::new();
        if let Some(reason) = run.reason() {
            call.raise(reason);
        }
        let deadline = Instant::now().checked_add(time);
        let mut calls = self.lock_calls();
        let number = calls.next;
        calls.next += 1;
        calls.watched.insert(
            number,
            Watched {
                run: run.clone(),
                call: call.clone(),
                deadline,
            },
        );
        Watch {
            watchdog: self.clone(),
            number,
            call,
        }
    }

    /// Ends the calls whose time is over or whose run was cancelled.
    fn end_overdue(&self) {
        let now = Instant::now();
        let over = |watched: &Watched| {
            let is_late = watched.deadline.is_some_and(|deadline| deadline <= now);
            watched.run.reason().or(is_late.then_some(Reason::Deadline))
        };
        let due: Vec<_> = self
            .lock_calls()
            .watched
            .values()
            .filter_map(|watched| Some((watched.call.clone(), over(watched)?)))
            .collect();
        // Outside of the lock: raising runs hooks.
        for (call, reason) in due {
            call.raise(reason);
        }
    }

    fn lock_calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock_unpoisoned()
    }
}

impl Watch {
    /// Returns the clock that watches.
    pub(crate) fn watchdog(&self) -> Watchdog {
        self.watchdog.clone()
    }

    /// Returns what ends the call.
    pub(crate) fn cancel(&self) -> Cancel {
        self.call.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchdog.lock_calls().watched.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_with_its_run_and_with_its_time_and_not_before() {
        let dog = Watchdog::default();
        let run = Cancel::new();
        let patient = dog.watch_call(&run, Duration::MAX);
        let late = dog.watch_call(&run, Duration::ZERO);
        dog.end_overdue();
        assert_eq!(patient.cancel().reason(), None);
        assert_eq!(late.cancel().reason(), Some(Reason::Deadline));
        run.raise(Reason::Interrupted);
        dog.end_overdue();
        assert_eq!(patient.cancel().reason(), Some(Reason::Interrupted));
        drop((patient, late));
        assert!(dog.lock_calls().watched.is_empty());
    }
}
