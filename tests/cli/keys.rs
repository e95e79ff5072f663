//! Keys as operators use them: exported by role, given with `--key`, and made again.

use holdfast_tests::{TREE, World};
use std::os::unix::fs::PermissionsExt;

#[test]
fn each_role_goes_as_far_as_it_says() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "content");
    world.run(&["run", "tree"]).expect(0);
    let file = |role: &str| world.at(&format!("{role}.key")).display().to_string();
    for role in ["audit", "write", "read"] {
        let told = world
            .as_operator(&["key", "export", role, &file(role)])
            .expect(0)
            .stdout;
        assert!(
            told.contains(&format!("a key of role {role} to ")),
            "{told}"
        );
        let mode = std::fs::metadata(file(role)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let path = world.at("tree/a").display().to_string();
    let target = world.at("out").display().to_string();
    let words: [&[&str]; 6] = [
        &["list"],
        &["check"],
        &["ls", "tree"],
        &["find", "a"],
        &["cat", "tree", &path],
        &["restore", "tree", "--target", &target],
    ];
    for (role, reads) in [("audit", false), ("write", false), ("read", true)] {
        for words in words {
            let is_content = !["list", "check"].contains(&words[0]);
            let code = if is_content && !reads { 11 } else { 0 };
            let key = file(role);
            let words = [words, &["--key", &key]].concat();
            let ended = world.run(&words).expect(code);
            assert_eq!(
                ended.stderr.contains("--identity FILE"),
                code == 11,
                "{words:?}"
            );
        }
    }
    assert_eq!(world.files("out").len(), 1);
    let none = world.at("none").display().to_string();
    world
        .run(&[
            "restore",
            "tree",
            "--target",
            &none,
            "--key",
            &file("write"),
        ])
        .expect(11);
    assert!(!world.at("none").exists());
}

#[test]
fn a_role_gives_what_it_holds_and_no_more() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "content");
    let file = |role: &str| world.at(&format!("{role}.key")).display().to_string();
    for role in ["audit", "write", "read"] {
        world
            .as_operator(&["key", "export", role, &file(role)])
            .expect(0);
    }
    let more = world.at("more.key").display().to_string();
    for (held, wanted) in [("audit", "write"), ("write", "read")] {
        world
            .run(&["key", "export", wanted, &more, "--key", &file(held)])
            .expect(11)
            .says(&format!("it needs role `{wanted}`"))
            .says("--identity FILE");
    }
    assert!(!world.at("more.key").exists());
    let less = ["key", "export", "audit", &more, "--key", &file("read")];
    world.run(&less).expect(0);
    world
        .run(&less)
        .expect(2)
        .says("keys are never overwritten");
    // An audit key does not back up.
    std::fs::rename(file("audit"), world.at("keys/local.key")).unwrap();
    world
        .run(&["run", "tree"])
        .expect(11)
        .says("it needs role `write`");
}

#[test]
fn what_is_no_key_and_no_identity_is_said_to_be_none() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    world.run(&["run", "tree"]).expect(0);
    let none = world.at("none").display().to_string();
    let other = world.at("holdfast.toml").display().to_string();
    for (words, said) in [
        (["check", "--key", &none], "cannot read key file"),
        (
            ["check", "--key", &other],
            "this is not a key file of holdfast",
        ),
        (["check", "--identity", &none], "cannot read identity"),
        (["check", "--identity", &other], "no age key"),
    ] {
        world.run(&words).expect(11).says(said);
    }
    let second = World::ready(TREE, &["files"]);
    let theirs = second.at("operator.key").display().to_string();
    let ended = world.run(&["ls", "tree", "--identity", &theirs]).expect(11);
    ended.says("the identity does not open the repository");
    let theirs = second.at("keys/local.key").display().to_string();
    let ended = world.run(&["list", "--key", &theirs]).expect(11);
    ended.says("the key belongs to repository");
    std::fs::remove_dir_all(world.at("repository")).unwrap();
    std::fs::remove_file(world.at("keys/local.key")).unwrap();
    let words = ["init", "--recipient", "age1nobody"];
    world
        .run(&words)
        .expect(2)
        .says("a recipient cannot be used");
    assert!(world.files("repository").is_empty());
}
