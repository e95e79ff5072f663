//! A key is never created over an existing one, nor because an existing one could not be read.

use holdfast_tests::{TREE, World};

#[test]
fn init_touches_neither_an_existing_repository_nor_existing_keys() {
    let world = World::ready(TREE, &["files"]);
    let key = world.at("keys/local.key");
    let before = std::fs::read(&key).unwrap();
    let identity = world.at("second.key");
    let init = ["init", "--new-identity", identity.to_str().unwrap()];
    world
        .run(&init)
        .expect(2)
        .says("already holds a repository");
    let repository = world.at("repository");
    std::fs::rename(&repository, world.at("aside")).unwrap();
    world
        .run(&init)
        .expect(2)
        .says("local.key` is there already, and keys are never overwritten");
    assert_eq!(std::fs::read(&key).unwrap(), before);
    assert!(!repository.exists() && !identity.exists());
    std::fs::rename(world.at("aside"), &repository).unwrap();
    std::fs::remove_file(&key).unwrap();
    let again = world.run(&[
        "init",
        "--recipient",
        "age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z",
    ]);
    again.says("already holds a repository");
    assert!(!key.exists() && !identity.exists());
    world.write("keys/local.key", &before);
    assert_eq!(std::fs::read(&key).unwrap(), before);
}

#[test]
fn a_key_that_is_missing_cut_or_foreign_is_an_error_and_stays_as_it_is() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "x");
    let key = world.at("keys/local.key");
    let sound = std::fs::read(&key).unwrap();
    let foreign = std::fs::read(World::ready("", &[]).at("keys/local.key")).unwrap();
    for (bytes, words) in [
        (
            &sound[..sound.len() / 2],
            "this is not a key file of holdfast",
        ),
        (&b""[..], "it is empty"),
        (&foreign[..], "the key belongs to repository"),
    ] {
        std::fs::write(&key, bytes).unwrap();
        world.run(&["run", "tree"]).expect(11).says(words);
        assert_eq!(std::fs::read(&key).unwrap(), bytes);
    }
    std::fs::remove_file(&key).unwrap();
    world
        .run(&["run", "tree"])
        .expect(11)
        .says("holdfast key recover");
    assert!(!key.exists());
    world.as_operator(&["key", "recover"]).expect(0);
    assert_eq!(std::fs::read(&key).unwrap(), sound);
    world.run(&["run", "tree"]).expect(0);
}
