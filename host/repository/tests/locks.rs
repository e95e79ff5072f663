//! Object lock: what a snapshot reaches stays whoever removes the rest, and collection leaves what is locked.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support::{self, locking};

use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_repository::check::{Depth, check_repository};
use holdfast_repository::collect::{CollectProgress, Options, Report, collect};
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::object_lock::{carry_out, lock_reached, plan_extension};
use holdfast_repository::repair::{self, repair};
use holdfast_store::{Name, ObjectLock, Store, StoreError};
use holdfast_testkit::between::BetweenStore;
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use holdfast_testkit::locked::LockedStore;
use locking::{HOUR, Locking, hours, two};
use std::sync::Arc;
use support::collecting::at_once;
use support::{Place, noise};

/// More operations than a collection has.
const OPERATIONS_MAX: u64 = 400;

#[test]
fn a_thief_who_may_remove_anything_destroys_nothing_that_is_locked() {
    let locking = Locking::new();
    let files = two();
    let root = locking.backup(&files);
    let other = locking.backup(&[("c", noise(3, 300_000))]);
    let locked = locking.lock(&root, &hours(10, 11));
    assert!(locked.is_whole() && locked.objects > 4, "{locked:?}");
    let (gone, kept) = locking.rob();
    assert_eq!(kept as u64, locked.objects);
    assert!(gone > 3);
    // A machine that knows nothing: no index, no cache.
    std::fs::remove_dir_all(locking.place.directory.path().join("cache")).unwrap();
    assert!(locking.store.list("index").unwrap().is_empty());
    let repository = locking.open(Role::Read);
    let options = repair::Options {
        depth: Depth::Data,
        second: None,
        parity: None,
        is_dry: false,
    };
    let (never, unseen) = (Cancel::new(), Progress::default());
    let mended = repair(&repository, options, &never, &unseen).unwrap();
    assert!(!mended.deeds.is_empty());
    locking.is_restored(&root, &files);
    let report = check_repository(&repository, Depth::Data, &never, &unseen).unwrap();
    assert_eq!(report.damage, []);
    assert!(repository.snapshot(&other.snapshot).is_err());
}

#[test]
fn what_is_reused_is_locked_too_and_asked_about_seldom() {
    let locking = Locking::new();
    let first = locking.backup(&two());
    let before = locking.lock(&first, &hours(10, 20));
    assert_eq!(before.asked, before.objects);
    assert_eq!(locking.store.lock_requests().changes, before.objects);
    // The same content again: the packs are locked long enough, and nobody asks.
    let second = locking.backup(&two());
    let after = locking.lock(&second, &hours(15, 25));
    assert!(after.asked < after.objects, "{after:?}");
    assert!(after.until.unwrap() >= hours(15, 0).least);
    let asked = locking.store.lock_requests().changes - before.objects;
    assert_eq!(
        asked, after.asked,
        "the snapshot, and what is new of its packs"
    );
    // Now what was locked first ends too early, the reused packs among it.
    let third = locking.backup(&two());
    let last = locking.lock(&third, &hours(30, 40));
    assert_eq!(last.asked, last.objects);
    let until = |root: &Root| {
        let name = holdfast_repository::ground::names::snapshot_name(&root.snapshot);
        locking.store.protection(&name).unwrap().term.unwrap().until
    };
    assert!(until(&third) > until(&second));
    // Without a cache the store is asked, and what is long enough stays as it is.
    std::fs::remove_dir_all(locking.place.directory.path().join("cache")).unwrap();
    let changes = locking.store.lock_requests().changes;
    let again = locking.lock(&third, &hours(30, 40));
    assert_eq!(again.asked, again.objects);
    assert_eq!(locking.store.lock_requests().changes, changes);
}

#[test]
fn a_plan_says_what_it_costs_and_changes_nothing() {
    let locking = Locking::new();
    let root = locking.backup(&two());
    let other = locking.backup(&[("c", noise(3, 300_000))]);
    let wanted = hours(10, 10);
    let first = locking.lock(&root, &wanted);
    let changes = locking.store.lock_requests().changes;
    let (never, unseen) = (Cancel::new(), Progress::default());
    let repository = locking.open(Role::Audit);
    let made = plan_extension(&repository, &[&root, &other], wanted, &never, &unseen).unwrap();
    let now = SystemClock.now();
    let cost = made.estimate_cost(now);
    assert_eq!(locking.store.lock_requests().changes, changes);
    assert_eq!(made.snapshots, 2);
    assert!(cost.bytes_to_lock > 300_000 && cost.bytes_to_lock < cost.bytes);
    assert_eq!(cost.requests, 2 * cost.to_lock);
    let ten_hours = u128::from(cost.bytes_to_lock) * 36_000;
    assert!(cost.byte_seconds <= ten_hours, "{cost:?}");
    assert!(cost.byte_seconds > 300_000 * 35_000, "{cost:?}");
    let done = carry_out(&repository, &made, &never, &unseen).unwrap();
    assert!(done.is_whole());
    assert_eq!((done.objects, done.bytes), (cost.objects, cost.bytes));
    let again = plan_extension(&repository, &[&root, &other], wanted, &never, &unseen).unwrap();
    let again = again.estimate_cost(now);
    assert_eq!(
        (again.to_lock, again.requests, again.byte_seconds),
        (0, 0, 0)
    );
    assert!(first.objects < cost.objects);
}

#[test]
fn a_lock_that_is_refused_leaves_the_rest_and_is_named() {
    let locking = Locking::new();
    let root = locking.backup(&two());
    let inner: Arc<dyn Store> = Arc::new(locking.store.clone());
    let (never, unseen) = (Cancel::new(), Progress::default());
    // Once to fill the cache, and once to count.
    let whole = locking.lock(&root, &hours(10, 11));
    let counted = Arc::new(FaultStore::new(Arc::clone(&inner), None));
    let repository = locking.open_on(Arc::clone(&counted) as _, Role::Write);
    lock_reached(&repository, &[&root], &hours(20, 21), &never, &unseen).unwrap();
    let last = counted.operations();
    for (fault, hour) in [(Fault::Fail, 30), (Fault::LoseAnswer, 40)] {
        let after = After::Gone;
        let plan = Plan {
            at: last - 2,
            fault,
            after,
        };
        let broken = Arc::new(FaultStore::new(Arc::clone(&inner), Some(plan)));
        let repository = locking.open_on(broken, Role::Write);
        let longer = hours(hour, hour);
        let locked = lock_reached(&repository, &[&root], &longer, &never, &unseen).unwrap();
        assert!(!locked.is_whole());
        let told = locked.objects + locked.failed.len() as u64 + locked.left;
        assert_eq!(told, whole.objects, "{locked:?}");
    }
}

#[test]
fn collection_leaves_what_is_locked_says_until_when_and_takes_it_then() {
    let locking = Locking::new();
    let root = locking.backup(&two());
    let kept = [("c", noise(3, 300_000))];
    let stays = locking.backup(&kept);
    let wanted = hours(10, 11);
    locking.lock(&root, &wanted);
    locking.forget(&root);
    let before = locking.packs();
    for _ in 0..4 {
        let report = locking.collect(&at_once());
        assert_eq!(report.removed_snapshots, []);
        assert_eq!(report.locked_snapshots, [root.snapshot]);
        assert!(report.locked.bytes > 700_000, "{report:?}");
        assert_eq!(report.locked_until, Some(wanted.until));
        assert_eq!((report.removed.packs, report.held.packs), (0, 0));
        let dry = Options {
            dry_run: true,
            ..at_once()
        };
        let told = locking.collect(&dry);
        assert_eq!((told.locked, told.removed.packs), (report.locked, 0));
    }
    assert_eq!(locking.packs(), before);
    // It comes back as long as it is there.
    locking.open(Role::Write).undelete(&root.snapshot).unwrap();
    locking.is_restored(&root, &two());
    locking.forget(&root);
    locking.store.advance_clock(12 * HOUR);
    // The store's time, which is this machine's for a directory, has not passed for collection.
    let reports: Vec<Report> = (0..4).map(|_| locking.collect(&at_once())).collect();
    assert!(reports.iter().all(|report| report.removed.packs == 0));
    assert!(locking.store.locked().is_empty());
    locking.is_restored(&stays, &kept);
}

#[test]
fn packs_that_are_locked_are_passed_over_until_they_are_not() {
    let locking = Locking::new();
    let root = locking.backup(&two());
    let kept = [("c", noise(3, 300_000))];
    let stays = locking.backup(&kept);
    let before = locking.packs();
    // The packs alone, as somebody may have done by hand: the snapshot goes.
    let held: Vec<Name> = before.iter().cloned().collect();
    for pack in &held {
        locking.store.set_hold(pack, true).unwrap();
    }
    locking.forget(&root);
    let mut reports: Vec<Report> = (0..4).map(|_| locking.collect(&at_once())).collect();
    assert_eq!(reports[0].removed_snapshots, [root.snapshot]);
    let last = reports.pop().unwrap();
    assert!(last.locked.packs > 0 && last.locked == last.held);
    assert_eq!((last.removed.packs, last.waiting.packs), (0, 0));
    assert_eq!(last.locked_until, None);
    assert_eq!(locking.packs(), before);
    for pack in &held {
        locking.store.set_hold(pack, false).unwrap();
    }
    let report = locking.collect(&at_once());
    assert_eq!(report.removed, last.locked);
    assert_eq!(report.locked.packs, 0);
    locking.is_restored(&stays, &kept);
}

#[test]
fn a_lock_that_comes_between_asking_and_removing_does_no_harm() {
    let found = Locking::new();
    let root = found.backup(&two());
    let kept = [("c", noise(3, 300_000))];
    let stays = found.backup(&kept);
    found.forget(&root);
    for _ in 0..2 {
        found.collect(&at_once());
    }
    // Now everything is ripe. Somebody locks all packs before each operation of the collection in turn.
    let mut passed_over = 0;
    for at in 1..OPERATIONS_MAX {
        let place = found.place.copy();
        let store = LockedStore::new(place.store());
        let other = store.clone();
        let names = found.packs();
        let between = BetweenStore::new(Arc::new(store.clone()), at, move || {
            for pack in &names {
                drop(other.set_hold(pack, true));
            }
        });
        let between = Arc::new(between);
        let repository = place
            .open_on(Arc::clone(&between) as _, Role::Audit)
            .unwrap();
        let (never, unseen) = (Cancel::new(), CollectProgress::default());
        let report = collect(&repository, &at_once(), &never, &unseen).unwrap();
        let Some(before) = between.before() else {
            break;
        };
        let held = store.held();
        assert!(held.iter().all(|name| store.size(name).is_ok()), "{before}");
        let gone = found
            .packs()
            .iter()
            .filter(|name| store.size(name).is_err())
            .count();
        assert_eq!(gone as u64, report.removed.packs, "{before}");
        passed_over += u64::from(report.locked.packs > 0 && report.removed.packs > 0);
        assert_eq!(place.restore(&stays)["c"], kept[0].1, "{before}");
        // When it is unlocked again, it goes.
        for name in held {
            store.set_hold(&name, false).unwrap();
        }
        let after = collect(&repository, &at_once(), &never, &unseen).unwrap();
        assert_eq!(after.locked.packs, 0, "{before}");
        let repository = place.open_on(Arc::new(store), Role::Read).unwrap();
        let report = check_repository(&repository, Depth::Structure, &never, &Progress::default());
        assert_eq!(report.unwrap().damage, [], "{before}");
    }
    assert!(passed_over > 0, "it never came in the middle of removing");
}

#[test]
fn a_snapshot_that_is_locked_while_it_is_removed_stays_with_all_that_it_needs() {
    let found = Locking::new();
    let root = found.backup(&two());
    found.backup(&[("c", noise(3, 300_000))]);
    found.forget(&root);
    let mut stayed = 0;
    for at in 1..OPERATIONS_MAX {
        let place = found.place.copy();
        let store = LockedStore::new(place.store());
        let (other, id) = (store.clone(), root.snapshot);
        let between = BetweenStore::new(Arc::new(store.clone()), at, move || {
            drop(other.set_hold(
                &holdfast_repository::ground::names::snapshot_name(&id),
                true,
            ));
        });
        let between = Arc::new(between);
        let repository = place
            .open_on(Arc::clone(&between) as _, Role::Audit)
            .unwrap();
        let (never, unseen) = (Cancel::new(), CollectProgress::default());
        collect(&repository, &at_once(), &never, &unseen).unwrap();
        if between.before().is_none() {
            break;
        }
        let name = holdfast_repository::ground::names::snapshot_name(&root.snapshot);
        if store.size(&name).is_err() {
            continue;
        }
        for _ in 0..3 {
            collect(&repository, &at_once(), &never, &unseen).unwrap();
        }
        stayed += 1;
        let before = between.before();
        assert_eq!(place.restore(&root)["a"], two()[0].1, "{before:?}");
    }
    assert!(stayed > 3);
}

#[test]
fn what_little_is_needed_of_is_not_copied_out_of_a_locked_pack() {
    let locking = Locking::new();
    let gone = locking.backup(&[("a", noise(1, 6_000_000)), ("b", noise(2, 30_000))]);
    locking.backup(&[("b", noise(2, 30_000))]);
    locking.forget(&gone);
    for pack in locking.packs() {
        locking.store.set_hold(&pack, true).unwrap();
    }
    let repository = locking.open(Role::Read);
    let options = Options {
        unused_permille: 0,
        ..at_once()
    };
    let collect = || {
        let (never, unseen) = (Cancel::new(), CollectProgress::default());
        collect(&repository, &options, &never, &unseen).unwrap()
    };
    collect();
    let before = locking.packs();
    assert_eq!(collect().repacked.packs, 0);
    assert!(locking.packs().is_superset(&before));
    for pack in locking.store.held() {
        locking.store.set_hold(&pack, false).unwrap();
    }
    assert!(collect().repacked.packs > 0, "it can be copied at all");
}

#[test]
fn a_store_that_cannot_lock_says_so_and_holds_in_its_own_way() {
    let place = Place::new();
    let root = place.backup(&two());
    let repository = place.open(Role::Write);
    assert!(!repository.can_lock());
    let (never, unseen) = (Cancel::new(), Progress::default());
    let locked = lock_reached(&repository, &[&root], &hours(1, 2), &never, &unseen).unwrap();
    let refused: Vec<&StoreError> = locked.failed.iter().map(|(_, error)| error).collect();
    assert!(!refused.is_empty() && locked.objects == 0);
    assert!(refused[0].to_string().contains("the service cannot do it"));
}
