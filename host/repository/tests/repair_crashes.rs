//! Repairs that break at any operation: nothing is lost that was there, and the next one completes them.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support;

use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::parity;
use holdfast_repository::repair::{Repaired, What};
use holdfast_testkit::faults::{After, Fault, FaultStore, Plan};
use std::sync::Arc;
use support::repairs::{
    damage, damage_object, did, forget, id_of, in_place, largest, objects, place, repaired,
    repaired_from,
};
use support::{Files, Place, noise};

/// A small place with one snapshot, and a repair to try on copies of it.
fn small_place() -> (Place, Vec<(Root, Files)>) {
    let place = Place::new();
    let files: Files = [("f".to_owned(), noise(1, 3_000))].into();
    let root = place.backup(&[("f", files["f"].clone())]);
    forget(&place);
    (place, vec![(root, files)])
}

/// What is looked at: what every operation left that broke, or every change, where looking takes long.
#[derive(PartialEq)]
enum Look {
    Always,
    AtChanges,
}

/// Breaks a repair at every operation in every way. `look` sees what it left, and may repair.
fn break_everywhere(
    damaged: &Place,
    second: Option<&Place>,
    when: Look,
    look: impl Fn(&Place, Fault, &str),
) {
    let ways = [
        (Fault::Fail, After::Works),
        (Fault::LoseAnswer, After::Gone),
        (Fault::Tear, After::Gone),
    ];
    // Only what changes the store leaves it otherwise: the other operations need no crash of their own.
    let mut is_change = Vec::new();
    for (fault, after) in ways {
        for at in 1.. {
            assert!(at < 1_000, "a repair that never passes");
            let seen = is_change.get(at as usize - 1).copied();
            if after == After::Gone && seen == Some(false) {
                continue;
            }
            let place = damaged.copy();
            let plan = Plan { at, fault, after };
            let store = Arc::new(FaultStore::new(place.store(), Some(plan)));
            let result = repaired_from(&place, store.clone(), Role::Read, false, second);
            let Some(struck) = store.struck() else { break };
            let mut changes = ["create", "commit", "delete", "write"].iter();
            let changes = changes.any(|word| struck.starts_with(word));
            if after == After::Works {
                is_change.push(changes);
            }
            if when == Look::AtChanges && !changes {
                continue;
            }
            forget(&place);
            let told = format!("{plan:?} at {struck}: {:?}", result.as_ref().err());
            look(&place, fault, &told);
        }
    }
    assert!(is_change.len() > 7, "{is_change:?}");
}

/// Returns what is damaged but for half a session, which is for collection to end.
fn damage_but_for_sessions(done: Repaired, fault: Fault) -> Vec<(String, String)> {
    let mut damage = done.after.unwrap_or(done.before).damage;
    damage.retain(|(object, _)| !object.starts_with("sessions/") || fault != Fault::Tear);
    damage
}

/// Breaks a repair at every operation in every way, and then repairs: all comes back.
fn break_repairs(damaged: &Place, committed: &[(Root, Files)], second: Option<&Place>) {
    break_everywhere(damaged, second, Look::Always, |place, fault, told| {
        let done = repaired_from(place, place.store(), Role::Read, false, second).unwrap();
        let told = format!("{told}; then {:?}", done.deeds);
        assert_eq!(damage_but_for_sessions(done, fault), [], "{told}");
        for (root, files) in committed {
            assert_eq!(&place.restore(root), files, "{told}");
        }
    });
}

#[test]
fn a_repair_of_the_index_that_breaks_at_any_operation_loses_nothing() {
    let (place, committed) = small_place();
    damage_object(objects(&place, "index").keys().next().unwrap(), "flipped");
    break_repairs(&place, &committed, None);
}

#[test]
fn a_repair_of_what_opens_it_that_breaks_at_any_operation_loses_nothing() {
    let (sound, committed) = small_place();
    let opens = ["format", "epochs/00000001", "announcements/00000001"];
    let spares = opens.map(|object| format!("spares/{object}"));
    for object in opens.into_iter().chain(spares.iter().map(String::as_str)) {
        let place = sound.copy();
        let path = place.directory.path().join("repository").join(object);
        let bytes = std::fs::read(&path).unwrap();
        damage_object(&path, "flipped");
        break_repairs(&place, &committed, None);
        assert_eq!(did(&repaired(&place, Role::Write), What::Healed), [object]);
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{object}");
    }
}

#[test]
fn a_repair_by_parity_that_breaks_at_any_operation_loses_nothing() {
    let (place, committed) = small_place();
    for pack in objects(&place, "packs").keys() {
        parity::write(
            place.store().as_ref(),
            &id_of(pack),
            "20+3".parse().unwrap(),
        )
        .unwrap();
    }
    damage_object(objects(&place, "packs").keys().next().unwrap(), "flipped");
    break_repairs(&place, &committed, None);
}

#[test]
fn a_repair_from_a_second_repository_that_breaks_at_any_operation_loses_nothing() {
    let (place, committed) = small_place();
    let second = place.copy();
    let packs = objects(&place, "packs");
    damage_object(packs.keys().next().unwrap(), "removed");
    // There it is damaged, too: its chunks come from a pack of another name.
    damage_object(
        &in_place(&second, &place, packs.keys().next().unwrap()),
        "flipped",
    );
    repaired(&second, Role::Read);
    second.backup(&[("f", committed[0].1["f"].clone())]);
    break_repairs(&place, &committed, Some(&second));
}

/// Returns whether an object with these bytes is there, in one of these areas.
fn is_kept(place: &Place, bytes: &Vec<u8>, areas: &[&str]) -> bool {
    let mut all = areas.iter().flat_map(|area| objects(place, area));
    all.any(|(_, kept)| kept == *bytes)
}

#[test]
fn a_setting_aside_that_breaks_at_any_operation_loses_nothing() {
    let (place, committed) = place();
    let (lost, kept) = (&committed[0].0, &committed[1..]);
    let path = place.directory.path().join("repository/snapshots");
    let path = path.join(lost.snapshot.to_string());
    damage_object(&path, "flipped");
    let damaged = std::fs::read(path).unwrap();
    break_everywhere(&place, None, Look::Always, |place, fault, told| {
        let areas = ["snapshots", "quarantine"];
        assert!(is_kept(place, &damaged, &areas), "{told}");
        let done = repaired(place, Role::Read);
        assert_eq!(damage_but_for_sessions(done, fault), [], "{told}");
        assert!(is_kept(place, &damaged, &areas[1..]), "{told}");
        assert!(!is_kept(place, &damaged, &areas[..1]), "{told}");
        for (root, files) in kept {
            assert_eq!(&place.restore(root), files, "{told}");
        }
    });
}

/// A place with files of about a frame each, which compress well, and a damaged pack that a repair saves a part of.
///
/// A worker makes one frame of several chunks, and dice decide which pack a frame goes to: not every throw will do.
fn wordy_place() -> (Place, Files, Vec<u8>) {
    let words = |n: u32| -> Vec<u8> {
        let lines = (0..90_000_u32).map(|line| format!("{n}: the line number {line}\n"));
        lines.flat_map(String::into_bytes).collect()
    };
    let files: Files = (0..3).map(|n| (format!("f{n}"), words(n))).collect();
    for _ in 0..50 {
        let place = Place::new();
        back_up(&place, &files);
        forget(&place);
        let pack = largest(&place);
        damage_object(&pack, "flipped");
        let once = repaired(&place.copy(), Role::Read);
        let is_part = (1..files.len()).contains(&lost(&once).len());
        if is_part && did(&once, What::Rescued).len() == 1 {
            let damaged = std::fs::read(&pack).unwrap();
            return (place, files, damaged);
        }
    }
    panic!("no throw of the dice put two frames into one pack");
}

/// Returns what a repair could not save.
fn lost(done: &Repaired) -> Vec<String> {
    let losses = &done.after.as_ref().unwrap_or(&done.before).losses;
    let entries = losses.iter().flat_map(|loss| &loss.entries);
    entries.cloned().collect()
}

fn back_up(place: &Place, files: &Files) -> Root {
    let listed = files.iter();
    let listed = listed.map(|(path, bytes)| (path.as_str(), bytes.clone()));
    place.backup(&listed.collect::<Vec<_>>())
}

#[test]
fn a_rescue_that_breaks_at_any_operation_loses_nothing_that_was_sound() {
    let (place, files, damaged) = wordy_place();
    let least = lost(&repaired(&place.copy(), Role::Read));
    break_everywhere(&place, None, Look::AtChanges, |place, fault, told| {
        let areas = ["packs", "quarantine"];
        assert!(is_kept(place, &damaged, &areas), "{told}");
        let done = repaired(place, Role::Read);
        assert_eq!(lost(&done), least, "{told}");
        assert!(is_kept(place, &damaged, &areas[1..]), "{told}");
        assert!(!is_kept(place, &damaged, &areas[..1]), "{told}");
        // And the next run stores anew what is lost.
        back_up(place, &files);
        let mut left = damage(place);
        left.retain(|(object, _)| !object.starts_with("sessions/") || fault != Fault::Tear);
        assert_eq!(left, [], "{told}");
    });
}
