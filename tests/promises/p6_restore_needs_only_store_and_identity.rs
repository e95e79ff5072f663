//! To restore, the machine that made the backup is not needed, nor is any cache.

use holdfast_filetree::compare::compare;
use holdfast_tests::{TREE, World, noise, plugin};

#[test]
fn another_machine_restores_with_the_store_and_an_identity() {
    let world = World::ready(TREE, &["files"]);
    for n in 0..50 {
        world.write(
            &format!("tree/d{}/f{n}", n % 7),
            noise(n, 1000 * n as usize),
        );
    }
    world.write("tree/large", noise(99, 9 << 20));
    world.run(&["run", "tree"]).expect(0);
    let other = World::new();
    other.jobs("");
    let store = format!(
        "[store.local]\nurl = \"file://{}/repository\"\n",
        world.path().display()
    );
    std::fs::write(other.at("holdfast.toml"), store).unwrap();
    std::fs::copy(world.at("operator.key"), other.at("operator.key")).unwrap();
    other
        .run(&[
            "plugin",
            "install",
            plugin("age").to_str().unwrap(),
            "--yes",
        ])
        .expect(0);
    let restored = other.restore("tree");
    let inner = restored.join(world.at("tree").strip_prefix("/").unwrap());
    assert_eq!(
        compare(&world.at("tree"), &inner).unwrap(),
        Vec::<String>::new()
    );
}
