//! Holds that the store keeps: they are never less than what holds say, whatever goes wrong on the way.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support::{self, locking};

use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_repository::UpkeepError;
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::object_lock::hold::{hold, release};
use holdfast_repository::{Repository, RepositoryError};
use holdfast_store::Name;
use holdfast_testkit::between::BetweenStore;
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use locking::{Locking, hours, is_held, needed, two, wish};
use std::collections::BTreeSet;
use std::sync::Arc;
use support::noise;

/// More operations than any of these has.
const OPERATIONS_MAX: u64 = 400;

#[test]
fn a_hold_holds_all_that_a_snapshot_reaches_until_the_last_of_them_is_released() {
    let locking = Locking::new();
    let shared = noise(5, 400_000);
    let first = locking.backup(&[("a", noise(1, 700_000)), ("s", shared.clone())]);
    let second = locking.backup(&[("b", noise(2, 700_000)), ("s", shared)]);
    let repository = locking.open(Role::Write);
    let objects = locking.try_hold(&repository, &first).unwrap();
    locking.try_hold(&repository, &second).unwrap();
    let held: BTreeSet<Name> = locking.store.held().into_iter().collect();
    assert!(held.is_superset(&needed(&locking, &first)));
    assert!(held.is_superset(&needed(&locking, &second)));
    assert_eq!(objects as usize, needed(&locking, &first).len() + 1);
    let twice = locking.try_hold(&repository, &first).unwrap_err();
    assert!(matches!(
        twice,
        RepositoryError::Upkeep(UpkeepError::Held { .. })
    ));
    assert!(locking.try_release(&repository, &first).unwrap() > 0);
    let held: BTreeSet<Name> = locking.store.held().into_iter().collect();
    assert!(
        held.is_superset(&needed(&locking, &second)),
        "shared packs stay held"
    );
    assert!(!held.is_superset(&needed(&locking, &first)));
    assert!(!is_held(&locking, &first) && is_held(&locking, &second));
    let again = locking.try_release(&repository, &first).unwrap_err();
    assert!(matches!(
        again,
        RepositoryError::Upkeep(UpkeepError::NotHeld { .. })
    ));
    locking.try_release(&repository, &second).unwrap();
    assert_eq!(locking.store.held(), []);
}

#[test]
fn a_hold_with_an_end_is_a_term_that_ends_by_itself() {
    let locking = Locking::new();
    let root = locking.backup(&two());
    let repository = locking.open(Role::Write);
    let (never, unseen) = (Cancel::new(), Progress::default());
    let until = hours(10, 10).until;
    hold(&repository, &root, &wish(Some(until)), &never, &unseen).unwrap();
    assert_eq!(locking.store.held(), []);
    let locked: BTreeSet<Name> = locking.store.locked().into_iter().collect();
    assert_eq!(locked, needed(&locking, &root));
    let released = release(&repository, &root.snapshot, &never, &unseen).unwrap();
    assert_eq!(released.until, Some(until), "a term cannot be made shorter");
    assert!(!is_held(&locking, &root));
}

/// Breaks every operation of something in every way, until it passes; then, that no snapshot says that it is
/// held which is not, and that doing it again goes on.
fn broken_anywhere(
    (begun, root, other): &(Locking, Root, Root),
    work: impl Fn(&Locking, &Arc<Repository>, &Root) -> Result<u64, RepositoryError>,
    done: impl Fn(&Locking, &Root, &Root),
) {
    for (fault, after) in [
        (Fault::Fail, After::Gone),
        (Fault::LoseAnswer, After::Gone),
        (Fault::Fail, After::Works),
    ] {
        let last = (1..OPERATIONS_MAX).find(|at| {
            let locking = begun.copy();
            let plan = Plan {
                at: *at,
                fault,
                after,
            };
            let broken = FaultStore::new(Arc::new(locking.store.clone()), Some(plan));
            let broken = Arc::new(broken);
            if let Ok(repository) = locking.place.open_on(Arc::clone(&broken) as _, Role::Write) {
                drop(work(&locking, &repository, root));
            }
            let held: BTreeSet<Name> = locking.store.held().into_iter().collect();
            for one in [root, other] {
                let is_true = !is_held(&locking, one) || held.is_superset(&needed(&locking, one));
                assert!(is_true, "{fault:?} {:?}", broken.struck());
            }
            let again = work(&locking, &locking.open(Role::Write), root);
            let is_done = matches!(
                again,
                Ok(_)
                    | Err(RepositoryError::Upkeep(UpkeepError::Held { .. })
                        | RepositoryError::Upkeep(UpkeepError::NotHeld { .. }))
            );
            assert!(is_done, "{:?}: {again:?}", broken.struck());
            done(&locking, root, other);
            broken.struck().is_none()
        });
        assert!(last.is_some_and(|at| at > 7), "{fault:?}: {last:?}");
    }
}

/// Makes two snapshots that share a pack, one of them held.
fn one_held() -> (Locking, Root, Root) {
    let locking = Locking::new();
    let root = locking.backup(&[("a", noise(1, 9_000)), ("s", noise(5, 9_000))]);
    let other = locking.backup(&[("b", noise(2, 9_000)), ("s", noise(5, 9_000))]);
    let repository = locking.open(Role::Write);
    locking.try_hold(&repository, &other).unwrap();
    (locking, root, other)
}

#[test]
fn a_hold_that_breaks_anywhere_says_nothing_that_is_not_so_and_goes_on() {
    broken_anywhere(&one_held(), Locking::try_hold, |locking, root, other| {
        assert!(is_held(locking, root) && is_held(locking, other));
        let held: BTreeSet<Name> = locking.store.held().into_iter().collect();
        assert!(held.is_superset(&needed(locking, root)));
    });
}

#[test]
fn a_release_that_breaks_anywhere_says_nothing_that_is_not_so_and_goes_on() {
    let both_held = one_held();
    let repository = both_held.0.open(Role::Write);
    both_held.0.try_hold(&repository, &both_held.1).unwrap();
    broken_anywhere(&both_held, Locking::try_release, |locking, root, other| {
        assert!(!is_held(locking, root) && is_held(locking, other));
        let held: BTreeSet<Name> = locking.store.held().into_iter().collect();
        assert!(held.is_superset(&needed(locking, other)));
        let (only, shared) = (needed(locking, root), needed(locking, other));
        let mut only = only.difference(&shared);
        assert!(only.all(|name| !held.contains(name)));
    });
}

/// Does one thing before each operation of another in turn; what is to be held then is, in the store too.
fn at_each_operation(
    between: impl Fn(&Arc<Repository>, &Root, &Root) + Send + Clone + 'static,
    run: impl Fn(&Locking, &Arc<Repository>, &Root, &Root) -> u64,
    look: impl Fn(&Locking, &Root),
) {
    let (begun, root, other) = one_held();
    for at in 1..OPERATIONS_MAX {
        let locking = begun.copy();
        let open = locking.open(Role::Write);
        let (work, roots) = (between.clone(), (root.clone(), other.clone()));
        let work = move || work(&open, &roots.0, &roots.1);
        let store = Arc::new(BetweenStore::new(Arc::new(locking.store.clone()), at, work));
        let repository = locking.open_on(Arc::clone(&store) as _, Role::Write);
        run(&locking, &repository, &root, &other);
        if store.before().is_none() {
            return;
        }
        let held: BTreeSet<Name> = locking.store.held().into_iter().collect();
        let is_true = held.is_superset(&needed(&locking, &root));
        let told = store.before();
        assert!(is_true && is_held(&locking, &root), "{told:?}");
        look(&locking, &other);
    }
    panic!("nothing has so many operations");
}

#[test]
fn a_hold_and_a_release_at_the_same_moment_leave_held_what_says_so() {
    at_each_operation(
        |open, root, _| {
            let (never, unseen) = (Cancel::new(), Progress::default());
            hold(open, root, &wish(None), &never, &unseen).unwrap();
        },
        |locking, repository, _, other| locking.try_release(repository, other).unwrap(),
        |_, _| (),
    );
}

#[test]
fn a_release_in_the_middle_of_a_hold_takes_nothing_from_it() {
    at_each_operation(
        |open, _, other| {
            let (never, unseen) = (Cancel::new(), Progress::default());
            release(open, &other.snapshot, &never, &unseen).unwrap();
        },
        |locking, repository, root, _| locking.try_hold(repository, root).unwrap(),
        |locking, other| assert!(!is_held(locking, other)),
    );
}
