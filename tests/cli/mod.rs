//! What a person or a script meets at the command line: words, exit codes, and JSON.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod codes;
mod commands;
mod configuration;
mod copying;
mod help;
mod json;
mod keys;
mod mistakes;
mod names;
mod operators;
mod output;
mod passphrase;
mod restoring;
mod retention;
mod rights;
mod signers;
mod thieves;

use holdfast_tests::{TREE, World, noise};

#[test]
fn a_mistyped_setting_is_named_with_its_place_and_a_suggestion() {
    let world = World::ready(&TREE.replace("paths", "pahts"), &["files"]);
    let ended = world.run(&["run", "tree"]).expect(2);
    assert!(
        ended
            .stderr
            .contains("holdfast.toml:6:1: plugin `files` has no setting `pahts`"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("Did you mean `paths`?"));
}

#[test]
fn a_mistyped_key_job_or_store_gets_a_suggestion() {
    let world = World::ready(TREE, &["files"]);
    world
        .run(&["run", "treee"])
        .expect(2)
        .says("has no job `treee`")
        .says("Did you mean `tree`?");
    world.jobs(&TREE.replace("source", "suorce"));
    world
        .run(&["run", "tree"])
        .expect(2)
        .says("holdfast.toml:4:1: unknown key `suorce`")
        .says("Did you mean `source`?");
    world.jobs("[job.x\n");
    world.run(&["run", "x"]).expect(2).says("holdfast.toml:3:");
    std::fs::remove_file(world.at("holdfast.toml")).unwrap();
    world
        .run(&["list"])
        .expect(2)
        .says("cannot read configuration");
}

#[test]
fn a_plugin_that_is_not_installed_is_named_with_the_way_to_it() {
    let world = World::ready(TREE, &[]);
    world
        .run(&["run", "tree"])
        .expect(2)
        .says("plugin `files` is not installed");
}

#[test]
fn without_a_repository_the_exit_code_is_10() {
    let world = World::new();
    let age = holdfast_tests::plugin("age");
    world
        .run(&["plugin", "install", age.to_str().unwrap(), "--yes"])
        .expect(0);
    world.run(&["list"]).expect(10).says("holdfast init");
}

#[test]
fn installing_asks_first_and_without_a_yes_installs_nothing() {
    let world = World::new();
    let files = holdfast_tests::plugin("files");
    let ended = world
        .run(&["plugin", "install", files.to_str().unwrap()])
        .expect(2);
    assert!(
        ended
            .stdout
            .contains("read and write the directory trees named by setting `paths`")
    );
    assert!(world.run(&["plugin", "list"]).expect(0).stdout.is_empty());
}

#[test]
fn plugins_that_are_installed_at_once_are_all_there() {
    let world = World::new();
    let names = ["age", "archive-check", "command", "files"];
    let started = names.map(|name| {
        let file = holdfast_tests::plugin(name);
        world.start(&["plugin", "install", file.to_str().unwrap(), "--yes"])
    });
    for child in started {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let listed = world.run(&["plugin", "list"]).expect(0).stdout;
    assert!(names.iter().all(|name| listed.contains(name)), "{listed}");
}

#[test]
fn snapshots_can_be_listed_shown_searched_and_compared() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a.txt", "one");
    world.write("tree/b.txt", "same");
    world.run(&["run", "tree", "--tag", "first"]).expect(0);
    world.write("tree/a.txt", "another");
    world.write("tree/c.txt", "new");
    world.run(&["run", "tree"]).expect(0);
    let listed: serde_json::Value =
        serde_json::from_str(&world.run(&["list", "--json"]).expect(0).stdout).unwrap();
    let id = |n: usize| listed[n]["snapshot"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["tags"][0], "first");
    let shown = world.run(&["show", &id(0)[..8]]).expect(0).stdout;
    assert!(shown.contains("source    files 0.1.0"), "{shown}");
    let diff = world
        .as_operator(&["diff", &id(0), &id(1)])
        .expect(0)
        .stdout;
    let signs: Vec<_> = diff
        .lines()
        .map(|line| (&line[..1], line.rsplit('/').next().unwrap()))
        .collect();
    assert!(
        signs.contains(&("M", "a.txt")) && signs.contains(&("+", "c.txt")),
        "{diff}"
    );
    assert!(!diff.contains("b.txt"));
    let found = world.as_operator(&["find", "*.txt"]).expect(0).stdout;
    assert_eq!(
        found.lines().filter(|line| line.ends_with(".txt")).count(),
        5,
        "{found}"
    );
    let path = world.at("tree/a.txt").display().to_string();
    assert_eq!(
        world.as_operator(&["cat", "tree", &path]).expect(0).stdout,
        "another"
    );
    assert_eq!(
        world
            .as_operator(&["cat", &format!("tree@{}", &id(0)[..8]), &path])
            .expect(0)
            .stdout,
        "one"
    );
    world
        .as_operator(&["cat", "tree", "/no/such"])
        .expect(2)
        .says("there is no entry `no/such`");
    world
        .run(&["show", "ffffffff"])
        .expect(2)
        .says("there is no snapshot `ffffffff`");
}

#[test]
fn a_restore_does_not_overwrite_unless_told_to_and_can_be_partial() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "stored");
    world.write("tree/deep/b", noise(1, 100_000));
    world.run(&["run", "tree"]).expect(0);
    let target = world.at("out").display().to_string();
    let inner = format!("out{}/tree", world.path().display());
    world.write(&format!("{inner}/a"), "somebody's own");
    let plan = world
        .as_operator(&["restore", "tree", "--target", &target, "--dry-run"])
        .expect(0);
    assert!(
        plan.stdout.contains("would restore 4 entries"),
        "{}",
        plan.stdout
    );
    world
        .as_operator(&["restore", "tree", "--target", &target])
        .expect(3)
        .says("something stands there already");
    assert_eq!(
        std::fs::read(world.at(&format!("{inner}/a"))).unwrap(),
        b"somebody's own"
    );
    assert!(world.at(&format!("{inner}/deep/b")).exists());
    world
        .as_operator(&["restore", "tree", "--target", &target, "--overwrite"])
        .expect(0);
    assert_eq!(
        std::fs::read(world.at(&format!("{inner}/a"))).unwrap(),
        b"stored"
    );
    let part = world.at("part").display().to_string();
    world
        .as_operator(&["restore", "tree", "b", "--target", &part])
        .expect(2);
    world
        .as_operator(&["restore", "tree", "**/b", "--target", &part])
        .expect(0);
    assert_eq!(world.files("part").len(), 1);
    world
        .run(&["restore", "tree", "--target", &part])
        .expect(11)
        .says("--identity FILE");
}

#[test]
fn errors_in_json_carry_the_exit_code() {
    let world = World::ready(TREE, &["files"]);
    let ended = world.run(&["run", "nope", "--json"]).expect(2);
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(value["exit-code"], 2);
}

#[test]
fn a_sources_own_restore_and_its_verifier_work() {
    let job = "[job.db]\nsource = \"command\"\nverify = [\"archive-check\"]\n\
        [job.db.verify-with.archive-check]\ndumps = [\"db.sql\"]\n[job.db.with]\nentry = \"db.sql\"\n\
        command = [\"sqlite3\", \"{w}/db\", \".dump\"]\nrestore-command = [\"sqlite3\", \"{w}/back\"]\n";
    let world = World::ready(job, &["command", "archive-check"]);
    let sqlite = |database: &str, sql: &str| {
        let output = std::process::Command::new("sqlite3")
            .arg(world.at(database))
            .arg(sql)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    sqlite(
        "db",
        "create table t(a); insert into t values (1), (2), (3);",
    );
    world.run(&["run", "db"]).expect(0);
    world.as_operator(&["verify", "db"]).expect(0);
    world
        .as_operator(&["restore", "db", "--to-source"])
        .expect(0);
    assert_eq!(sqlite("back", "select sum(a) from t"), "6\n");
    // sqlite3 ends with 0 all the same: this is what a verifier is for.
    world.write(
        "db",
        "this is no database, and sqlite3 says so in its dump only",
    );
    world.run(&["run", "db"]).expect(0);
    let found = world.as_operator(&["verify", "db"]).expect(4);
    assert!(
        found.stdout.contains("it was cut short"),
        "{}",
        found.stdout
    );
}

#[test]
fn unchanged_files_are_not_read_again() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", noise(1, 5 << 20));
    world.write("tree/b", "b");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    world.run(&["run", "tree"]).expect(0);
    let second = world.run(&["run", "tree", "--json"]).expect(0);
    let value: serde_json::Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(value["counts"]["unchanged-files"], 2);
    assert_eq!(value["counts"]["new-bytes"], 0);
}
