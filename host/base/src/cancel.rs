//! Cancelling a run.
//!
//! One flag, shared by everything that works for a run. Whoever waits for long also listens to it,
//! so that an interrupt or a deadline ends the run within a moment, whatever it is doing.

use crate::sync::Unpoisoned;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

/// Why work should end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The operator or the system asked for it (SIGINT, SIGTERM).
    Interrupted,
    /// The time allowed is over.
    Deadline,
    /// Another part of the same run failed.
    Failed,
}

type Hook = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Inner {
    state: AtomicU8,
    hooks: Mutex<Vec<Hook>>,
}

/// A flag that is raised once and never lowered. Clones share it.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

impl Cancel {
    /// Makes a flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a flag that is raised with this one, and alone without it.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        let (parent, heir) = (Arc::downgrade(&self.0), Arc::downgrade(&child.0));
        self.on_raise(move || {
            if let (Some(parent), Some(heir)) = (parent.upgrade(), heir.upgrade())
                && let Some(reason) = Self(parent).reason()
            {
                Self(heir).raise(reason);
            }
        });
        child
    }

    /// Raises the flag and runs the hooks. The first reason stays.
    pub fn raise(&self, reason: Reason) {
        let code = match reason {
            Reason::Interrupted => 1,
            Reason::Deadline => 2,
            Reason::Failed => 3,
        };
        let first = self
            .0
            .state
            .compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
        if first {
            for hook in self.lock_hooks().iter() {
                hook();
            }
        }
    }

    /// Returns why the flag was raised, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.0.state.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Reason::Interrupted),
            2 => Some(Reason::Deadline),
            _ => Some(Reason::Failed),
        }
    }

    /// Returns whether the flag was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.reason().is_some()
    }

    /// Runs `hook` when the flag is raised, or at once if it already was.
    ///
    /// A hook wakes or kills something and must not block.
    pub fn on_raise(&self, hook: impl Fn() + Send + 'static) {
        let mut hooks = self.lock_hooks();
        if self.is_raised() {
            drop(hooks);
            hook();
        } else {
            hooks.push(Box::new(hook));
        }
    }

    fn lock_hooks(&self) -> std::sync::MutexGuard<'_, Vec<Hook>> {
        self.0.hooks.lock_unpoisoned()
    }
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cancel({:?})", self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn the_first_reason_stays_and_each_hook_runs_once() {
        let cancel = Cancel::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        cancel.on_raise(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        cancel.raise(Reason::Deadline);
        cancel.raise(Reason::Interrupted);
        assert_eq!(cancel.reason(), Some(Reason::Deadline));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_child_ends_with_its_parent_and_never_ends_it() {
        let parent = Cancel::new();
        let (alone, with) = (parent.child(), parent.child());
        alone.raise(Reason::Deadline);
        assert_eq!((parent.reason(), with.reason()), (None, None));
        parent.raise(Reason::Interrupted);
        assert_eq!(alone.reason(), Some(Reason::Deadline));
        assert_eq!(with.reason(), Some(Reason::Interrupted));
        assert_eq!(parent.child().reason(), Some(Reason::Interrupted));
    }

    #[test]
    fn a_hook_that_comes_late_runs_at_once() {
        let cancel = Cancel::new();
        cancel.raise(Reason::Failed);
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        cancel.on_raise(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }
}
