//! Exit codes: a promise to scripts, each seen at the program itself, and the same in JSON.

use holdfast_tests::{Ended, World, plugin};
use std::process::Child;

/// A job for each way in which a run can end.
const JOBS: &str = "\
[job.done]
source = \"command\"
with.command = [\"echo\", \"done\"]
[job.failed]
source = \"command\"
with.command = [\"sh\", \"-c\", \"echo half; exit 7\"]
[job.denied]
source = \"command\"
with.command = [\"cat\", \"/etc/hostname\"]
[job.late]
source = \"command\"
timeout-minutes = 0.01
with.command = [\"sh\", \"-c\", \"sleep 1000\"]
[job.long]
source = \"command\"
with.command = [\"sh\", \"-c\", \"touch {w}/begun; sleep 1000\"]
[job.tree]
source = \"files\"
with.paths = [\"{w}/tree\"]
";

fn world() -> World {
    let world = World::ready(JOBS, &["files", "archive-check"]);
    let command = plugin("command");
    let install = ["plugin", "install", command.to_str().unwrap(), "--yes"];
    let only = ["--allow-command", "echo", "--allow-command", "sh"];
    world.run(&[&install[..], &only].concat()).expect(0);
    world
}

/// Demands a code, for people and for scripts; for what failed, the error has it too.
fn ends(world: &World, words: &[&str], code: i32, has_failed: bool) {
    world.run(words).expect(code);
    let ended = world.run(&[words, &["--json"]].concat()).expect(code);
    let last = ended.stdout.lines().next_back().unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    let told = last.get("exit-code").and_then(serde_json::Value::as_i64);
    assert_eq!(
        told,
        has_failed.then_some(i64::from(code)),
        "{words:?}: {last}"
    );
}

/// Starts a run that does not end, and waits until its command runs.
fn begun(world: &World) -> Child {
    let mut child = world.start(&["run", "long", "--json"]);
    while !world.at("begun").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child
}

#[test]
fn every_exit_code_is_what_the_guide_says() {
    let world = world();
    let identity = world.at("operator.key").display().to_string();
    ends(&world, &["run", "done"], 0, false);
    ends(&world, &["run", "failed"], 1, true);
    ends(&world, &["run", "nothing"], 2, true);
    world.write("tree/a", "a");
    world.write_far_ahead("tree/late");
    ends(&world, &["run", "tree"], 3, false);
    std::fs::remove_file(world.at("tree/late")).unwrap();
    let verify = [
        "verify",
        "done",
        "--with",
        "archive-check",
        "--identity",
        &identity,
    ];
    ends(&world, &verify, 0, false);
    ends(&world, &["ls", "done"], 11, true);
    ends(&world, &["run", "denied"], 12, true);
    ends(&world, &["run", "late"], 75, true);
    for pack in world.files("repository/packs") {
        std::fs::remove_file(pack).unwrap();
    }
    ends(&world, &["check"], 4, false);
    std::fs::remove_dir_all(world.at("repository")).unwrap();
    for words in [
        ["run", "done"].as_slice(),
        &["list"],
        &["check"],
        &["show", "done"],
    ] {
        ends(&world, words, 10, true);
    }
}

#[test]
fn a_job_that_runs_is_busy_and_can_be_interrupted() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let world = world();
        let first = begun(&world);
        if signal == Signal::INT {
            ends(&world, &["run", "long"], 5, true);
        }
        kill_process(Pid::from_child(&first), signal).unwrap();
        let ended: Ended = first.wait_with_output().unwrap().into();
        let ended = ended.expect(130);
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(told["exit-code"], 130);
        assert_eq!(world.snapshots(), 0);
    }
}
