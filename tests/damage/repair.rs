//! The same damage, and then `check --repair`: alone, from a mirror, and by parity; with each key; and what
//! is refused.

use super::matrix::{BASE, HARMS, Harm, forget, stdout};
use holdfast_tests::{Ended, TREE, World, noise};
use std::path::{Path, PathBuf};

const REPAIR: [&str; 3] = ["check", "--data", "--repair"];

/// Returns all objects with their bytes.
fn objects(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let files = world.files("repository").into_iter();
    files
        .map(|file| (file.clone(), std::fs::read(file).unwrap()))
        .collect()
}

/// Adds a store to a world: a copy of the repository in it, as it is now.
fn mirror(world: &World) {
    let copied = std::process::Command::new("cp")
        .args(["-a", "repository", "mirror"])
        .current_dir(world.path())
        .status();
    assert!(copied.unwrap().success());
    let config = world.at("holdfast.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (place, key) = (world.at("mirror"), world.at("keys/local.key"));
    let more = format!(
        "\n[store.mirror]\nurl = \"file://{}\"\nkey = \"{}\"\n",
        place.display(),
        key.display()
    );
    std::fs::write(config, text + &more).unwrap();
}

/// Which objects of `mine` a case is about: each kind, at most two of each.
fn objects_of_mine() -> Vec<&'static Path> {
    let base = &*BASE;
    let packs = base.of_kind(&base.mine, "packs");
    let mut objects = vec![packs[0], packs[packs.len() - 1]];
    objects.extend(base.of_kind(&base.mine, "index"));
    objects.extend(base.of_kind(&base.mine, "snapshots"));
    objects
}

#[test]
fn every_damage_is_repaired_as_far_as_it_can_be_and_the_next_run_and_restore_are_whole() {
    let base = &*BASE;
    for object in objects_of_mine() {
        for harm in HARMS {
            let told = format!("{} {harm:?}", object.display());
            let kind = object.iter().next().unwrap().to_str().unwrap();
            let partner = base.of_kind(&base.other, kind)[0];
            if kind == "snapshots" && matches!(harm, Harm::Removed | Harm::Swapped) {
                continue;
            }
            let world = base.harmed(object, Some(partner), harm);
            let ended = world.as_operator(&REPAIR);
            // Content is lost; the index is not, and what lies at the name of another is not either.
            let is_whole = kind != "packs" || harm == Harm::Swapped;
            let code = if is_whole { 0 } else { 4 };
            assert_eq!(ended.code, Some(code), "{told}: {ended:?}");
            if harm != Harm::Removed && harm != Harm::Swapped {
                stdout(&ended, &format!("set-aside: {}", object.display()), &told);
                assert!(!world.files("repository/quarantine").is_empty(), "{told}");
            }
            base.comes_back(&world, "other", &told);
            match kind {
                "packs" if !is_whole => base.fails_loudly(&world, &told),
                "snapshots" => {}
                _ => base.comes_back(&world, "mine", &told),
            }
            forget(&world);
            for job in ["mine", "other"] {
                world.run(&["run", job]).expect(0);
                base.comes_back(&world, job, &told);
            }
            world.as_operator(&["check", "--data"]).expect(0);
        }
    }
}

#[test]
fn every_damage_is_undone_from_a_mirror() {
    let base = &*BASE;
    for object in objects_of_mine() {
        for harm in HARMS {
            let told = format!("{} {harm:?}", object.display());
            let kind = object.iter().next().unwrap().to_str().unwrap();
            if kind == "snapshots" && harm == Harm::Removed {
                continue;
            }
            let partner = base.of_kind(&base.other, kind)[0];
            let world = base.world.fork();
            mirror(&world);
            base.harm(&world, object, Some(partner), harm);
            forget(&world);
            let repair = [&REPAIR[..], &["local", "--from", "mirror"]].concat();
            let ended = world.as_operator(&repair);
            assert_eq!(ended.code, Some(0), "{told}: {ended:?}");
            if kind != "index" {
                let path = world.at("repository").join(object);
                let sound = std::fs::read(world.at("mirror").join(object)).unwrap();
                assert!(std::fs::read(path).unwrap() == sound, "{told}");
            }
            let ended = world.as_operator(&["check", "local", "--data"]);
            assert_eq!(ended.code, Some(0), "{told}: {ended:?}");
            // A second repair finds nothing to do, and changes nothing.
            let before = objects(&world);
            world.as_operator(&repair).expect(0);
            assert!(objects(&world) == before, "{told}");
        }
    }
}

fn protected(parity: &str) -> World {
    let world = World::ready(TREE, &["files"]);
    let config = world.at("holdfast.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replacen("url =", &format!("parity = \"{parity}\"\nurl ="), 1);
    std::fs::write(config, text).unwrap();
    world.write("tree/large", noise(1, 3 << 20));
    world.write("tree/small", "small");
    world
}

#[test]
fn parity_mends_packs_with_any_key() {
    let world = protected("10%");
    world.run(&["run", "tree"]).expect(0);
    let packs = world.files("repository/packs");
    assert_eq!(world.files("repository/parity").len(), packs.len());
    let sound = objects(&world);
    for pack in &packs {
        let mut bytes = std::fs::read(pack).unwrap();
        let (middle, gap) = (bytes.len() / 2, bytes.len() / 12);
        bytes[middle..middle + gap].fill(0);
        std::fs::write(pack, bytes).unwrap();
    }
    world.run(&["check", "--data"]).expect(4);
    let ended = world.run(&REPAIR).expect(0);
    assert_eq!(ended.stdout.matches("healed: packs/").count(), packs.len());
    for (path, bytes) in sound {
        assert!(std::fs::read(path).unwrap() == bytes);
    }
    world.restore("tree");
    // What has none gets it.
    std::fs::remove_dir_all(world.at("repository/parity")).unwrap();
    let ended = world.run(&REPAIR).expect(0);
    assert_eq!(
        ended.stdout.matches("protected: packs/").count(),
        packs.len()
    );
    world.run(&["check", "--data"]).expect(0);
}

#[test]
fn parity_of_nonsense_is_refused_with_its_place() {
    for nonsense in ["0%", "110%", "1+2", "some"] {
        let world = protected(nonsense);
        world
            .run(&["run", "tree"])
            .expect(2)
            .says(&format!("`{nonsense}` is no parity"))
            .says("Write a share of 1% to 100%");
        assert!(world.files("repository/packs").is_empty());
    }
}

#[test]
fn a_repair_that_finds_nothing_changes_nothing_with_any_key() {
    let world = BASE.world.fork();
    let audit = world.at("audit.key");
    let audit = audit.to_str().unwrap();
    world.run(&["key", "export", "audit", audit]).expect(0);
    let before = objects(&world);
    let nothing = |ended: Ended| {
        let said = ended.expect(0).stdout;
        assert!(said.contains("no damage found"), "{said}");
        assert!(objects(&world) == before);
    };
    nothing(world.as_operator(&REPAIR));
    nothing(world.run(&REPAIR));
    nothing(world.run(&[&REPAIR[..], &["--key", audit]].concat()));
    nothing(world.as_operator(&[&REPAIR[..], &["--dry-run"]].concat()));
}

#[test]
fn lower_keys_leave_content_to_an_identity() {
    let base = &*BASE;
    let object = base.of_kind(&base.mine, "packs")[0];
    let world = base.harmed(object, None, Harm::Flipped);
    let audit = world.at("audit.key");
    let audit = audit.to_str().unwrap();
    world.run(&["key", "export", "audit", audit]).expect(0);
    let before = objects(&world);
    for arguments in [&REPAIR[..], &[&REPAIR[..], &["--key", audit]].concat()] {
        let ended = world.run(arguments).expect(4);
        stdout(&ended, "repair with an identity or a read key", "");
        assert!(objects(&world) == before);
    }
    let ended = world.as_operator(&REPAIR).expect(4);
    stdout(&ended, "lost: mine@", "");
    assert!(!world.at("repository").join(object).exists());
}

#[test]
fn what_cannot_be_healed_from_is_refused_and_nothing_changes() {
    let base = &*BASE;
    let object = base.of_kind(&base.mine, "packs")[0];
    let world = base.harmed(object, None, Harm::Flipped);
    let foreign = World::ready("", &[]);
    let config = world.at("holdfast.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let more = format!(
        "\n[store.same]\nurl = \"file://{0}/../repository\"\nkey = \"{1}\"\n\
         [store.foreign]\nurl = \"file://{2}\"\nkey = \"{3}\"\n\
         [store.none]\nurl = \"file:///nonexistent/none\"\n",
        world.at("repository").display(),
        world.at("keys/local.key").display(),
        foreign.at("repository").display(),
        foreign.at("keys/local.key").display(),
    );
    std::fs::write(config, text + &more).unwrap();
    let before = objects(&world);
    let refused = |from: &str, code: i32, words: &str| {
        let repair = [&REPAIR[..], &["local", "--from", from]].concat();
        world.run(&repair).expect(code).says(words);
        assert!(objects(&world) == before, "{from}");
    };
    refused("local", 2, "is the repository that is to be repaired");
    refused("same", 2, "is the repository that is to be repaired");
    refused("foreign", 11, "has other keys");
    refused("none", 10, "there is no repository");
    refused("unheard-of", 2, "unheard-of");
    world
        .run(&["check", "local", "--from", "foreign"])
        .expect(2);
    world.run(&["check", "local", "--dry-run"]).expect(2);
}

/// Returns a job's newest snapshot, by its id.
fn newest(world: &World, job: &str) -> String {
    let listed = world.run(&["list", "--json"]).expect(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let mut listed = listed.as_array().unwrap().iter();
    let newest = listed.rfind(|snapshot| snapshot["job"] == job).unwrap();
    newest["snapshot"].as_str().unwrap().to_owned()
}

#[test]
fn a_damaged_mark_forgets_nothing_and_is_in_nobodys_way() {
    let world = BASE.world.fork();
    let flip = |area: &str| {
        let path = world.files(&format!("repository/{area}")).remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let (mine, other) = (newest(&world, "mine"), newest(&world, "other"));
    world.run(&["forget", &mine]).expect(0);
    flip("tombstones");
    let checked = world.run(&["check"]).expect(4);
    stdout(&checked, "damaged: tombstones/s-", "a tombstone");
    BASE.comes_back(&world, "mine", "a damaged tombstone");
    let repaired = world.run(&["check", "--repair"]).expect(0);
    stdout(&repaired, "its snapshot is not forgotten", "a tombstone");
    world.run(&["forget", &mine]).expect(0);
    world.run(&["check"]).expect(0);

    world
        .run(&["hold", &other, "--reason", "a trial"])
        .expect(0);
    flip("holds");
    let repaired = world.run(&["check", "--repair"]).expect(4);
    stdout(&repaired, "`holdfast release` ends it", "a hold");
    world.run(&["forget", &other]).expect(12);
    world.run(&["release", &other]).expect(0);
    world.run(&["check"]).expect(0);
}
