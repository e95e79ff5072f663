//! What things are called: entries whose names are no text, and snapshots by part of their names.

use holdfast_tests::{TREE, World};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Calls the program as the operator with words that need not be UTF-8.
fn with(world: &World, arguments: &[&OsStr]) -> holdfast_tests::Ended {
    let mut command = world.command(&[]);
    command
        .args(arguments)
        .arg("--identity")
        .arg(world.at("operator.key"));
    command.output().unwrap().into()
}

#[test]
fn entries_whose_names_are_not_utf_8_can_be_listed_found_read_and_restored() {
    let world = World::ready(TREE, &["files"]);
    let name = OsStr::from_bytes(b"caf\xe9 \x1b[2J.txt");
    world.write("tree/plain.txt", "plain");
    std::fs::write(world.at("tree").join(name), "in latin 1").unwrap();
    world.run(&["run", "tree"]).expect(0);
    let path = world.at("tree").join(name);
    let path = path.as_os_str();
    let shown = "caf\\xe9 \\x1b[2J.txt";
    for words in [
        [OsStr::new("ls"), OsStr::new("tree"), path].as_slice(),
        &[OsStr::new("ls"), OsStr::new("tree"), OsStr::new("*.txt")],
        &[OsStr::new("find"), path],
        &[OsStr::new("find"), OsStr::new("caf?*.txt")],
    ] {
        let listed = with(&world, words).expect(0).stdout;
        let last = listed.lines().next_back().unwrap().to_owned();
        assert!(listed.contains(shown), "{words:?}: {listed}");
        assert!(last.starts_with('-'), "{last}");
        assert!(!listed.contains('\x1b'));
    }
    let cat = [OsStr::new("cat"), OsStr::new("tree"), path];
    assert_eq!(with(&world, &cat).expect(0).stdout, "in latin 1");
    let target = world.at("out");
    let restore = ["restore", "tree", "--target"].map(OsStr::new);
    let words = [&restore[..], &[target.as_os_str(), path]].concat();
    with(&world, &words).expect(0);
    let restored = world.files("out");
    assert_eq!(restored.len(), 1);
    let bytes = restored[0].clone().into_os_string().into_vec();
    assert!(bytes.ends_with(name.as_bytes()));
}

#[test]
fn a_name_with_the_letters_of_a_pattern_is_found_as_a_name_too() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a[1].txt", "named so");
    world.write("tree/a1.txt", "fits the pattern");
    world.run(&["run", "tree"]).expect(0);
    let path = world.at("tree/a[1].txt");
    let path = path.to_str().unwrap();
    let listed = world.as_operator(&["ls", "tree", path]).expect(0).stdout;
    assert!(listed.contains("a[1].txt"), "{listed}");
    let content = world.as_operator(&["cat", "tree", path]).expect(0).stdout;
    assert_eq!(content, "named so");
    for arguments in [["ls", "tree", "*.md"], ["ls", "tree", "/no/such"]] {
        world
            .as_operator(&arguments)
            .expect(2)
            .says("there is no entry")
            .says("holdfast ls SNAPSHOT");
    }
    // What is found has its name anywhere; what is listed or restored has its path.
    let found = world.as_operator(&["find", "a1.txt"]).expect(0).stdout;
    assert!(found.ends_with("/tree/a1.txt\n"), "{found}");
    assert_eq!(found.lines().count(), 2);
    let none = world.as_operator(&["find", "/a1.txt"]).expect(0);
    none.says("nothing fits `/a1.txt`");
    let none = world.as_operator(&["find", "*.md"]).expect(0);
    assert!(none.stdout.is_empty());
    none.says("nothing fits `*.md`");
}

#[test]
fn a_snapshot_that_is_not_there_is_answered_with_what_was_meant() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    world
        .run(&["show", "tree"])
        .expect(2)
        .says("there is no snapshot `tree`")
        .says("There are none yet; make one: holdfast run JOB");
    let empty = world.run(&["list"]).expect(0);
    assert!(empty.stdout.is_empty());
    empty.says("there are no snapshots yet");
    world.run(&["run", "tree"]).expect(0);
    let listed = world.run(&["list", "--json"]).expect(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["snapshot"].as_str().unwrap();
    for name in [
        id,
        &id[..4],
        &format!("tree@{}", &id[..8]),
        "tree",
        "latest",
    ] {
        let shown = world.run(&["show", name]).expect(0).stdout;
        assert!(shown.contains(&format!("snapshot  {id}")), "{name}");
    }
    for (name, words) in [
        (&id[..3], "Give at least 4 digits of an id"),
        ("trea", "Did you mean job `tree`?"),
        ("tere@latest", "Did you mean job `tree`?"),
        ("ffffffffffff", "See what there is: holdfast list"),
    ] {
        world
            .run(&["show", name])
            .expect(2)
            .says(&format!("there is no snapshot `{name}`"))
            .says(words);
    }
    for arguments in [["list", "tere"].as_slice(), &["find", "a", "--job", "tere"]] {
        world
            .as_operator(arguments)
            .expect(2)
            .says("has no job `tere`")
            .says("Did you mean `tree`?");
    }
}
