//! To back up, no permission to delete is needed: the kernel refuses every removal in the store, and
//! runs, what they forget, a run after a killed one, and `check` do their work all the same.

use holdfast_filetree::compare::compare;
use holdfast_tests::{Ended, TREE, World, noise};
use std::process::{Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/promises/without_removal.py");
/// What the script ends with where the kernel cannot do it.
const CANNOT: i32 = 77;

/// Prepares a call of a program that may remove nothing in the store.
fn confined(world: &World, program: &str, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    let asked: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let named = match program {
        "holdfast" => (holdfast_tests::program(), asked),
        // The program's own words stand after those of a call of holdfast.
        other => (other.into(), asked[2..].to_vec()),
    };
    let mut confined = Command::new("/usr/bin/python3");
    confined.arg(SCRIPT);
    for name in ["cache", "state", "data", "config", "keys"] {
        std::fs::create_dir_all(world.at(name)).unwrap();
        confined.arg(world.at(name));
    }
    confined.arg("--").arg(named.0).args(named.1).env_clear();
    for (name, value) in command.stdin(Stdio::null()).get_envs() {
        confined.env(name, value.unwrap());
    }
    confined.stdin(Stdio::null());
    confined
}

fn run(world: &World, program: &str, arguments: &[&str]) -> Ended {
    confined(world, program, arguments).output().unwrap().into()
}

#[test]
fn runs_need_not_remove_anything_from_the_store() {
    let job = TREE.replace("source", "keep = { last = 1 }\nsource");
    let world = World::ready(&job, &["files"]);
    let format = world.at("repository/format");
    let removal = run(&world, "/bin/rm", &[format.to_str().unwrap()]);
    if removal.code == Some(CANNOT) {
        eprintln!("NOT TESTED: this kernel has no Landlock, so nothing can forbid removing");
        return;
    }
    // The test can fail: what it forbids is forbidden.
    removal.expect(1).says("Permission denied");
    for n in 0..30 {
        world.write(&format!("tree/f{n}"), noise(n, 100_000));
    }
    run(&world, "holdfast", &["run", "tree"]).expect(0);
    let mut killed = confined(&world, "holdfast", &["run", "tree"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    for n in 0..30 {
        world.write(&format!("tree/f{n}"), noise(100 + n, 100_000));
    }
    let ended = run(&world, "holdfast", &["run", "tree"]).expect(0);
    assert!(ended.stdout.contains("1 forgotten"), "{}", ended.stdout);
    run(&world, "holdfast", &["check"]).expect(0);
    let inner = world.restore("tree");
    let inner = inner.join(world.at("tree").strip_prefix("/").unwrap());
    assert_eq!(
        compare(&world.at("tree"), &inner).unwrap(),
        Vec::<String>::new()
    );
}
