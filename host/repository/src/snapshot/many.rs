//! Many small objects at once: what takes long is waiting for a store, or looking at signatures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Objects that are read at the same time.
const AT_ONCE: usize = 8;
/// Fewer are read one after the other.
const FEW: usize = 32;

/// Reads all of them; results come in the order of the ids.
pub(super) fn read<I: Sync, T: Send>(ids: &[I], read: impl Fn(&I) -> T + Sync) -> Vec<T> {
    if ids.len() < FEW {
        return ids.iter().map(read).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(ids.len()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(id) = ids.get(at) else { break };
                    let one = (at, read(id));
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(one);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_however_many_there_are() {
        for count in [0, 1, FEW - 1, FEW, 1_000] {
            let ids: Vec<usize> = (0..count).collect();
            assert_eq!(
                read(&ids, |id| id * 2),
                ids.iter().map(|id| id * 2).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn many_are_read_at_the_same_time() {
        let together = std::sync::Barrier::new(AT_ONCE);
        let ids = [(); AT_ONCE * 8];
        // With fewer readers this never ends.
        read(&ids, |()| together.wait());
    }
}
