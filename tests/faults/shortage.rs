//! A machine that is short of something: what is not read then is not absent, and a run that leaves it out must not
//! pass for one that has it all.

use holdfast_tests::{TREE, World};

/// Keeps one snapshot: a run that wrongly succeeds loses the one before it.
const KEEP_ONE: &str = "keep = { last = 1 }\nsource";

fn keeping_one() -> World {
    World::ready(&TREE.replacen("source", KEEP_ONE, 1), &["files"])
}

#[test]
fn a_run_without_descriptors_ends_with_75_and_the_snapshot_before_it_stays() {
    let world = keeping_one();
    let deep = format!("tree/{}", "d/".repeat(60));
    world.write(&format!("{deep}file"), "at the bottom");
    world.run(&["run", "tree"]).expect(0);
    let mut short = 0;
    for count in [12, 20, 30, 40, 50, 60, 70, 80, 90] {
        world.write(&format!("{deep}file"), format!("with {count} descriptors"));
        let ended = world.with_descriptors(count, &["run", "tree"]);
        if ended.code != Some(0) {
            assert!(!ended.stderr.contains("panicked"), "{ended:?}");
            ended.expect(75);
            short += 1;
            assert_eq!(world.snapshots(), 1);
        }
    }
    assert!(short > 2, "only {short} runs were short of descriptors");
    world.run(&["run", "tree"]).expect(0);
    let restored = world.restore("tree");
    let inner = world.at(&format!("{deep}file"));
    let inner = restored.join(inner.strip_prefix("/").unwrap());
    assert_eq!(
        std::fs::read_to_string(inner).unwrap(),
        "with 90 descriptors"
    );
}
