//! Every repository format that was ever released stays readable: what is kept in `tests/golden` is
//! listed, checked, repaired, restored and added to by today's program.
//!
//! `HOLDFAST_MAKE_GOLDEN=1` writes a repository for a format that has none yet; one that is there is
//! never written again.

use holdfast_tests::{TREE, World, noise};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the tree was when the golden repository was made: paths in a snapshot are whole.
const TREE_PLACE: &str = "srv/golden";

fn golden(name: &str) -> PathBuf {
    let repositories = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/repositories");
    repositories.join(name)
}

/// What is in the tree: made by a rule, so that nothing beside the repository needs to be kept.
fn contents() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for n in 0..20_u64 {
        let text = format!("line {n} of a golden file\n").repeat(n as usize * 5);
        files.insert(format!("d{}/text{n:02}", n % 3), text.into_bytes());
    }
    files.insert("noise".into(), noise(7, 200_000));
    files.insert("empty".into(), Vec::new());
    files
}

fn make_tree(root: &Path) {
    for (name, bytes) in contents() {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    symlink("../nowhere", root.join("link")).unwrap();
    std::fs::hard_link(root.join("noise"), root.join("twin")).unwrap();
    std::fs::set_permissions(root.join("empty"), PermissionsExt::from_mode(0o640)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(status.unwrap().success());
}

fn make(golden: &Path) {
    let world = World::ready("", &["files"]);
    let tree = Path::new("/").join(TREE_PLACE);
    make_tree(&tree);
    world.jobs(&TREE.replace("{w}/tree", tree.to_str().unwrap()));
    world.run(&["run", "tree"]).expect(0);
    std::fs::remove_dir_all(tree).unwrap();
    std::fs::create_dir_all(golden).unwrap();
    for name in ["repository", "operator.key", "keys"] {
        copy(&world.at(name), &golden.join(name));
    }
}

#[test]
fn a_repository_of_format_1_is_checked_restored_and_added_to() {
    stays_readable(&golden("1"));
}

#[test]
fn a_repository_whose_hosts_have_keys_and_whose_keys_have_spares_is_too() {
    stays_readable(&golden("1-host-keys"));
}

fn stays_readable(golden: &Path) {
    if std::env::var_os("HOLDFAST_MAKE_GOLDEN").is_some() && !golden.exists() {
        make(golden);
    }
    let world = World::new();
    world.install(&["files", "age"]);
    for name in ["repository", "operator.key", "keys"] {
        copy(&golden.join(name), &world.at(name));
    }
    assert_eq!(world.snapshots(), 1);
    world.as_operator(&["check", "--data"]).expect(0);
    world.as_operator(&["check", "--repair"]).expect(0);
    came_back(&world.restore("tree"));

    world.write("tree/new", "new");
    world.jobs(TREE);
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(world.snapshots(), 2);
    world.as_operator(&["check", "--data"]).expect(0);
    let listed = world.run(&["list", "--json"]).expect(0);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let old = listed[0]["snapshot"].as_str().unwrap();
    let target = world.at("old");
    let words = ["restore", old, "--target", target.to_str().unwrap()];
    world.as_operator(&words).expect(0);
    came_back(&target);
}

fn came_back(target: &Path) {
    let root = target.join(TREE_PLACE);
    for (name, bytes) in contents() {
        assert!(std::fs::read(root.join(&name)).unwrap() == bytes, "{name}");
    }
    let link = std::fs::read_link(root.join("link")).unwrap();
    assert_eq!(link, Path::new("../nowhere"));
    let inode = |name: &str| root.join(name).metadata().unwrap().ino();
    assert_eq!(inode("noise"), inode("twin"));
    let mode = root.join("empty").metadata().unwrap().mode();
    assert_eq!(mode & 0o7777, 0o640);
}
