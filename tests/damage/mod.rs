//! Each kind of object, damaged in each way: `check` names it and what it costs, a restore loses no
//! more than it must and says what, and the next run does not rely on it.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod keys;
mod matrix;
mod opens;
mod repair;

use holdfast_tests::{TREE, World, noise};

#[test]
fn a_restore_names_what_is_damaged_and_brings_back_the_rest() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/small", "small");
    world.write("tree/large", noise(1, 12 << 20));
    world.run(&["run", "tree"]).expect(0);
    let largest = world
        .files("repository")
        .into_iter()
        .max_by_key(|o| std::fs::metadata(o).unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    let target = world.at("restored");
    let ended = world
        .as_operator(&["restore", "tree", "--target", target.to_str().unwrap()])
        .expect(4);
    assert!(ended.stderr.contains("tree/large"), "{}", ended.stderr);
    let inner = target.join(world.at("tree").strip_prefix("/").unwrap());
    assert_eq!(std::fs::read(inner.join("small")).unwrap(), b"small");
}

#[test]
fn a_foreign_directory_is_no_repository_and_a_newer_one_says_so() {
    let world = World::ready(TREE, &["files"]);
    let header = world.at("repository/format");
    let text = std::fs::read_to_string(&header).unwrap();
    let newer = text.replace("\"holdfast\":1", "\"holdfast\":2");
    std::fs::write(&header, newer).unwrap();
    std::fs::remove_file(world.at("repository/spares/format")).unwrap();
    world
        .run(&["list"])
        .expect(2)
        .says("the format object has version 2, and this holdfast reads up to 1");
    std::fs::remove_file(&header).unwrap();
    world
        .run(&["list"])
        .expect(10)
        .says("there is no repository in");
    std::fs::write(&header, b"something else entirely").unwrap();
    world.run(&["list"]).expect(4);
}
