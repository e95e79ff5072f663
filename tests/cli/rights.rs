//! What the system forbids: 12 where it is in the way, 11 where it is a key, and always by name.

use holdfast_tests::{TREE, World};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Takes all rights to something away, as long as this lives.
struct Closed(PathBuf, u32);

impl Closed {
    fn new(path: PathBuf, mode: u32) -> Self {
        let before = path.metadata().unwrap().permissions().mode();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        Self(path, before)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = std::fs::set_permissions(&self.0, PermissionsExt::from_mode(self.1));
    }
}

fn world() -> World {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    world.write("tree/sub/b", "b");
    world.run(&["run", "tree"]).expect(0);
    world
}

#[test]
fn what_the_system_forbids_is_named_with_its_exit_code() {
    let world = world();
    let identity = world.at("operator.key").display().to_string();
    let target = world.at("out/below").display().to_string();
    let passphrase = format!("file:{identity}");
    let run = ["run", "tree"].as_slice();
    let restore = [
        "restore",
        "tree",
        "--target",
        &target,
        "--identity",
        &identity,
    ];
    std::fs::create_dir(world.at("out")).unwrap();
    for (closed, mode, words, code, said) in [
        ("holdfast.toml", 0, run, 12, "cannot read configuration"),
        ("plugins.lock", 0, run, 12, "plugins.lock"),
        ("data/holdfast/plugins", 0, run, 12, ".wasm"),
        ("repository", 0, run, 12, "cannot open object `format`"),
        (
            "repository",
            0,
            &["check"],
            12,
            "cannot open object `format`",
        ),
        ("repository/snapshots", 0o500, run, 12, "cannot create"),
        ("state/holdfast", 0, run, 12, "tree.lock"),
        ("state/holdfast", 0, &["history"], 12, "history.jsonl"),
        ("out", 0o500, &restore, 12, "cannot use `"),
        ("keys/local.key", 0, run, 11, "cannot read key file"),
        ("operator.key", 0, &restore, 11, "cannot read identity"),
        (
            "operator.key",
            0,
            &["ls", "tree", "--passphrase-from", &passphrase],
            11,
            "cannot get secret",
        ),
        (
            "keys",
            0o500,
            &["key", "export", "audit", "{w}/keys/new"],
            12,
            "cannot create",
        ),
    ] {
        let path = world.at(closed);
        assert!(path.exists(), "{closed}");
        let closed = Closed::new(path, mode);
        let place = world.path().display().to_string();
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("{w}", &place))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = world.bound_by_permissions(&words).expect(code);
        ended.says("Permission denied").says(said).says("hint: ");
        drop(closed);
    }
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn what_cannot_be_read_of_a_tree_is_a_warning_and_a_cache_that_cannot_be_is_nothing() {
    let world = world();
    let closed = Closed::new(world.at("tree/sub"), 0);
    let ended = world.bound_by_permissions(&["run", "tree"]).expect(3);
    ended.says("/tree/sub: what lies in it cannot be read and is left out");
    drop(closed);
    let _closed = Closed::new(world.at("cache"), 0);
    world.bound_by_permissions(&["run", "tree"]).expect(0);
}
