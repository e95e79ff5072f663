//! Retention never runs for a job whose last backup failed or shrank suspiciously, or is missing.

use holdfast_tests::{Ended, World, noise};
use std::path::Path;
use std::process::Command;

/// A job that dumps a file of the world, and keeps one snapshot.
const DUMP: &str = "[job.dump]\nsource = \"command\"\nkeep = { last = 1 }\n\
    [job.dump.with]\ncommand = [\"sh\", \"-c\", \"cat {w}/rows && test ! -e {w}/broken\"]\n";

/// Returns a world with a sound snapshot in it.
fn world(job: &str) -> World {
    let world = World::ready(job, &["command"]);
    world.write("rows", noise(1, 60_000));
    world.run(&["run", "dump"]).expect(0);
    world
}

fn forgotten(world: &World) -> usize {
    let listed = world.run(&["list", "--forgotten", "--json"]).expect(0);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    listed.as_array().unwrap().len()
}

fn run(world: &World, code: i32) -> Ended {
    world.run(&["run", "dump"]).expect(code)
}

#[test]
fn after_a_sound_backup_retention_does_its_work() {
    let world = world(DUMP);
    world.write("rows", noise(2, 50_000));
    let ended = run(&world, 0);
    assert!(
        ended.stdout.contains("dump: 1 forgotten, 1 kept"),
        "{}",
        ended.stdout
    );
    assert_eq!((world.snapshots(), forgotten(&world)), (1, 1));
    // The newest is the one that is left.
    let restored = std::fs::read(world.restore("dump").join("stdout")).unwrap();
    assert_eq!(restored, noise(2, 50_000));
}

#[test]
fn a_job_that_says_nothing_of_it_keeps_everything() {
    let world = world(&DUMP.replace("keep = { last = 1 }\n", ""));
    run(&world, 0);
    run(&world, 0);
    assert_eq!((world.snapshots(), forgotten(&world)), (3, 0));
    world
        .run(&["forget", "dump"])
        .expect(2)
        .says("job `dump` does not say what is kept");
}

#[test]
fn a_run_that_fails_forgets_nothing_and_neither_does_anybody_after_it() {
    let many = DUMP.replace("last = 1", "last = 9");
    let world = world(&many);
    run(&world, 0);
    world.jobs(DUMP);
    for (file, content, words) in [
        ("broken", "", "ended with status 1"),
        ("rows", "", "succeeded and wrote nothing"),
    ] {
        world.write(file, content);
        run(&world, 1).says("nothing was committed").says(words);
        assert_eq!((world.snapshots(), forgotten(&world)), (2, 0));
        for words in [&["forget", "dump"][..], &["forget", "--all"]] {
            world
                .run(words)
                .expect(3)
                .says("dump: nothing is forgotten in `local`: its newest run, of ")
                .says("holdfast forget dump --accept failed");
        }
        assert_eq!((world.snapshots(), forgotten(&world)), (2, 0));
        let _ = std::fs::remove_file(world.at("broken"));
    }
    // A sound backup mends it.
    world.write("rows", noise(3, 60_000));
    run(&world, 0);
    assert_eq!((world.snapshots(), forgotten(&world)), (1, 2));
}

#[test]
fn a_backup_that_shrank_forgets_nothing_until_the_operator_says_so() {
    let world = world(DUMP);
    for n in 0..2 {
        world.write("rows", noise(n, 20_000));
        run(&world, 3)
            .says("dump: nothing is forgotten in `local`: its newest snapshot holds 19.5 KiB")
            .says("held 58.6 KiB")
            .says("holdfast forget dump --accept shrunk");
        assert_eq!(forgotten(&world), 0);
    }
    world.run(&["forget", "dump"]).expect(3);
    let dry = ["forget", "dump", "--accept", "shrunk", "--dry-run"];
    let shown = world.run(&dry).expect(0).stdout;
    assert!(
        shown.contains("dump: 2 would be forgotten, 1 kept"),
        "{shown}"
    );
    world.run(&["forget", "dump"]).expect(3);
    assert_eq!((world.snapshots(), forgotten(&world)), (3, 0));
    world
        .run(&["forget", "dump", "--accept", "shrunk"])
        .expect(0);
    assert_eq!((world.snapshots(), forgotten(&world)), (1, 2));
    // That size is what counts from now on; half of it again is not.
    run(&world, 0);
    world.write("rows", noise(9, 5_000));
    run(&world, 3).says("held 19.5 KiB");
    assert_eq!(world.snapshots(), 2);
    // One that is large again needs nobody's yes.
    world.write("rows", noise(9, 30_000));
    run(&world, 0);
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn a_burst_of_backups_forgets_nothing_until_the_operator_says_so() {
    let world = world(&DUMP.replace("keep =", "burst-limit = 2\nkeep ="));
    run(&world, 0);
    run(&world, 3).says("3 snapshots came within a day");
    assert_eq!((world.snapshots(), forgotten(&world)), (2, 1));
    world
        .run(&["forget", "dump", "--accept", "burst"])
        .expect(0);
    assert_eq!((world.snapshots(), forgotten(&world)), (1, 2));
    run(&world, 0);
}

#[test]
fn a_job_whose_backup_is_missing_forgets_nothing() {
    // One that was made long ago, and whose objects were copied now.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/repositories/1");
    let world = World::new();
    world.install(&["age"]);
    for name in ["repository", "keys"] {
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(golden.join(name)).arg(world.at(name));
        assert!(copy.status().unwrap().success());
    }
    world.jobs("[job.tree]\nsource = \"files\"\nrpo = \"1h\"\nkeep = { last = 1 }\n");
    let forget = |more: &[&str]| world.run(&[&["forget", "tree", "--all-hosts"], more].concat());
    forget(&[])
        .expect(3)
        .says("more than an hour before the store received it")
        .says("nothing is forgotten in `local`: it has no snapshot whose times are believed");
    for _ in 0..2 {
        forget(&["--accept", "times"])
            .expect(3)
            .says("and one is expected every 1h")
            .says("holdfast forget tree --accept missing");
    }
    // What was said of the times is remembered; that it is missing is said each time.
    forget(&["--accept", "missing"]).expect(0);
    forget(&[]).expect(3).says("--accept missing");
    assert_eq!((world.snapshots(), forgotten(&world)), (1, 0));
}
