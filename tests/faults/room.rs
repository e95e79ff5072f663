//! Disks that become full under copies, collections, repairs and runs, in memory and on ext4: each says so, and what
//! to do; nothing is lost, and when there is room again the next one is clean.

use super::restored_equals;
use super::small::{KINDS, Small};
use holdfast_filetree::compare::compare;
use holdfast_tests::{Ended, TREE, World, noise};

const MEBIBYTES: u64 = 48;
/// Room for small objects, and for no pack.
const HARDLY_ANY: u64 = 300 << 10;

/// Demands what a command says that finds no room.
fn finds_no_room(ended: Ended, place: &str) {
    ended
        .expect(75)
        .says("No space left on device")
        .says(place)
        .says("hint: Make room in");
}

/// A world whose repository lies on a small file system.
fn small_world(kind: &str) -> Option<(World, Small)> {
    let world = World::new();
    let small = Small::of_kind(kind, world.at("repository"), MEBIBYTES)?;
    world.jobs(TREE);
    world.set_up(&["files"]);
    for n in 0..12 {
        world.write(&format!("tree/f{n}"), noise(n, 1 << 20));
    }
    world.run(&["run", "tree"]).expect(0);
    Some((world, small))
}

fn collect(world: &World) -> Ended {
    world.as_operator(&["gc", "--grace", "0s", "--max-unused", "0"])
}

#[test]
fn a_run_that_finds_no_room_says_so_and_the_next_completes_it() {
    for kind in KINDS {
        let Some((world, small)) = small_world(kind) else {
            continue;
        };
        world.write("tree/more", noise(99, 4 << 20));
        small.fill_but(HARDLY_ANY);
        finds_no_room(world.run(&["run", "tree"]), "/repository");
        assert_eq!(world.snapshots(), 1, "{kind}");
        world.as_operator(&["check", "--data"]).expect(0);
        small.clear();
        world.run(&["run", "tree"]).expect(0);
        world.as_operator(&["check", "--data"]).expect(0);
        restored_equals(&world);
    }
}

#[test]
fn a_collection_that_finds_no_room_to_copy_loses_nothing_and_the_next_makes_room() {
    for kind in KINDS {
        let Some((world, small)) = small_world(kind) else {
            continue;
        };
        for n in 3..12 {
            std::fs::remove_file(world.at(&format!("tree/f{n}"))).unwrap();
        }
        let first = world.run(&["list", "--json"]).expect(0).stdout;
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        let first = first[0]["snapshot"].as_str().unwrap();
        world.run(&["run", "tree"]).expect(0);
        world.run(&["forget", first]).expect(0);
        let stored = || -> u64 {
            let packs = world.files("repository/packs").into_iter();
            packs.map(|pack| pack.metadata().unwrap().len()).sum()
        };
        let before = stored();
        small.fill_but(HARDLY_ANY);
        finds_no_room(collect(&world), "/repository");
        world.as_operator(&["check", "--data"]).expect(0);
        restored_equals(&world);
        // Without copying it needs hardly any.
        world.run(&["gc", "--grace", "0s"]).expect(0);
        small.clear();
        for _ in 0..4 {
            collect(&world).expect(0);
        }
        assert!(stored() < before / 2, "{kind}: {} of {before}", stored());
        world.as_operator(&["check", "--data"]).expect(0);
        restored_equals(&world);
        world.run(&["run", "tree"]).expect(0);
    }
}

#[test]
fn a_repair_that_finds_no_room_loses_nothing_and_the_next_completes_it() {
    for kind in KINDS {
        let Some((world, small)) = small_world(kind) else {
            continue;
        };
        let tree = TREE.replace("[job.tree]", "[job.tree]\nstore = \"local\"");
        world.jobs(&format!(
            "[store.mirror]\nurl = \"file://{{w}}/mirror\"\n{tree}"
        ));
        std::fs::copy(world.at("keys/local.key"), world.at("keys/mirror.key")).unwrap();
        copy(&world, "repository", "mirror");
        let packs = world.files("repository/packs");
        let length = |pack: &std::path::PathBuf| pack.metadata().unwrap().len();
        let pack = packs.iter().max_by_key(|pack| length(pack)).unwrap();
        let mut bytes = std::fs::read(pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(pack, &bytes).unwrap();
        let repair = ["check", "local", "--data", "--repair", "--from", "mirror"];
        small.fill_but(HARDLY_ANY);
        finds_no_room(world.as_operator(&repair), "/repository");
        assert!(std::fs::read(pack).unwrap() == bytes, "{kind}");
        small.clear();
        world.as_operator(&repair).expect(0);
        world.as_operator(&["check", "local", "--data"]).expect(0);
        restored_equals(&world);
    }
}

/// Copies a directory of the world.
fn copy(world: &World, from: &str, to: &str) {
    let mut copy = std::process::Command::new("cp");
    copy.args(["-a", "--reflink=auto"])
        .args([world.at(from), world.at(to)]);
    assert!(copy.status().unwrap().success());
}

#[test]
fn a_copy_that_finds_no_room_is_completed_by_the_next() {
    for (kind, same_keys) in KINDS.into_iter().zip([true, false]) {
        let world = World::new();
        let Some(small) = Small::of_kind(kind, world.at("offsite"), MEBIBYTES) else {
            continue;
        };
        let tree = TREE.replace("[job.tree]", "[job.tree]\nstore = \"local\"");
        world.jobs(&format!(
            "[store.offsite]\nurl = \"file://{{w}}/offsite\"\n{tree}"
        ));
        world.install(&["files", "age"]);
        let (ours, theirs) = (world.at("operator.key"), world.at("offsite.key"));
        let (ours, theirs) = (ours.to_str().unwrap(), theirs.to_str().unwrap());
        world
            .run(&["init", "local", "--new-identity", ours])
            .expect(0);
        let mut init = vec!["init", "offsite", "--new-identity", theirs];
        if same_keys {
            init.extend(["--same-keys-as", "local", "--identity", ours]);
        }
        world.run(&init).expect(0);
        world.write("tree/first", noise(1, 1 << 20));
        world.run(&["run", "tree"]).expect(0);
        let copy = ["copy", "--from", "local", "--to", "offsite"];
        world.as_operator(&copy).expect(0);
        for n in 2..8 {
            world.write(&format!("tree/more{n}"), noise(n, 1 << 20));
        }
        world.run(&["run", "tree"]).expect(0);
        small.fill_but(HARDLY_ANY);
        finds_no_room(world.as_operator(&copy), "/offsite");
        let there = || {
            let listed = world
                .run(&["list", "--json", "--store", "offsite"])
                .expect(0);
            let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
            listed.as_array().unwrap().len()
        };
        assert_eq!(there(), 1, "{kind}");
        let check = ["check", "offsite", "--data", "--identity", theirs];
        world.run(&check).expect(0);
        small.clear();
        world.as_operator(&copy).expect(0);
        assert_eq!(there(), 2, "{kind}");
        world.run(&check).expect(0);
        let target = world.at("out");
        let to = target.to_str().unwrap();
        let restore = ["restore", "tree", "--store", "offsite", "--target", to];
        let restore = [&restore[..], &["--identity", theirs]].concat();
        world.run(&restore).expect(0);
        let inner = target.join(world.at("tree").strip_prefix("/").unwrap());
        let differences = compare(&world.at("tree"), &inner).unwrap();
        assert_eq!(differences, Vec::<String>::new(), "{kind}");
    }
}
