//! Forgetting, holding and bringing back at the command line.

use holdfast_tests::{TREE, World};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Returns a world with a job that keeps what these lines say, and as many snapshots of it.
fn world(keep: &str, snapshots: usize) -> World {
    let job = TREE.replace("source", &format!("{keep}\nsource"));
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    for _ in 0..snapshots {
        world.run(&["run", "tree"]).expect(0);
    }
    world.jobs(&job);
    world
}

/// Returns the ids of what is listed, oldest first.
fn ids(world: &World, more: &[&str]) -> Vec<String> {
    let listed = world.run(&[&["list", "--json"], more].concat()).expect(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let listed = listed.as_array().unwrap().iter();
    let id = |snapshot: &Value| snapshot["snapshot"].as_str().unwrap().to_owned();
    listed.map(id).collect()
}

/// Sets the store's time of receipt of all snapshots.
fn receive(world: &World, when: SystemTime) {
    for file in world.files("repository/snapshots") {
        let file = std::fs::File::options().write(true).open(file);
        file.unwrap().set_modified(when).unwrap();
    }
}

#[test]
fn a_dry_run_shows_what_keeps_each_snapshot_and_changes_nothing() {
    let world = world("keep = { last = 2, daily = 3 }", 4);
    let shown = world.run(&["forget", "tree", "--dry-run"]).expect(0).stdout;
    let all = ids(&world, &[]);
    let line = |n: usize| {
        shown
            .lines()
            .find(|line| line.starts_with(&all[n][..8]))
            .unwrap()
    };
    assert!(line(0).contains("  keep    daily 20"), "{shown}");
    assert!(line(1).contains("  forget  no rule keeps it"), "{shown}");
    assert!(line(2).contains("  keep    last 2 of 2"), "{shown}");
    assert!(line(3).contains("  keep    newest, last 1 of 2"), "{shown}");
    assert!(
        shown.contains("tree: 1 would be forgotten, 3 kept"),
        "{shown}"
    );
    assert!(shown.contains("in local: last = 2, daily = 3"), "{shown}");
    assert_eq!(world.snapshots(), 4);
    world.run(&["forget", "tree"]).expect(0);
    let left = [all[0].clone(), all[2].clone(), all[3].clone()];
    assert_eq!(ids(&world, &[]), left);
    let gone = world.run(&["list", "--forgotten"]).expect(0).stdout;
    assert!(
        gone.contains("no rule of job `tree` keeps it: last = 2, daily = 3"),
        "{gone}"
    );
    assert_eq!(ids(&world, &["--forgotten"]), all[1..2]);
    // A forgotten snapshot is in no list and under no name, and a check still looks at it.
    world.run(&["show", &all[1]]).expect(2).says("no snapshot");
    let checked = world.run(&["check", "--json"]).expect(0).stdout;
    assert!(checked.contains("\"snapshots\":4"), "{checked}");
    world.run(&["undelete", &all[1][..8]]).expect(0);
    assert_eq!(ids(&world, &[]), all);
}

#[test]
fn tags_are_forgotten_by_their_own_rules() {
    let world = world("keep = { last = 1 }\nkeep-tags = { pre = { last = 2 } }", 2);
    for _ in 0..3 {
        world.run(&["run", "tree", "--tag", "pre"]).expect(0);
    }
    world.run(&["run", "tree", "--tag", "other"]).expect(0);
    let shown = world.run(&["forget", "tree", "--dry-run"]).expect(0).stdout;
    assert_eq!(shown.matches("pre: last").count(), 2, "{shown}");
    assert_eq!(world.snapshots(), 3);
    // The others stay where only one tag is meant.
    world.jobs(&TREE.replace(
        "source",
        "keep-tags = { pre = { last = 1 }, other = { last = 1 } }\nsource",
    ));
    world.run(&["run", "tree"]).expect(0);
    world.run(&["run", "tree", "--tag", "other"]).expect(0);
    let bring = ids(&world, &["--forgotten"]);
    for id in &bring {
        world.run(&["undelete", id]).expect(0);
    }
    let before = world.snapshots();
    world.run(&["forget", "tree", "--tag", "other"]).expect(0);
    assert_eq!(before - world.snapshots(), 1);
    world
        .run(&["run", "tree", "--tag", "a,b"])
        .expect(2)
        .says("`a,b` is no tag");
}

#[test]
fn a_hold_keeps_a_snapshot_from_rules_and_from_people() {
    let world = world("keep = { last = 1 }", 3);
    let all = ids(&world, &[]);
    let hold = ["hold", &all[0][..8], "--reason", "court case 7"];
    world.run(&hold).expect(0);
    world
        .run(&hold)
        .expect(12)
        .says(&format!("snapshot `{}` is held: court case 7", all[0]));
    world
        .run(&["forget", &all[0]])
        .expect(12)
        .says("is held: court case 7")
        .says(&format!("holdfast release {}", &all[0][..8]));
    let listed = world.run(&["list"]).expect(0).stdout;
    assert!(
        listed
            .lines()
            .nth(1)
            .unwrap()
            .contains("held: court case 7"),
        "{listed}"
    );
    world.run(&["forget", "tree"]).expect(0);
    assert_eq!(ids(&world, &[]), [all[0].clone(), all[2].clone()]);
    world.run(&["release", &all[0][..8]]).expect(0);
    world
        .run(&["release", &all[0]])
        .expect(2)
        .says("is not held");
    world.run(&["forget", "tree"]).expect(0);
    assert_eq!(ids(&world, &[]), all[2..]);
    for (until, code) in [
        ("2020-01-01", 2),
        ("soon", 2),
        ("2099-02-30", 2),
        ("2099-12-31", 0),
    ] {
        let words = ["hold", "tree", "--reason", "x", "--until", until];
        world.run(&words).expect(code);
    }
    world
        .run(&["hold", "tree@ffff", "--reason", "x"])
        .expect(2)
        .says("no snapshot");
    world
        .run(&["hold", "tree", "--reason", " "])
        .expect(2)
        .says("a hold has a reason");
    world.run(&["hold", "tree"]).expect(2).says("--reason");
}

#[test]
fn what_is_named_is_forgotten_and_what_is_gone_does_not_come_back() {
    let world = world("", 3);
    let all = ids(&world, &[]);
    world.run(&["forget", &all[0][..8], "--dry-run"]).expect(0);
    assert_eq!(world.snapshots(), 3);
    world
        .run(&["forget", &format!("tree@{}", &all[0][..8]), &all[1]])
        .expect(0);
    assert_eq!(ids(&world, &[]), all[2..]);
    world.run(&["undelete", "tree"]).expect(0);
    assert_eq!(ids(&world, &[]), all[1..]);
    world
        .run(&["undelete", &all[1]])
        .expect(2)
        .says("is not forgotten");
    // Collection removes the snapshot, and its tombstone last.
    let object = format!("repository/snapshots/{}", all[0]);
    std::fs::remove_file(world.at(&object)).unwrap();
    world
        .run(&["undelete", &all[0]])
        .expect(2)
        .says("there is no snapshot");
    world
        .run(&["undelete", &all[0][..8]])
        .expect(2)
        .says("there is no forgotten snapshot")
        .says("holdfast list --forgotten");
    world
        .run(&["forget", "nope"])
        .expect(2)
        .says("there is no snapshot `nope`");
    world.run(&["forget"]).expect(2);
    world
        .run(&["forget", "--all"])
        .expect(2)
        .says("no job says what is kept");
}

#[test]
fn times_that_cannot_be_are_named_and_push_nothing_out() {
    let world = world("keep = { last = 1 }", 3);
    let hours = |n: u64| Duration::from_secs(n * 3600);
    #[expect(
        clippy::disallowed_methods,
        reason = "files get a time beside that of the program under test"
    )]
    let now = SystemTime::now();
    // As if their clock had been two hours ahead of the store's.
    receive(&world, now - hours(2));
    world
        .run(&["forget", "tree"])
        .expect(3)
        .says("is kept, and counts for no rule: it says that it is of")
        .says("after the store received it")
        .says("holdfast forget tree@");
    assert_eq!(world.snapshots(), 3);
    // A sound one is the newest then, and the others stay.
    world
        .run(&["run", "tree"])
        .expect(3)
        .says("counts for no rule");
    assert_eq!(world.snapshots(), 4);
    // As if all had been moved to another place, in a while from now.
    receive(&world, now + hours(2));
    world
        .run(&["forget", "tree"])
        .expect(3)
        .says("more than an hour before the store received it");
    assert_eq!(world.snapshots(), 4);
    world
        .run(&["forget", "tree", "--accept", "times"])
        .expect(0);
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn snapshots_of_other_hosts_are_left_alone_unless_they_are_named() {
    let world = world("keep = { last = 1 }", 2);
    let listed = world.run(&["list", "--json"]).expect(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let host = listed[0]["host"].as_str().unwrap();
    let other = ["forget", "tree", "--host", "elsewhere"];
    world
        .run(&other)
        .expect(0)
        .says(&format!("2 snapshots of host {host}"));
    assert_eq!(world.snapshots(), 2);
    world.run(&["forget", "tree", "--host", host]).expect(0);
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn a_host_cannot_forget_what_another_made_and_an_operator_can() {
    let world = world("keep = { last = 1 }", 2);
    let key = world.at("other.key").display().to_string();
    let export = ["key", "export", "write", &key, "--host", "elsewhere"];
    world.as_operator(&export).expect(0);
    let all = ids(&world, &[]);
    for words in [&["forget", "tree", "--all-hosts"][..], &["forget", &all[0]]] {
        let words = [words, &["--key", &key]].concat();
        world
            .run(&words)
            .expect(12)
            .says("host elsewhere cannot forget it")
            .says("or as an operator: --identity FILE");
    }
    assert_eq!(world.snapshots(), 2);
    world
        .as_operator(&["forget", "tree", "--all-hosts"])
        .expect(0);
    assert_eq!(ids(&world, &[]), all[1..]);
}

#[test]
fn a_key_that_only_lists_forgets_nothing() {
    let world = world("keep = { last = 1 }", 2);
    let key = world.at("audit.key").display().to_string();
    world.run(&["key", "export", "audit", &key]).expect(0);
    for words in [&["forget", "tree"][..], &["forget", "latest"]] {
        let words = [words, &["--key", &key]].concat();
        world.run(&words).expect(11).says("it needs role `write`");
    }
    assert_eq!(world.snapshots(), 2);
    world.run(&["list", "--forgotten", "--key", &key]).expect(0);
}
