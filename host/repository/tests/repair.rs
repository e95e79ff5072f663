//! Repairs: what is lost comes back from what is left, nothing that was sound is touched, and a repair
//! that breaks at any operation can be repeated.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_base::cancel::Cancel;
use holdfast_base::progress::Progress;
use holdfast_repository::UpkeepError;
use holdfast_repository::check::Depth;
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::parity::{self, ParityStore, Shape};
use holdfast_repository::repair::{Options, Repaired, Second, What, repair};
use holdfast_repository::write::SourceEnd;
use holdfast_store::Store;
use holdfast_testkit::faults::FaultStore;
use std::sync::Arc;
use support::bent::Bent;
use support::repairs::{
    DAMAGES, all_comes_back, damage, damage_object, did, forget, id_of, largest, objects, place,
    repaired, repaired_from, repaired_on,
};
use support::{Files, Place, noise};

#[test]
fn the_index_is_rebuilt_from_the_packs_whatever_became_of_its_segments() {
    for how in DAMAGES {
        let (place, committed) = place();
        for segment in objects(&place, "index").keys() {
            damage_object(segment, how);
        }
        let done = repaired(&place, Role::Read);
        assert!(!done.before.damage.is_empty(), "{how}");
        assert_eq!(done.after.unwrap().damage, [], "{how}");
        all_comes_back(&place, &committed);
        let kept = objects(&place, "quarantine").len();
        assert_eq!(kept, if how == "removed" { 0 } else { 2 }, "{how}");
    }
}

#[test]
fn one_lost_segment_costs_nothing_that_another_lists() {
    let (place, committed) = place();
    let segments = objects(&place, "index");
    let (first, second) = (
        segments.keys().next().unwrap(),
        segments.keys().nth(1).unwrap(),
    );
    damage_object(first, "flipped");
    let done = repaired(&place, Role::Read);
    assert_eq!(done.after.unwrap().damage, []);
    assert_eq!(std::fs::read(second).unwrap(), segments[second]);
    all_comes_back(&place, &committed);
}

#[test]
fn where_nothing_is_damaged_no_object_changes() {
    let (place, _) = place();
    // What an interrupted run leaves: packs that nothing lists and nobody needs.
    let other = place.copy();
    other.backup(&[("more", noise(9, 90_000))]);
    let left = objects(&other, "packs");
    let root = place.directory.path().join("repository");
    for (path, bytes) in left {
        let name = path.strip_prefix(other.directory.path().join("repository"));
        let path = root.join(name.unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let before = objects(&place, "");
    for role in [Role::Read, Role::Write, Role::Audit] {
        let store = Arc::new(FaultStore::new(place.store(), None));
        let done = repaired_on(&place, store, role, false).unwrap();
        assert_eq!(done.deeds, [], "{role}");
        assert!(done.after.is_none() && done.before.unlisted_packs > 0);
        assert_eq!(objects(&place, ""), before, "{role}");
    }
}

#[test]
fn a_dry_repair_says_what_a_repair_does_and_changes_nothing() {
    let (place, _) = place();
    for segment in objects(&place, "index").keys() {
        damage_object(segment, "flipped");
    }
    let before = objects(&place, "");
    let said = repaired_on(&place, place.store(), Role::Read, true).unwrap();
    assert_eq!(objects(&place, ""), before);
    assert!(said.after.is_none());
    let done = repaired(&place, Role::Read);
    let named = |repaired: &Repaired| -> Vec<(What, String)> {
        let deeds = repaired.deeds.iter();
        deeds.map(|deed| (deed.what, deed.object.clone())).collect()
    };
    assert_eq!(named(&said), named(&done));
}

#[test]
fn a_key_that_does_not_open_content_lists_the_catalog_and_leaves_the_rest_for_one_that_does() {
    for role in [Role::Write, Role::Audit] {
        let (place, committed) = place();
        for segment in objects(&place, "index").keys() {
            damage_object(segment, "flipped");
        }
        let done = repaired(&place, role);
        assert_eq!(
            did(&done, What::Listed).len(),
            2,
            "{role}: {:?}",
            done.deeds
        );
        let left = did(&done, What::Left);
        assert_eq!(left.len(), 2, "{role}: {left:?}");
        assert!(left.iter().all(|object| object.starts_with("index/")));
        let why = &done.deeds.iter().find(|deed| deed.what == What::Left);
        assert!(why.unwrap().detail.contains("an identity or a read key"));
        assert!(!done.after.unwrap().damage.is_empty(), "{role}");
        repaired(&place, Role::Read);
        all_comes_back(&place, &committed);
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_is_set_aside_and_the_others_stay() {
    let (place, committed) = place();
    let (lost, kept) = (&committed[0].0, &committed[1..]);
    let path = place.directory.path().join("repository/snapshots");
    damage_object(&path.join(lost.snapshot.to_string()), "flipped");
    forget(&place);
    let done = repaired(&place, Role::Audit);
    let object = format!("snapshots/{}", lost.snapshot);
    assert_eq!(did(&done, What::SetAside), [object]);
    all_comes_back(&place, kept);
}

#[test]
fn a_store_that_lets_nothing_go_is_repaired_all_the_same() {
    let (place, committed) = place();
    for segment in objects(&place, "index").keys() {
        damage_object(segment, "flipped");
    }
    let keeps = Bent::keeping(place.store());
    let done = repaired_on(&place, keeps, Role::Read, false).unwrap();
    let left = did(&done, What::Kept);
    assert_eq!(left.len(), 2, "{:?}", done.deeds);
    assert!(done.remaining().is_empty());
    let after = done.after.as_ref().unwrap();
    let damaged: Vec<&str> = after
        .damage
        .iter()
        .map(|(object, _)| object.as_str())
        .collect();
    assert_eq!(damaged, left);
    assert_eq!(after.losses, []);
    for (root, files) in &committed {
        assert_eq!(&place.restore(root), files);
    }
}

#[test]
fn parity_is_kept_beside_new_packs_and_damaged_parity_is_made_again() {
    let place = Place::new();
    let shape: Shape = "20+3".parse().unwrap();
    let keeping: Arc<dyn Store> = Arc::new(ParityStore::new(place.store(), shape));
    let session =
        support::begin(&place.open_on(Arc::clone(&keeping), Role::Write).unwrap()).unwrap();
    let bytes = noise(1, 50_000);
    let content = Box::new(support::Bytes::of(&bytes));
    session
        .add_entry(support::file("f", bytes.len()), Some(content))
        .unwrap();
    let root = session.commit(SourceEnd::seen()).unwrap();
    let committed = [(root, Files::from([("f".to_owned(), bytes)]))];
    let beside = objects(&place, "parity");
    assert_eq!(beside.len(), objects(&place, "packs").len());

    damage_object(beside.keys().next().unwrap(), "flipped");
    damage_object(beside.keys().nth(1).unwrap(), "removed");
    let found = damage(&place);
    assert!(
        found.len() == 1 && found[0].0.starts_with("parity/"),
        "{found:?}"
    );
    let repository = place.open_on(keeping, Role::Audit).unwrap();
    let options = Options {
        depth: Depth::Data,
        second: None,
        parity: Some(shape),
        is_dry: false,
    };
    let done = repair(&repository, options, &Cancel::new(), &Progress::default()).unwrap();
    assert_eq!(did(&done, What::Protected).len(), 2, "{:?}", done.deeds);
    assert_eq!(objects(&place, "parity"), beside);
    all_comes_back(&place, &committed);
}

#[test]
fn a_pack_comes_back_byte_for_byte_from_a_mirror_or_by_its_parity() {
    let (sound, committed) = place();
    for is_mirror in [true, false] {
        for how in DAMAGES {
            let place = sound.copy();
            let before = objects(&place, "packs");
            for pack in before.keys().filter(|_| !is_mirror) {
                // Half as much again: the most that this damage takes away.
                let shape = "10+10".parse().unwrap();
                parity::write(place.store().as_ref(), &id_of(pack), shape).unwrap();
            }
            for pack in before.keys() {
                damage_object(pack, how);
            }
            // A pack that is gone is nothing that parity could mend; but its parity is all of it here.
            let second = is_mirror.then_some(&sound);
            // A mirror heals whole packs whatever the key is.
            let role = if is_mirror { Role::Write } else { Role::Read };
            let done = repaired_from(&place, place.store(), role, false, second).unwrap();
            let told = format!("{how} {is_mirror}: {:?}", done.deeds);
            assert_eq!(did(&done, What::Healed).len(), before.len(), "{told}");
            assert_eq!(objects(&place, "packs"), before, "{told}");
            let kept = objects(&place, "quarantine").len();
            assert_eq!(
                kept,
                if how == "removed" { 0 } else { before.len() },
                "{told}"
            );
            all_comes_back(&place, &committed);
        }
    }
}

/// A place with files of several frames, two to a pack.
fn large_place() -> (Place, Root, Files) {
    let place = Place::new();
    let files: Files = (0..5)
        .map(|n| (format!("f{n}"), noise(n, 2_300_000)))
        .collect();
    let listed: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.clone()))
        .collect();
    let root = place.backup(&listed);
    forget(&place);
    (place, root, files)
}

#[test]
fn what_is_sound_in_a_damaged_pack_is_rescued_and_what_is_not_is_named() {
    let (place, _, files) = large_place();
    let pack = largest(&place);
    damage_object(&pack, "flipped");
    let damaged = std::fs::read(&pack).unwrap();
    // A key that cannot open content leaves it for one that can.
    let before = objects(&place, "packs");
    let left = repaired(&place, Role::Write);
    assert_eq!(did(&left, What::Left).len(), 1, "{:?}", left.deeds);
    assert_eq!(objects(&place, "packs"), before);

    let done = repaired(&place, Role::Read);
    assert_eq!(did(&done, What::Rescued).len(), 1, "{:?}", done.deeds);
    assert!(!pack.exists());
    let kept = objects(&place, "quarantine");
    assert_eq!(kept.values().collect::<Vec<_>>(), [&damaged]);
    let after = done.after.unwrap();
    let objects: Vec<&str> = after
        .damage
        .iter()
        .map(|(object, _)| object.as_str())
        .collect();
    assert!(
        objects
            .iter()
            .all(|object| object.starts_with("snapshots/")),
        "{objects:?}"
    );
    let lost = &after.losses[0].entries;
    assert!(!lost.is_empty() && lost.len() < files.len() - 1, "{lost:?}");
    // Nothing is left to do, and the next run mends the snapshot.
    let again = repaired(&place, Role::Read);
    assert_eq!(again.deeds, []);
    let listed: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.clone()))
        .collect();
    place.backup(&listed);
    assert_eq!(damage(&place), []);
}

#[test]
fn what_is_lost_comes_from_a_repository_with_the_same_keys_chunk_by_chunk() {
    let (place, root, files) = large_place();
    let second = {
        let empty = place.copy();
        let store = empty.directory.path().join("repository");
        for area in ["packs", "index", "snapshots", "sessions"] {
            let _ = std::fs::remove_dir_all(store.join(area));
        }
        forget(&empty);
        let listed: Vec<(&str, Vec<u8>)> = files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.clone()))
            .collect();
        empty.backup(&listed);
        empty
    };
    let packs = objects(&place, "packs");
    for (how, pack) in DAMAGES.iter().cycle().zip(packs.keys()) {
        damage_object(pack, how);
    }
    let store = place.store();
    let said = repaired_from(&place, place.store(), Role::Read, true, Some(&second)).unwrap();
    assert!(said.after.is_none());
    let done = repaired_from(&place, store, Role::Read, false, Some(&second)).unwrap();
    assert_eq!(did(&done, What::Fetched).len(), 1, "{:?}", done.deeds);
    assert_eq!(done.after.as_ref().unwrap().damage, [], "{:?}", done.deeds);
    all_comes_back(&place, &[(root, files)]);
}

#[test]
fn a_snapshot_that_was_set_aside_comes_back_from_a_mirror() {
    let (sound, committed) = place();
    let place = sound.copy();
    let id = committed[0].0.snapshot.to_string();
    damage_object(
        &place
            .directory
            .path()
            .join("repository/snapshots")
            .join(&id),
        "cut",
    );
    forget(&place);
    repaired(&place, Role::Audit);
    let done = repaired_from(&place, place.store(), Role::Audit, false, Some(&sound)).unwrap();
    assert_eq!(did(&done, What::Healed), [format!("snapshots/{id}")]);
    all_comes_back(&place, &committed);
}

#[test]
fn a_repository_that_is_the_same_or_a_stranger_heals_nothing() {
    let (place, _) = place();
    let refused = |second: &Place| {
        let repository = place.open(Role::Read);
        Second::new(&repository, second.open(Role::Read))
            .err()
            .unwrap()
    };
    assert!(matches!(refused(&place), UpkeepError::SecondIsFirst { .. }));
    assert!(matches!(
        refused(&Place::new()),
        UpkeepError::SecondHasOtherKeys { .. }
    ));
}
