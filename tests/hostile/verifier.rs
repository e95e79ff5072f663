//! A verifier that misbehaves: what it judges stays as it is, and backups go on.

use holdfast_tests::World;

fn world(how: &str) -> World {
    let job = format!(
        "{}[job.tree.verify-with.hostile-verifier]\nhow = {how:?}\n",
        holdfast_tests::TREE.replace(
            "[job.tree.with]",
            "verify = [\"hostile-verifier\"]\n[job.tree.with]"
        )
    );
    let world = World::ready(&job, &["files", "hostile-verifier"]);
    world.write("tree/a", "content");
    world.run(&["run", "tree"]).expect(0);
    world
}

/// Lets it misbehave, and demands that nothing came of it but words.
#[track_caller]
fn harmless(how: &str, code: i32, words: &str) {
    let world = world(how);
    let before = world.files("repository");
    let ended = world.as_operator(&["verify", "tree"]).expect(code);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains(words), "`{words}` is not in: {said}");
    assert!(
        !said.contains('\x1b') && !said.contains("\nforged"),
        "{said}"
    );
    assert_eq!(world.files("repository"), before);
    world.as_operator(&["check", "--data"]).expect(0);
    let restored = world
        .restore("tree")
        .join(world.at("tree/a").strip_prefix("/").unwrap());
    assert_eq!(std::fs::read(restored).unwrap(), b"content");
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(world.snapshots(), 2);
}

#[test]
fn a_verifier_that_breaks_harms_nothing() {
    harmless("memory", 1, "it wanted more memory than it may have");
    harmless("panic", 1, "it panicked");
    harmless("fail", 1, "plugin `hostile-verifier`: ");
}

#[test]
fn a_verifier_that_floods_is_cut_short() {
    harmless("flood", 4, "flood");
}

#[test]
fn a_verifier_reaches_nothing_but_the_snapshot() {
    harmless("escape", 1, "has a component that is empty, `.` or `..`");
    for how in ["read-tree", "write-tree", "secret", "state", "spawn"] {
        harmless(how, 12, "plugin `hostile-verifier` asked to ");
    }
}
