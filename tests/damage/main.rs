//! Each kind of object, damaged in each way: `check` says so, and a restore loses no more than it must.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_tests::{TREE, World, noise};
use std::path::Path;

fn world() -> World {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/small", "small");
    world.write("tree/large", noise(1, 40 << 20));
    world.write("tree/text", "text\n".repeat(100_000));
    world.run(&["run", "tree"]).expect(0);
    world
}

fn objects(world: &World) -> Vec<std::path::PathBuf> {
    world.files("repository")
}

fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_a_cut_and_a_loss_of_any_object_are_found() {
    let world = world();
    assert!(objects(&world).len() >= 6);
    for object in objects(&world) {
        let sound = std::fs::read(&object).unwrap();
        let shown = object.display().to_string();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 1;
        for damaged in [flipped, sound[..sound.len() / 2].to_vec()] {
            replace(&object, &damaged);
            let ended = world.as_operator(&["check", "--data"]);
            assert!(matches!(ended.code, Some(4 | 11)), "{shown}: {ended:?}");
        }
        std::fs::remove_file(&object).unwrap();
        let ended = world.as_operator(&["check", "--data"]);
        // A snapshot that is gone is one that was never there: nothing refers to it.
        let expected = if shown.contains("/snapshots/") {
            &[0][..]
        } else {
            &[4, 10, 11]
        };
        assert!(
            ended.code.is_some_and(|code| expected.contains(&code)),
            "{shown}: {ended:?}"
        );
        std::fs::write(&object, &sound).unwrap();
    }
    world.as_operator(&["check", "--data"]).expect(0);
}

#[test]
fn two_packs_that_were_swapped_are_found() {
    let world = world();
    let packs: Vec<_> = objects(&world)
        .into_iter()
        .filter(|o| o.display().to_string().contains("/packs/"))
        .collect();
    let (a, b) = (
        std::fs::read(&packs[0]).unwrap(),
        std::fs::read(&packs[1]).unwrap(),
    );
    replace(&packs[0], &b);
    replace(&packs[1], &a);
    world.as_operator(&["check", "--data"]).expect(4);
}

#[test]
fn a_restore_names_what_is_damaged_and_brings_back_the_rest() {
    let world = world();
    let largest = objects(&world)
        .into_iter()
        .max_by_key(|o| std::fs::metadata(o).unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    replace(&largest, &bytes);
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
    let world = world();
    world.write(
        "keys/copy",
        std::fs::read(world.at("keys/local.key")).unwrap(),
    );
    let header = world.at("repository/format");
    let text = std::fs::read_to_string(&header).unwrap();
    replace(
        &header,
        text.replace("\"holdfast\":1", "\"holdfast\":2").as_bytes(),
    );
    world
        .run(&["list"])
        .expect(2)
        .says("the format object has version 2, and this holdfast reads up to 1");
    std::fs::remove_file(&header).unwrap();
    world
        .run(&["list"])
        .expect(10)
        .says("there is no repository in");
    replace_new(&header, b"something else entirely");
    let ended = world.run(&["list"]);
    assert!(matches!(ended.code, Some(4)), "{ended:?}");
}

fn replace_new(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}
