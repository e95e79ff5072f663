//! Keys and identities that are missing, cut, unreadable, foreign or of too low a role: each ends with
//! 11 and a sentence, and nothing is changed.

use holdfast_tests::{Ended, TREE, World};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// What nobody may read, for a user that is not root.
const NOBODY: u32 = 65_534;

fn world() -> World {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    world.run(&["run", "tree"]).expect(0);
    world
}

/// Returns all that a command must leave as it is.
fn state(world: &World) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    ["repository", "keys"]
        .iter()
        .flat_map(|directory| world.files(directory))
        .map(|file| (file.clone(), std::fs::read(file).unwrap_or_default()))
        .collect()
}

fn put(path: &Path, bytes: &[u8]) {
    if path.is_dir() {
        std::fs::remove_dir(path).unwrap();
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_key_that_cannot_be_used_ends_every_command_with_11_and_stays_as_it_is() {
    let world = world();
    let key = world.at("keys/local.key");
    let sound = std::fs::read(&key).unwrap();
    let foreign = std::fs::read(World::ready("", &[]).at("keys/local.key")).unwrap();
    let cases: [(&[u8], &str); 5] = [
        (b"", "it is empty"),
        (
            &sound[..sound.len() / 2],
            "this is not a key file of holdfast",
        ),
        (b"\xff\xfe\0 no text", "this is not a key file of holdfast"),
        (b"{\"holdfast-key\": 9}", "9"),
        (&foreign, "the key belongs to repository"),
    ];
    let refused = |words: &str| {
        let before = state(&world);
        for arguments in [&["run", "tree"][..], &["list"], &["check"]] {
            world.run(arguments).expect(11).says(words);
        }
        assert_eq!(state(&world), before, "{words}");
    };
    for (bytes, words) in cases {
        put(&key, bytes);
        refused(words);
    }
    std::fs::remove_file(&key).unwrap();
    refused("holdfast key recover");
    std::fs::create_dir(&key).unwrap();
    refused("cannot read key file");
    put(&key, &sound);
    world.run(&["run", "tree"]).expect(0);
}

#[test]
fn an_identity_that_cannot_be_used_ends_a_restore_with_11_and_restores_nothing() {
    let world = world();
    let identity = world.at("operator.key");
    let sound = std::fs::read_to_string(&identity).unwrap();
    let foreign = std::fs::read(World::ready("", &[]).at("operator.key")).unwrap();
    let write_key = std::fs::read(world.at("keys/local.key")).unwrap();
    let cut = &sound.trim_end()[..sound.trim_end().len() - 9];
    let target = world.at("target");
    let refused = |what: &str| {
        let ended = world.as_operator(&["restore", "tree", "--target", target.to_str().unwrap()]);
        assert_eq!(ended.code, Some(11), "{what}: {ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{what}: {ended:?}");
        assert!(world.files("target").is_empty(), "{what}");
    };
    let cases: [(&[u8], &str); 5] = [
        (b"", "empty"),
        (cut.as_bytes(), "cut"),
        (b"\xff\xfe\0", "no text"),
        (&foreign, "foreign"),
        (&write_key, "a write key"),
    ];
    for (bytes, what) in cases {
        put(&identity, bytes);
        refused(what);
    }
    std::fs::remove_file(&identity).unwrap();
    refused("missing");
    std::fs::create_dir(&identity).unwrap();
    refused("a directory");
    put(&identity, sound.as_bytes());
    world.restore("tree");
}

#[test]
fn a_key_of_too_low_a_role_says_what_is_needed() {
    let world = world();
    let (audit, read) = (world.at("audit.key"), world.at("read.key"));
    let (audit, read) = (audit.to_str().unwrap(), read.to_str().unwrap());
    world.run(&["key", "export", "audit", audit]).expect(0);
    world
        .as_operator(&["key", "export", "read", read])
        .expect(0);
    let target = world.at("target");
    let target = target.to_str().unwrap();
    let before = state(&world);
    world
        .run(&["restore", "tree", "--target", target])
        .expect(11)
        .says("a key of role `write` cannot do this; it needs role `read`")
        .says("--identity FILE");
    world
        .run(&["key", "export", "read", world.at("more").to_str().unwrap()])
        .expect(11)
        .says("it needs role `read`");
    world.run(&["list", "--key", audit]).expect(0);
    world.run(&["check", "--key", audit]).expect(0);
    world
        .run(&["restore", "tree", "--target", target, "--key", audit])
        .expect(11);
    assert!(world.files("target").is_empty() && !world.at("more").exists());
    let key = world.at("keys/local.key");
    let sound = std::fs::read(&key).unwrap();
    std::fs::copy(audit, &key).unwrap();
    world
        .run(&["run", "tree"])
        .expect(11)
        .says("a key of role `audit` cannot do this; it needs role `write`");
    put(&key, &sound);
    assert_eq!(state(&world), before);
    world
        .run(&["restore", "tree", "--target", target, "--key", read])
        .expect(0);
}

#[test]
fn a_key_that_this_user_may_not_read_is_told_and_none_is_made() {
    let world = world();
    let key = world.at("keys/local.key");
    let before = state(&world);
    let ended: Ended = if rustix::process::geteuid().is_root() {
        let given = std::process::Command::new("chown")
            .args(["-R", &NOBODY.to_string()])
            .arg(world.path())
            .status();
        assert!(given.unwrap().success());
        std::os::unix::fs::chown(&key, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let program = world.at("holdfast");
        std::fs::copy(holdfast_tests::program(), &program).unwrap();
        let asked = world.command(&["run", "tree"]);
        let mut command = std::process::Command::new(program);
        command.args(asked.get_args()).env_clear();
        for (name, value) in asked.get_envs() {
            command.env(name, value.unwrap());
        }
        command.uid(NOBODY).output().unwrap().into()
    } else {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o000)).unwrap();
        let ended = world.run(&["run", "tree"]);
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        ended
    };
    ended
        .expect(11)
        .says("cannot read key file")
        .says("Permission denied");
    assert_eq!(state(&world), before);
}
