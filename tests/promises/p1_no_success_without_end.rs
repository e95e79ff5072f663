//! Success is never reported without an end record from the source. An empty, short or failed dump
//! commits nothing and exits non-zero.

use holdfast_tests::World;

fn job(script: &str) -> World {
    let job = format!(
        "[job.dump]\nsource = \"command\"\n[job.dump.with]\ncommand = [\"sh\", \"-c\", {script:?}]\n"
    );
    World::ready(&job, &["command"])
}

#[test]
fn a_dump_that_fails_after_much_output_commits_nothing() {
    let world = job("head -c 20000000 /dev/urandom; echo 'FATAL: connection lost' >&2; exit 7");
    world
        .run(&["run", "dump"])
        .expect(1)
        .says("backup `dump` failed, nothing was committed")
        .says("ended with status 7: FATAL: connection lost");
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_dump_that_succeeds_with_nothing_commits_nothing() {
    let world = job("true");
    world
        .run(&["run", "dump"])
        .expect(1)
        .says("succeeded and wrote nothing")
        .says("allow-empty = true");
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_dump_that_is_killed_commits_nothing() {
    let world = job("echo begin; kill -9 $$");
    world
        .run(&["run", "dump"])
        .expect(1)
        .says("was ended by signal 9");
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_command_that_is_missing_is_named() {
    let world = World::ready(
        "[job.dump]\nsource = \"command\"\n[job.dump.with]\ncommand = [\"no-such-dump\"]\n",
        &["command"],
    );
    world
        .run(&["run", "dump"])
        .expect(1)
        .says("there is no program `no-such-dump`");
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_tree_that_is_missing_commits_nothing() {
    let world = World::ready(holdfast_tests::TREE, &["files"]);
    let ended = world.run(&["run", "tree"]).says("nothing was committed");
    assert_eq!(ended.code, Some(1));
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_sound_dump_commits_once_and_says_so() {
    let world = job("seq 100000");
    let ended = world.run(&["run", "dump"]).expect(0);
    assert!(ended.stdout.starts_with("dump@"), "{}", ended.stdout);
    assert_eq!(world.snapshots(), 1);
    let restored = std::fs::read_to_string(world.restore("dump").join("stdout")).unwrap();
    assert_eq!(restored.lines().count(), 100_000);
}
