//! Work on many items at once, by a bounded number of threads.
//!
//! - Results come in the order of the items, whoever worked on which.
//! - A failure or a cancelled run ends the work: no item is begun after it, and those that were begun are finished.
//! - The calling thread works, too. A thread that the system refuses leaves its share to the others.
//! - A panic in one thread is a panic in the caller.

use crate::cancel::Cancel;
use crate::sync::Unpoisoned;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Who may work on the items, and how long.
#[derive(Clone, Copy)]
pub struct Workers<'a> {
    /// The most threads that work at the same time.
    pub count_max: usize,
    /// Ends the work when it is raised.
    pub cancel: &'a Cancel,
}

/// Why [`try_map_parallel`] has no results.
#[derive(Debug, PartialEq, Eq)]
pub enum Stopped<E> {
    /// The run was cancelled.
    Cancelled,
    /// An item failed; of several failures, that of the first item.
    Failed(E),
}

/// Returns how many threads this machine runs at the same time.
#[must_use]
pub fn count_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Works on each item and returns what that gave, in the order of the items.
///
/// Each thread calls `start` once and hands what it returns to `work`, so that buffers are made once a thread and not
/// once an item.
///
/// # Errors
/// An item or a `start` failed, or the run was cancelled.
pub fn try_map_parallel<I: Sync, W, T: Send, E: Send>(
    items: &[I],
    workers: Workers<'_>,
    start: impl Fn() -> Result<W, E> + Sync,
    work: impl Fn(&mut W, &I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, Stopped<E>> {
    let work_started = |worker: &mut Option<W>, item: &I| match worker {
        Some(worker) => work(worker, item),
        None => work(worker.insert(start()?), item),
    };
    let answers = map_parallel(
        items,
        workers,
        || None,
        |worker, item| match work_started(worker, item) {
            Ok(value) => ControlFlow::Continue(Ok(value)),
            Err(error) => ControlFlow::Break(Err(error)),
        },
    );
    // Items are begun in their order: those that were not begun are the last ones.
    let values: Result<Vec<T>, E> = answers.into_iter().flatten().collect();
    let values = values.map_err(Stopped::Failed)?;
    if workers.cancel.is_raised() {
        return Err(Stopped::Cancelled);
    }
    Ok(values)
}

/// Works on items until `work` breaks off, and returns what each gave, in the order of the items; `None` for those that
/// were not begun.
pub fn map_parallel<I: Sync, W, T: Send>(
    items: &[I],
    workers: Workers<'_>,
    start: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &I) -> ControlFlow<T, T> + Sync,
) -> Vec<Option<T>> {
    let answers: Vec<Mutex<Option<T>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work_on_items = || {
        let mut worker = start();
        while !is_over.load(Ordering::Relaxed) && !workers.cancel.is_raised() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let answer = match work(&mut worker, item) {
                ControlFlow::Continue(answer) => answer,
                ControlFlow::Break(answer) => {
                    is_over.store(true, Ordering::Relaxed);
                    answer
                }
            };
            *answers[at].lock_unpoisoned() = Some(answer);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers.count_max.min(items.len()) {
            let thread = std::thread::Builder::new();
            if thread.spawn_scoped(scope, work_on_items).is_err() {
                break;
            }
        }
        work_on_items();
    });
    let answers = answers.into_iter();
    answers.map(Mutex::into_inner_unpoisoned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Reason;
    use std::convert::Infallible;

    fn workers(count_max: usize, cancel: &Cancel) -> Workers<'_> {
        Workers { count_max, cancel }
    }

    #[test]
    fn results_come_in_order_however_many_items_and_threads_there_are() {
        let cancel = Cancel::new();
        for count in [0, 1, 31, 1_000] {
            for threads in [0, 1, 8] {
                let items: Vec<usize> = (0..count).collect();
                let double = |(): &mut (), item: &usize| Ok::<_, Infallible>(item * 2);
                let doubled =
                    try_map_parallel(&items, workers(threads, &cancel), || Ok(()), double);
                let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
                assert_eq!(doubled, Ok(expected));
            }
        }
    }

    #[test]
    fn many_items_are_worked_on_at_the_same_time() {
        let together = std::sync::Barrier::new(8);
        // With fewer threads this never ends.
        let wait = |(): &mut (), at: &usize| {
            together.wait();
            ControlFlow::Continue(*at)
        };
        let items: Vec<usize> = (0..64).collect();
        let answers = map_parallel(&items, workers(8, &Cancel::new()), || (), wait);
        assert!(answers.into_iter().flatten().eq(0..64));
    }

    #[test]
    fn a_failure_ends_the_work_and_is_that_of_the_first_item_that_failed() {
        let items: Vec<usize> = (0..1_000).collect();
        let fail = |(): &mut (), item: &usize| if *item < 5 { Ok(()) } else { Err(*item) };
        for threads in [1, 8] {
            let cancel = Cancel::new();
            let failed = try_map_parallel(&items, workers(threads, &cancel), || Ok(()), fail);
            assert_eq!(failed, Err(Stopped::Failed(5)));
        }
        let begun = AtomicUsize::new(0);
        let count = |(): &mut (), item: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            fail(&mut (), item)
        };
        try_map_parallel(&items, workers(1, &Cancel::new()), || Ok(()), count).unwrap_err();
        assert_eq!(begun.into_inner(), 6);
    }

    #[test]
    fn a_worker_that_cannot_start_is_a_failure() {
        let start = || Err::<(), _>("no memory");
        let failed = try_map_parallel(&[1, 2], workers(2, &Cancel::new()), start, |(), _| Ok(()));
        assert_eq!(failed, Err(Stopped::Failed("no memory")));
    }

    #[test]
    fn nothing_is_begun_after_a_cancel() {
        let (items, cancel) = ([(); 100], Cancel::new());
        let raise = |(): &mut (), (): &()| {
            cancel.raise(Reason::Interrupted);
            Ok::<_, Infallible>(())
        };
        let stopped = try_map_parallel(&items, workers(1, &cancel), || Ok(()), raise);
        assert_eq!(stopped, Err(Stopped::Cancelled));
        let answers = map_parallel(
            &items,
            workers(1, &cancel),
            || (),
            |(), ()| ControlFlow::Continue(()),
        );
        assert!(answers.iter().all(Option::is_none));
    }
}
