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
    // The same host's, with a signing key that is new: nobody else ever had the lost one.
    assert_ne!(std::fs::read(&key).unwrap(), sound);
    world.run(&["run", "tree"]).expect(0);
}

#[test]
fn exports_recoveries_and_identities_never_go_over_what_is_there() {
    let world = World::ready(TREE, &["files"]);
    let file = world.at("taken");
    let directory = world.at("directory");
    std::fs::create_dir(&directory).unwrap();
    let nowhere = world.at("nowhere");
    let link = world.at("link");
    std::os::unix::fs::symlink(&nowhere, &link).unwrap();
    std::fs::write(&file, "mine").unwrap();
    for taken in [&file, &directory, &link] {
        let taken = taken.to_str().unwrap();
        world
            .run(&["key", "export", "write", taken])
            .expect(2)
            .says("keys are never overwritten");
        world
            .run(&["key", "export", "audit", taken])
            .expect(2)
            .says("keys are never overwritten");
        world
            .as_operator(&["key", "export", "read", taken])
            .expect(2)
            .says("keys are never overwritten");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    assert!(link.is_symlink() && !nowhere.exists());
    world
        .as_operator(&["key", "recover"])
        .expect(2)
        .says("keys are never overwritten");
    let fresh = World::new();
    fresh
        .run(&[
            "plugin",
            "install",
            holdfast_tests::plugin("age").to_str().unwrap(),
            "--yes",
        ])
        .expect(0);
    for taken in [&file, &directory, &link] {
        fresh
            .run(&["init", "--new-identity", taken.to_str().unwrap()])
            .expect(2)
            .says("keys are never overwritten");
    }
    assert!(fresh.files("repository").is_empty() && fresh.files("keys").is_empty());
    assert!(!nowhere.exists());
}
