//! Trees through the real program: what comes back is what was there, whatever changed between runs.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_filetree::compare::compare;
use holdfast_tests::{TREE, World};
use rustix::fs::{XattrFlags, setxattr};
use std::os::unix::fs::{PermissionsExt, symlink};

fn assert_restored(world: &World) {
    let restored = world.restore("tree");
    let inner = restored.join(world.at("tree").strip_prefix("/").unwrap());
    let differences = compare(&world.at("tree"), &inner).unwrap();
    assert_eq!(differences, Vec::<String>::new());
    std::fs::remove_dir_all(restored).unwrap();
}

#[test]
fn attributes_of_files_that_are_not_read_again_are_kept_and_new_ones_are_noticed() {
    let world = World::ready(TREE, &["files"]);
    for name in ["kept", "changed", "plain"] {
        world.write(&format!("tree/d/{name}"), name);
    }
    symlink("kept", world.at("tree/d/link")).unwrap();
    let set = |name: &str, value: &[u8]| {
        let path = world.at("tree").join(name);
        setxattr(&path, "user.note", value, XattrFlags::empty()).unwrap();
    };
    set("d/kept", b"a");
    set("d/changed", b"b");
    set("d", b"of the directory");
    // What changed in the moment before a run is read again: these are to be old.
    std::thread::sleep(std::time::Duration::from_millis(150));
    world.run(&["run", "tree"]).expect(0);
    let again = world.run(&["run", "tree"]).expect(0);
    assert!(again.stdout.contains("3 files unchanged"), "{again:?}");
    assert_restored(&world);

    set("d/changed", b"c");
    let mode = PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(world.at("tree/d/plain"), mode).unwrap();
    let again = world.run(&["run", "tree"]).expect(0);
    assert!(again.stdout.contains("1 files unchanged"), "{again:?}");
    assert_restored(&world);
}
