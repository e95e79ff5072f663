//! What opens a repository, harmed in each way: its spare stands in for it, `check` names it and a repair puts
//! it back. Where both are harmed, that is told, and nothing is made over it.

use super::matrix::{BASE, HARMS, Harm, forget, stdout};
use holdfast_tests::World;
use std::path::{Path, PathBuf};

/// One of each kind that a repository has which no passphrase opens.
const OBJECTS: [&str; 3] = ["format", "epochs/00000001", "announcements/00000001"];
/// What any store may do to an object.
const HARMS_ALONE: [Harm; 4] = [Harm::Flipped, Harm::Cut, Harm::Removed, Harm::Emptied];

fn spare(object: &str) -> PathBuf {
    Path::new("spares").join(object)
}

/// Makes a copy in which these objects are harmed; another repository's take their place where they are swapped.
fn harmed(objects: &[&Path], harm: Harm) -> World {
    let world = BASE.world.fork();
    let foreign = (harm == Harm::Swapped).then(|| World::ready("", &[]));
    for object in objects {
        let path = world.at("repository").join(object);
        match &foreign {
            Some(foreign) => drop(std::fs::copy(foreign.at("repository").join(object), path)),
            None => BASE.harm(&world, object, None, harm),
        }
    }
    forget(&world);
    world
}

fn is_as_it_was(world: &World, object: &Path, told: &str) {
    let read = |world: &World| std::fs::read(world.at("repository").join(object)).unwrap();
    assert!(read(world) == read(&BASE.world), "{told}");
}

#[test]
fn a_spare_stands_in_for_what_opens_a_repository_until_a_repair_puts_it_back() {
    for object in OBJECTS {
        for harm in HARMS_ALONE {
            let told = format!("{object} {harm:?}");
            let world = harmed(&[Path::new(object)], harm);
            BASE.comes_back(&world, "mine", &told);
            // By any key: no operator is needed to see it, or to mend it.
            let checked = world.run(&["check"]).expect(4);
            stdout(&checked, &format!("damaged: {object}: "), &told);
            stdout(&checked, "; its spare is sound", &told);
            let ran = world.run(&["run", "mine"]);
            if object.starts_with("epochs") {
                ran.expect(3).says("only its spare opens the repository");
            } else {
                ran.expect(0);
            }
            let repaired = world.run(&["check", "--repair"]).expect(0);
            stdout(
                &repaired,
                &format!("healed: {object}: from its spare"),
                &told,
            );
            is_as_it_was(&world, Path::new(object), &told);
            world.run(&["check"]).expect(0);
            world.run(&["run", "mine"]).expect(0);
            BASE.comes_back(&world, "mine", &told);
            // Who could open the old epoch finds it in no place any more.
            world.as_operator(&["rotate"]).expect(0);
            for place in ["epochs", "spares/epochs"] {
                assert_eq!(
                    world.files(&format!("repository/{place}")).len(),
                    1,
                    "{told}"
                );
            }
            assert!(
                world.files("repository/quarantine/epochs").is_empty(),
                "{told}"
            );
        }
    }
}

#[test]
fn a_harmed_spare_costs_nothing_and_is_made_again() {
    for object in OBJECTS {
        for harm in HARMS_ALONE {
            let told = format!("spare of {object} {harm:?}");
            let world = harmed(&[&spare(object)], harm);
            let code = if harm == Harm::Removed { 0 } else { 4 };
            let checked = world.run(&["check"]).expect(code);
            if code == 4 {
                stdout(&checked, &format!("damaged: spares/{object}: "), &told);
            }
            world.run(&["run", "mine"]).expect(0);
            BASE.comes_back(&world, "mine", &told);
            world.run(&["check", "--repair"]).expect(0);
            is_as_it_was(&world, &spare(object), &told);
            world.run(&["check"]).expect(0);
        }
    }
}

#[test]
fn a_harmed_format_without_a_spare_ends_everything_and_no_second_repository_is_made_over_it() {
    for harm in HARMS {
        let world = harmed(&[Path::new("format"), &spare("format")], harm);
        let code = match harm {
            Harm::Removed => 10,
            Harm::Swapped => 11,
            _ => 4,
        };
        for arguments in [&["run", "mine"][..], &["list"], &["check"]] {
            let ended = world.run(arguments);
            assert_eq!(ended.code, Some(code), "{harm:?} {arguments:?}: {ended:?}");
        }
        let before = world.files("repository");
        let (key, identity) = (world.at("keys/local.key"), world.at("again.key"));
        std::fs::remove_file(&key).unwrap();
        let again = world.run(&["init", "--new-identity", identity.to_str().unwrap()]);
        assert!(!matches!(again.code, Some(0)), "{harm:?}: {again:?}");
        assert_eq!(world.files("repository"), before, "{harm:?}");
        assert!(!key.exists(), "{harm:?}");
    }
}

#[test]
fn a_harmed_epoch_without_a_spare_is_told_to_all_and_a_read_key_mends_it() {
    let epoch = OBJECTS[1];
    // In a copy: others are being made of the original.
    let keeper = BASE.world.fork();
    let read = keeper.at("read.key");
    let read = read.to_str().unwrap();
    keeper
        .as_operator(&["key", "export", "read", read])
        .expect(0);
    for harm in HARMS {
        let told = format!("{harm:?}");
        let world = harmed(&[Path::new(epoch), &spare(epoch)], harm);
        let code = if harm == Harm::Swapped { 11 } else { 4 };
        let ended = world.as_operator(&["check"]);
        assert_eq!(ended.code, Some(code), "{told}: {ended:?}");
        let checked = world.run(&["check"]).expect(4);
        stdout(&checked, &format!("damaged: {epoch}: "), &told);
        stdout(&checked, "operators cannot open the repository", &told);
        world
            .run(&["run", "mine"])
            .expect(3)
            .says("operators cannot open this backup with their identities");
        world.run(&["rotate", "--key", read]).expect(0);
        world.run(&["check"]).expect(0);
        world.run(&["run", "mine"]).expect(0);
        for job in ["mine", "other"] {
            BASE.comes_back(&world, job, &told);
        }
    }
}
