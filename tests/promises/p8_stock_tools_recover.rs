//! What was sealed can be recovered with stock `age` and `zstd` and the written format description,
//! without holdfast. The description's own recovery script is what runs here.

use holdfast_filetree::compare::compare;
use holdfast_tests::{TREE, World, noise};
use std::process::Command;

#[test]
fn the_recovery_script_of_the_format_description_brings_a_tree_back() {
    let world = World::ready(TREE, &["files"]);
    for n in 0..200 {
        world.write(
            &format!("tree/d{}/f{n:03}.txt", n % 9),
            format!("line {n}\n").repeat(n * 7),
        );
    }
    world.write("tree/noise", noise(5, 6 << 20));
    world.run(&["run", "tree"]).expect(0);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recover.py");
    let output = Command::new("python3")
        .arg(script)
        .args([
            world.at("repository"),
            world.at("operator.key"),
            world.at("recovered"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let inner = world
        .at("recovered")
        .join(world.at("tree").strip_prefix("/").unwrap());
    let differences = compare(&world.at("tree"), &inner).unwrap();
    // The script restores content, not times.
    let content: Vec<_> = differences
        .iter()
        .filter(|line| !line.contains(": time ") && !line.contains("Ownership"))
        .collect();
    assert!(content.is_empty(), "{content:?}");
}
