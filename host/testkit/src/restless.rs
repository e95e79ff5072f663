//! A hook that leaves of a store its contract and nothing else: what nobody promised happens at any time, as a seed
//! has it.
//!
//! - Operations take a while, and those that are under way at once end in another order.
//! - Listings come in another order each time.
//! - Requests arrive twice. If names tell the content, it is the second answer that comes: it existed.
//!
//! Every test of a repository must pass on such a store as on a quiet one.

use crate::hooked::{Answer, Call, Hook, HookedStore, Run};
use holdfast_store::{Attempts, Listed, Name, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long operations take.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// One operation in so many waits, before its effect and after it.
    pub one_in: u64,
    /// The longest wait.
    pub max: Duration,
}

impl Waits {
    /// For tests of hundreds of thousands of operations.
    pub const SHORT: Self = Self {
        one_in: 16,
        max: Duration::from_micros(150),
    };
    /// For tests in which several things are under way at once.
    pub const LONG: Self = Self {
        one_in: 3,
        max: Duration::from_millis(3),
    };
}

/// One request in so many arrives twice.
const TWICE_ONE_IN: u64 = 4;
/// Areas in which names tell the content, so that it does not matter who created an object.
const NAMED_BY_CONTENT: [&str; 2] = ["packs/", "index/"];

/// A store that promises no more than it must.
pub type RestlessStore = HookedStore<Restless>;

/// Waits, repeats and shuffles by chance.
pub struct Restless {
    state: AtomicU64,
    waits: Waits,
}

impl Restless {
    /// SplitMix64.
    fn draw_number(&self) -> u64 {
        let step = 0x9E37_79B9_7F4A_7C15;
        let before = self.state.fetch_add(step, Ordering::SeqCst);
        let mut drawn = before.wrapping_add(step);
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        drawn ^ (drawn >> 31)
    }

    fn wait_sometimes(&self) {
        let drawn = self.draw_number();
        if drawn.is_multiple_of(self.waits.one_in) {
            let share = (drawn >> 8) % 1_000;
            std::thread::sleep(self.waits.max.mul_f64(share as f64 / 1_000.0));
        }
    }

    /// Runs a call that may arrive twice.
    fn run_repeatedly(&self, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
        let first = run(call)?;
        if !self.draw_number().is_multiple_of(TWICE_ONE_IN) {
            return Ok(first);
        }
        let again = run(call)?;
        Ok(match call {
            Call::Create(name, ..) | Call::Commit(name, _) if !is_named_by_content(name) => first,
            _ => again,
        })
    }

    fn shuffle(&self, listed: &mut [Listed]) {
        for at in (1..listed.len()).rev() {
            let other = self.draw_number() % (at as u64 + 1);
            listed.swap(at, usize::try_from(other).unwrap_or(at));
        }
    }
}

fn is_named_by_content(name: &Name) -> bool {
    let mut areas = NAMED_BY_CONTENT.iter();
    areas.any(|area| name.as_str().starts_with(area))
}

impl RestlessStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(below: Arc<dyn Store>, seed: u64, waits: Waits) -> Self {
        let state = AtomicU64::new(seed);
        Self::with_hook(below, Restless { state, waits })
    }
}

impl Hook for Restless {
    fn around(&self, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
        if matches!(call, Call::Write(_) | Call::FindAbilities) {
            return run(call);
        }
        self.wait_sometimes();
        let mut answer = match call {
            Call::StartUpload(_) | Call::Retain(..) | Call::SetHold(..) | Call::RequestThaw(..) => {
                return run(call);
            }
            Call::Create(_, _, Attempts::Single) => run(call)?,
            _ => self.run_repeatedly(call, run)?,
        };
        self.wait_sometimes();
        if let Answer::Listed(listed) = &mut answer {
            self.shuffle(listed);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{Created, Placement, conformance, local::LocalStore};
    use std::io::Write;

    fn restless(seed: u64) -> (tempfile::TempDir, RestlessStore) {
        let directory = tempfile::tempdir().unwrap();
        let inner = Arc::new(LocalStore::new(directory.path().join("store")));
        (directory, RestlessStore::new(inner, seed, Waits::SHORT))
    }

    #[test]
    fn it_keeps_the_contract() {
        for seed in 0..4 {
            conformance::check_store(&restless(seed).1);
        }
    }

    #[test]
    fn it_does_what_it_says() {
        let (_directory, store) = restless(1);
        let name = |area: &str, n: u8| Name::new(format!("{area}/{n}")).unwrap();
        let mut answers = Vec::new();
        for n in 0..40 {
            answers.push(
                store
                    .create(&name("packs", n), b"1", Attempts::Repeated)
                    .unwrap(),
            );
            assert_eq!(
                store
                    .create(&name("holds", n), b"1", Attempts::Repeated)
                    .unwrap(),
                Created::New
            );
            let mut upload = store.upload(Placement::Standard).unwrap();
            upload.write_all(b"2").unwrap();
            answers.push(upload.commit(&name("index", n)).unwrap());
        }
        let existed = answers.iter().filter(|one| **one == Created::Existed);
        assert!((5..40).contains(&existed.count()), "{answers:?}");
        let first = store.list("packs").unwrap();
        assert_eq!(first.len(), 40);
        assert_ne!(store.list("packs").unwrap(), first);
    }
}
