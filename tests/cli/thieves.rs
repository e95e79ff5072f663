//! A stolen write key reads nothing: not with holdfast, whatever is tried, and not with stock tools.

use holdfast_tests::{TREE, World};
use std::process::Command;

const SECRET: &str = "the content that a thief is after";

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn a_stolen_write_key_reads_nothing_whatever_is_tried() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a-name-to-hide", SECRET.repeat(500));
    world.run(&["run", "tree"]).expect(0);
    // The thief has the host's configuration, its write key and its plugins, and the store; not its cache.
    std::fs::remove_dir_all(world.at("cache")).unwrap();
    let path = world.at("tree/a-name-to-hide").display().to_string();
    let target = world.at("out").display().to_string();
    let more = world.at("more.key").display().to_string();
    let key = world.at("keys/local.key").display().to_string();
    let tried: [&[&str]; 12] = [
        &["cat", "tree", &path],
        &["ls", "tree"],
        &["find", "*"],
        &["diff", "latest", "latest"],
        &["restore", "tree", "--target", &target],
        &["restore", "tree", "--target", &target, "--key", &key],
        &["restore", "tree", "--target", &target, "--identity", &key],
        &["key", "export", "read", &more],
        &["key", "recover", "--identity", &key],
        &[
            "key",
            "add-recipient",
            "age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z",
        ],
        &["rotate"],
        &["key", "reseal"],
    ];
    for words in tried {
        let ended = world.run(words).expect(11);
        let said = ended.stdout + &ended.stderr;
        assert!(!said.contains(SECRET), "{words:?}: {said}");
    }
    assert!(world.files("out").is_empty() && !world.at("more.key").exists());
    // What it may see is not the content: names of jobs, times, and what is damaged.
    for words in [&["check", "--data"][..], &["list"], &["show", "tree"]] {
        let ended = world.run(words).expect(0);
        let said = ended.stdout + &ended.stderr;
        assert!(
            !said.contains("a-name-to-hide") && !said.contains(SECRET),
            "{said}"
        );
    }
    let text = std::fs::read_to_string(&key).unwrap();
    let key: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(key.get("read").is_none() && key.get("root-key").is_none());
    let catalog = world.at("catalog").display().to_string();
    std::fs::write(&catalog, key["catalog"]["identity"].as_str().unwrap()).unwrap();
    let (mut opened, mut shut) = (0, 0);
    for pack in world.files("repository/packs") {
        let age = Command::new("age")
            .args(["-d", "-i", &catalog])
            .arg(&pack)
            .output();
        let age = age.unwrap();
        if !age.status.success() {
            shut += 1;
            continue;
        }
        // A pack of the catalog: lists of chunks, and no content or name.
        opened += 1;
        std::fs::write(world.at("plain"), &age.stdout).unwrap();
        let plain = Command::new("zstd")
            .args(["-d", "-c", "-q"])
            .arg(world.at("plain"))
            .output();
        let plain = plain.unwrap().stdout;
        for hidden in [SECRET, "a-name-to-hide"] {
            let hidden = hidden.as_bytes();
            assert!(!plain.windows(hidden.len()).any(|window| window == hidden));
        }
    }
    // Content and names are in packs of their own, and both are shut.
    assert!(shut >= 2 && opened >= 1, "{shut} shut, {opened} opened");
    for epoch in world.files("repository/epochs") {
        let age = Command::new("age")
            .args(["-d", "-i", &catalog])
            .arg(epoch)
            .output();
        assert!(!age.unwrap().status.success());
    }
    world.restore("tree");
}
