//! What happens around a run: kills, interrupts, full disks, places that cannot be written to.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod full;
mod kills;
mod room;
mod shortage;
mod small;

use holdfast_filetree::compare::compare;
use holdfast_tests::{TREE, World, noise};
use std::process::Command;
use std::time::Duration;

fn filled(jobs: &str, mebibytes: u64) -> World {
    let world = World::ready(jobs, &["files", "command"]);
    for n in 0..mebibytes {
        world.write(&format!("tree/d{}/f{n}", n % 5), noise(n, 1 << 20));
    }
    world
}

fn restored_equals(world: &World) {
    let inner = world
        .restore("tree")
        .join(world.at("tree").strip_prefix("/").unwrap());
    assert_eq!(
        compare(&world.at("tree"), &inner).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn kills_at_any_moment_leave_a_sound_repository_and_the_next_run_completes() {
    let world = filled(TREE, 60);
    let mut killed = 0;
    for delay_ms in [5, 20, 40, 60, 90, 120, 160, 200, 260, 330, 420, 550] {
        let mut child = world.start(&["run", "tree"]);
        std::thread::sleep(Duration::from_millis(delay_ms));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        world.as_operator(&["check", "--data"]).expect(0);
    }
    assert!(killed > 3, "only {killed} runs were killed in time");
    world.run(&["run", "tree"]).expect(0);
    world.as_operator(&["check", "--data"]).expect(0);
    restored_equals(&world);
}

#[test]
fn what_a_killed_run_had_stored_is_not_stored_again() {
    let world = filled(TREE, 200);
    let size = || -> u64 {
        world
            .files("repository")
            .iter()
            .map(|f| f.metadata().unwrap().len())
            .sum()
    };
    let mut child = world.start(&["run", "tree"]);
    while world.files("repository/packs").is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let was_killed = !child.wait().unwrap().success();
    world.run(&["run", "tree"]).expect(0);
    assert!(size() < 212 << 20, "{} MiB for 200", size() >> 20);
    if was_killed {
        restored_equals(&world);
    }
}

#[test]
fn an_interrupt_ends_a_run_with_130_and_nothing_committed() {
    // Of this test alone: others may run beside it.
    let sleep = format!("sleep {}", 1_000_000 + std::process::id());
    let job = "[job.slow]\nsource = \"command\"\n[job.slow.with]\ncommand = [\"sh\", \"-c\", \"echo x; touch {w}/begun; SLEEP\"]\n";
    let job = &job.replace("SLEEP", &sleep);
    for signal in ["-INT", "-TERM"] {
        let world = World::ready(job, &["command"]);
        let mut child = world.start(&["run", "slow"]);
        while !world.at("begun").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the run ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(world.snapshots(), 0);
    }
    let is_left = || {
        let found = Command::new("pgrep").args(["-f", &sleep]).output();
        !found.unwrap().stdout.is_empty()
    };
    // What was killed may take a moment to be gone.
    for _ in 0..200 {
        if !is_left() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the command outlived its job");
}

#[test]
fn several_jobs_back_up_into_one_repository_at_once() {
    let jobs: String = (0..4)
        .map(|n| {
            format!("[job.j{n}]\nsource = \"files\"\n[job.j{n}.with]\npaths = [\"{{w}}/tree\"]\n")
        })
        .collect();
    let world = filled(&jobs, 20);
    let runs: Vec<_> = (0..4)
        .map(|n| world.start(&["run", &format!("j{n}")]))
        .collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!(world.snapshots(), 4);
    world.as_operator(&["check", "--data"]).expect(0);
}

#[test]
fn files_that_cannot_be_read_are_named_and_change_the_exit_code() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    world.write("tree/secret", "for nobody");
    let nobody = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    std::fs::set_permissions(world.at("tree/secret"), nobody).unwrap();
    world
        .bound_by_permissions(&["run", "tree"])
        .expect(3)
        .says("tree/secret: it cannot be read and is left out: Permission denied");
    assert_eq!(world.snapshots(), 1);
}
