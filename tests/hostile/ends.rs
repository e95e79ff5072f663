//! What a guest does with handles, names and sizes that are not as the contract has them: the run fails
//! with a sentence, and nothing is committed. Sizes that it claims are not believed.

use super::{fails, world};

#[test]
fn a_handle_that_is_closed_twice_ends_the_run() {
    fails(
        "close-twice",
        1,
        "plugin `hostile` broke: it used a handle that it does not hold",
    );
}

#[test]
fn an_entry_that_is_written_after_its_end_ends_the_run() {
    fails(
        "write-after-end",
        1,
        "plugin `hostile` broke: it used a handle that it does not hold",
    );
    fails(
        "finish-twice",
        1,
        "plugin `hostile` broke: it used a handle that it does not hold",
    );
}

#[test]
fn a_guest_that_traps_half_way_commits_nothing() {
    fails("trap", 1, "plugin `hostile` broke: ");
}

#[test]
fn a_list_that_is_longer_than_the_memory_that_holds_it_ends_the_run() {
    fails("list-lies", 1, "plugin `hostile` broke: ");
}

#[test]
fn a_size_that_a_guest_claims_is_not_believed() {
    let world = world("size-lies");
    world.run(&["run", "h"]).expect(0);
    let shown = world.as_operator(&["ls", "h", "--json"]).expect(0).stdout;
    assert!(shown.contains("lie"), "{shown}");
    let restored = world.restore("h").join("lie");
    assert_eq!(std::fs::read(restored).unwrap(), b"four");
    world.as_operator(&["check", "--data"]).expect(0);
}

#[test]
fn a_plugin_that_asks_for_more_than_it_was_granted_does_not_run() {
    let world = holdfast_tests::World::ready(holdfast_tests::TREE, &["files"]);
    world.write("tree/a", "a");
    let lock = std::fs::read_to_string(world.at("plugins.lock")).unwrap();
    let smaller = lock.replace("access = \"write\"", "access = \"read\"");
    assert_ne!(lock, smaller);
    world.write("plugins.lock", &smaller);
    world
        .run(&["run", "tree"])
        .expect(12)
        .says(
            "plugin `files` asks for more than it was granted: read and write the directory trees",
        )
        .says("say yes: holdfast plugin grant files");
    assert_eq!(world.snapshots(), 0);
    world.run(&["plugin", "grant", "files", "--yes"]).expect(0);
    world.run(&["run", "tree"]).expect(0);
}
