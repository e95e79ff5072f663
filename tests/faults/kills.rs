//! Signals at moments that nobody chose, to every command that works long: a repository is sound
//! afterwards, and what was begun can be completed.

use super::{filled, restored_equals};
use holdfast_filetree::compare::compare;
use holdfast_tests::{TREE, World};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// Moments at which a signal comes, in hundredths of what the whole work takes.
const MOMENTS: [u32; 4] = [5, 30, 60, 90];

/// Runs a command once and returns how long it takes.
fn timed(world: &World, arguments: &[&str]) -> Duration {
    let started = Instant::now();
    let ended = world.run(arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    started.elapsed()
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    Command::new("kill").args([name, &id]).status().unwrap();
}

/// Sends a signal to a command after a while, unless it ended earlier.
fn struck(world: &World, arguments: &[&str], name: &str, after: Duration) -> Output {
    let child = world.start(arguments);
    std::thread::sleep(after);
    signal(&child, name);
    child.wait_with_output().unwrap()
}

/// A command that was struck ended by the signal, with 130 where it could answer, or was done before.
fn is_told(ended: &Output, name: &str) {
    use std::os::unix::process::ExitStatusExt;
    let status = ended.status;
    let is_fine = match name {
        "-KILL" => status.success() || status.signal() == Some(9),
        // Before it listens to signals they end it, as any program.
        _ => matches!(status.code(), Some(0 | 130)) || matches!(status.signal(), Some(2 | 15)),
    };
    assert!(is_fine, "{name}: {ended:?}");
}

#[test]
fn a_run_that_is_struck_at_any_moment_leaves_no_half_snapshot() {
    let base = filled(TREE, 24);
    let whole = timed(&base.fork(), &["run", "tree"]);
    for name in ["-INT", "-TERM", "-KILL"] {
        let world = base.fork();
        for moment in MOMENTS {
            let ended = struck(&world, &["run", "tree"], name, whole * moment / 100);
            is_told(&ended, name);
            world.run(&["check"]).expect(0);
        }
        world.run(&["run", "tree"]).expect(0);
        world.as_operator(&["check", "--data"]).expect(0);
        let target = world.restore("tree");
        let inner = target.join(base.at("tree").strip_prefix("/").unwrap());
        let differences = compare(&base.at("tree"), &inner).unwrap();
        assert_eq!(differences, Vec::<String>::new());
    }
}

#[test]
fn a_restore_that_is_struck_at_any_moment_is_completed_by_the_next() {
    let world = filled(TREE, 24);
    world.run(&["run", "tree"]).expect(0);
    let identity = world.at("operator.key");
    let restore = |target: &str| -> Vec<String> {
        ["restore", "tree", "--target", target, "--identity"]
            .into_iter()
            .chain(identity.to_str())
            .map(str::to_owned)
            .collect()
    };
    let words = |all: &[String]| all.to_vec();
    let first = words(&restore(world.at("first").to_str().unwrap()));
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let whole = timed(&world, &first);
    for name in ["-INT", "-TERM", "-KILL"] {
        let target = world.at(&format!("target{name}"));
        let arguments = restore(target.to_str().unwrap());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        for moment in MOMENTS {
            is_told(
                &struck(&world, &arguments, name, whole * moment / 100),
                name,
            );
        }
        world.run(&arguments).expect(0);
        let inner = target.join(world.at("tree").strip_prefix("/").unwrap());
        let differences = compare(&world.at("tree"), &inner).unwrap();
        assert_eq!(differences, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_check_that_is_struck_at_any_moment_changes_nothing() {
    let world = filled(TREE, 24);
    world.run(&["run", "tree"]).expect(0);
    let identity = world.at("operator.key");
    let arguments = ["check", "--data", "--identity", identity.to_str().unwrap()];
    let whole = timed(&world, &arguments);
    let before = world.files("repository");
    for name in ["-INT", "-TERM", "-KILL"] {
        for moment in MOMENTS {
            is_told(
                &struck(&world, &arguments, name, whole * moment / 100),
                name,
            );
        }
    }
    assert_eq!(world.files("repository"), before);
    world.run(&arguments).expect(0);
    restored_equals(&world);
}
