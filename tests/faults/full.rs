//! Disks that are full or cannot be written to, under everything that holdfast writes: it says which,
//! loses nothing, and goes on when there is room again.

use super::small::Small;
use super::{filled, restored_equals};
use holdfast_filetree::compare::compare;
use holdfast_tests::{TREE, World, noise};

#[test]
fn a_full_disk_under_the_repository_is_temporary_and_loses_nothing() {
    let world = World::new();
    let Some(small) = Small::mount(world.at("repository"), "12m") else {
        return;
    };
    world.jobs(TREE);
    world.set_up(&["files"]);
    world.write("tree/first", noise(1, 1 << 20));
    world.run(&["run", "tree"]).expect(0);
    for n in 0..20 {
        world.write(&format!("tree/more{n}"), noise(100 + n, 1 << 20));
    }
    world
        .run(&["run", "tree"])
        .expect(75)
        .says("nothing was committed")
        .says("/repository")
        .says("No space left on device");
    assert_eq!(world.snapshots(), 1);
    world.as_operator(&["check", "--data"]).expect(0);
    let restored = world.restore("tree");
    let first = world.at("tree/first");
    assert!(restored.join(first.strip_prefix("/").unwrap()).exists());
    small.remount("size=64m");
    world.run(&["run", "tree"]).expect(0);
    world.as_operator(&["check", "--data"]).expect(0);
    restored_equals(&world);
}

#[test]
fn an_init_on_a_full_disk_leaves_no_key_in_the_way_of_the_next() {
    let world = World::new();
    let Some(small) = Small::mount(world.at("repository"), "64k") else {
        return;
    };
    small.fill();
    world.install(&["age", "files"]);
    let identity = world.at("operator.key");
    let init = ["init", "--new-identity", identity.to_str().unwrap()];
    world.run(&init).expect(75).says("No space left on device");
    assert!(!world.at("keys/local.key").exists());
    small.remount("size=16m");
    // The identity was made before the repository, and no key is ever replaced.
    if identity.exists() {
        world
            .run(&init)
            .expect(2)
            .says("keys are never overwritten");
        std::fs::remove_file(&identity).unwrap();
    }
    world.run(&init).expect(0);
    world.jobs(TREE);
    world.write("tree/a", "a");
    world.run(&["run", "tree"]).expect(0);
    restored_equals(&world);
}

#[test]
fn a_cache_that_is_full_missing_or_read_only_only_costs_time() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", noise(1, 3 << 20));
    std::fs::remove_dir_all(world.at("cache")).unwrap();
    world.write("cache", "a file where a directory belongs");
    world.run(&["run", "tree"]).expect(0);
    std::fs::remove_file(world.at("cache")).unwrap();
    let Some(small) = Small::mount(world.at("cache"), "16k") else {
        return;
    };
    world.run(&["run", "tree"]).expect(0);
    small.remount("ro");
    world.write("tree/b", noise(2, 1 << 20));
    world.run(&["run", "tree"]).expect(0);
    world.as_operator(&["check", "--data"]).expect(0);
    restored_equals(&world);
}

#[test]
fn a_cache_that_fills_up_or_becomes_read_only_after_it_was_used_only_costs_time() {
    let world = World::new();
    let Some(small) = Small::mount(world.at("cache"), "16m") else {
        return;
    };
    world.jobs(TREE);
    world.set_up(&["files"]);
    world.write("tree/a", noise(1, 3 << 20));
    world.run(&["run", "tree"]).expect(0);
    small.fill();
    world.write("tree/b", noise(2, 3 << 20));
    world.run(&["run", "tree"]).expect(0);
    small.remount("ro");
    world.write("tree/c", noise(3, 3 << 20));
    world.run(&["run", "tree"]).expect(0);
    restored_equals(&world);
    small.remount("rw");
    std::fs::remove_file(world.at("cache/filler")).unwrap();
    world.run(&["run", "tree"]).expect(0);
    world.as_operator(&["check", "--data"]).expect(0);
    restored_equals(&world);
}

#[test]
fn a_full_directory_for_temporary_files_is_not_needed() {
    let world = filled(TREE, 3);
    let Some(small) = Small::mount(world.at("temporary"), "64k") else {
        return;
    };
    small.fill();
    let mut run = world.command(&["run", "tree"]);
    let ended = run.env("TMPDIR", world.at("temporary")).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    restored_equals(&world);
}

#[test]
fn a_full_disk_under_the_state_is_told_and_costs_no_backup() {
    let world = World::new();
    let Some(small) = Small::mount(world.at("state"), "64k") else {
        return;
    };
    world.jobs(TREE);
    world.set_up(&["files"]);
    world.write("tree/a", "a");
    small.fill();
    world.run(&["run", "tree"]).expect(0).says("history");
    restored_equals(&world);
    small.remount("ro");
    let ended = world.run(&["run", "tree"]);
    // Without its lock nobody knows whether another run holds the job.
    ended
        .expect(12)
        .says("/state/")
        .says("Read-only file system");
    small.remount("rw");
    std::fs::remove_file(world.at("state/filler")).unwrap();
    world.run(&["run", "tree"]).expect(0);
}

#[test]
fn a_restore_onto_a_full_disk_names_what_is_missing_and_can_be_completed() {
    let world = filled(TREE, 8);
    world.run(&["run", "tree"]).expect(0);
    let Some(small) = Small::mount(world.at("target"), "4m") else {
        return;
    };
    let target = world.at("target");
    let arguments = ["restore", "tree", "--target", target.to_str().unwrap()];
    world
        .as_operator(&arguments)
        .expect(3)
        .says("No space left on device")
        .says("tree/d");
    small.remount("size=32m");
    world.as_operator(&arguments).expect(0);
    let inner = target.join(world.at("tree").strip_prefix("/").unwrap());
    let differences = compare(&world.at("tree"), &inner).unwrap();
    assert_eq!(differences, Vec::<String>::new());
}

#[test]
fn a_repair_on_a_disk_that_is_full_or_read_only_changes_nothing_and_can_be_run_again() {
    let world = World::new();
    let Some(small) = Small::mount(world.at("repository"), "32m") else {
        return;
    };
    world.jobs(TREE);
    world.set_up(&["files"]);
    world.write("tree/first", noise(1, 1 << 20));
    world.run(&["run", "tree"]).expect(0);
    let segment = &world.files("repository/index")[0];
    std::fs::write(segment, "damaged").unwrap();
    let before = world.files("repository");
    let repair = ["check", "--data", "--repair"];
    small.remount("ro");
    world
        .as_operator(&repair)
        .expect(12)
        .says("Read-only file system");
    assert_eq!(world.files("repository"), before);
    small.remount("rw");
    small.fill();
    world
        .as_operator(&repair)
        .expect(75)
        .says("No space left on device");
    std::fs::remove_file(world.at("repository/filler")).unwrap();
    assert_eq!(std::fs::read(segment).unwrap(), b"damaged");
    world.as_operator(&repair).expect(0);
    world.as_operator(&["check", "--data"]).expect(0);
    restored_equals(&world);
    // Where nothing is damaged, nothing needs to be written.
    small.remount("ro");
    world.as_operator(&repair).expect(0);
}
