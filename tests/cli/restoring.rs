//! Restores: of a part, in advance, and again after a kill.

use holdfast_tests::{TREE, World, noise};
use std::os::unix::fs::MetadataExt;

#[test]
fn a_hard_link_comes_back_without_what_it_refers_to() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a/first", "one file, three names");
    std::fs::create_dir(world.at("tree/b")).unwrap();
    for name in ["tree/b/second", "tree/b/third"] {
        std::fs::hard_link(world.at("tree/a/first"), world.at(name)).unwrap();
    }
    world.run(&["run", "tree"]).expect(0);
    let path = world.at("tree/b").display().to_string();
    let target = world.at("out").display().to_string();
    let restore = ["restore", "tree", &path, "--target", &target];
    let planned = world
        .as_operator(&[&restore[..], &["--dry-run"]].concat())
        .expect(0);
    assert!(
        planned.stdout.contains("would restore 3 entries, 21 B"),
        "{}",
        planned.stdout
    );
    assert!(!world.at("out").exists());
    let done = world.as_operator(&restore).expect(0);
    assert!(
        done.stdout.contains("restored 3 entries, 21 B"),
        "{}",
        done.stdout
    );
    let back = |name: &str| world.at(&format!("out{path}/{name}"));
    let text = std::fs::read_to_string(back("second")).unwrap();
    assert_eq!(text, "one file, three names");
    let number = |name: &str| back(name).metadata().unwrap().ino();
    assert_eq!(number("second"), number("third"));
    assert_eq!(world.files("out").len(), 2);
    // Its content is there by any of its names.
    let name = world.at("tree/b/third").display().to_string();
    let content = world.as_operator(&["cat", "tree", &name]).expect(0).stdout;
    assert_eq!(content, "one file, three names");
}

#[test]
fn a_restore_that_was_killed_goes_on_when_it_is_run_again() {
    let world = World::ready(TREE, &["files"]);
    for n in 0..60 {
        world.write(&format!("tree/f{n:02}"), noise(n, 1 << 20));
    }
    world.run(&["run", "tree"]).expect(0);
    let target = world.at("out").display().to_string();
    let identity = world.at("operator.key").display().to_string();
    let restore = ["restore", "tree", "--target", &target];
    let words = [&restore[..], &["--identity", &identity]].concat();
    let kill = || {
        let _ = std::fs::remove_dir_all(&target);
        let mut child = world.start(&words);
        while world.files("out").len() < 3 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        !child.wait().unwrap().success()
    };
    // A fast machine may be done before it is killed; not every time.
    assert!((0..20).any(|_| kill()), "no restore was killed in time");
    // Without --overwrite: what a restore had begun is its own, what somebody else wrote is not.
    let inner = format!("out{}/tree", world.path().display());
    world.write(&format!("{inner}/own"), "somebody's own");
    let again = world.as_operator(&[&restore[..], &["--json"]].concat());
    let again: serde_json::Value = serde_json::from_str(&again.expect(0).stdout).unwrap();
    assert_eq!(again["refused"].as_array().unwrap().len(), 0, "{again}");
    for n in 0..60 {
        let back = std::fs::read(world.at(&format!("{inner}/f{n:02}"))).unwrap();
        assert!(back == noise(n, 1 << 20), "f{n:02} differs");
    }
    assert_eq!(world.files("out").len(), 61);
}

#[test]
fn the_content_of_a_sparse_file_has_its_holes() {
    let world = World::ready(TREE, &["files"]);
    let file = {
        std::fs::create_dir(world.at("tree")).unwrap();
        std::fs::File::create(world.at("tree/sparse")).unwrap()
    };
    use std::os::unix::fs::FileExt;
    file.set_len(3 << 20).unwrap();
    file.write_all_at(b"middle", 1 << 20).unwrap();
    drop(file);
    world.run(&["run", "tree"]).expect(0);
    let path = world.at("tree/sparse").display().to_string();
    let listed = world.as_operator(&["cat", "tree", &path]).expect(0).stdout;
    let expected = std::fs::read(world.at("tree/sparse")).unwrap();
    assert_eq!(listed.len(), expected.len());
    assert!(listed.as_bytes() == expected);
    let directory = world.at("tree").display().to_string();
    world
        .as_operator(&["cat", "tree", &directory])
        .expect(2)
        .says("is a directory and has no content");
}

#[test]
fn a_link_that_stands_in_the_target_is_not_followed() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/sub/a", "restored");
    world.run(&["run", "tree"]).expect(0);
    let target = world.at("out").display().to_string();
    let inner = world.at(&format!("out{}/tree", world.path().display()));
    std::fs::create_dir_all(inner.parent().unwrap()).unwrap();
    std::fs::create_dir_all(world.at("elsewhere/sub")).unwrap();
    std::os::unix::fs::symlink(world.at("elsewhere"), &inner).unwrap();
    let restore = ["restore", "tree", "--target", &target];
    world
        .as_operator(&restore)
        .expect(3)
        .says("a link or a file stands where its directory belongs");
    assert!(inner.is_symlink() && world.files("elsewhere").is_empty());
    // Told to, it replaces the link; what it leads to stays as it is.
    world
        .as_operator(&[&restore[..], &["--overwrite"]].concat())
        .expect(0);
    assert!(!inner.is_symlink() && world.files("elsewhere").is_empty());
    assert_eq!(std::fs::read(inner.join("sub/a")).unwrap(), b"restored");
}

#[test]
fn a_tree_goes_back_in_place_without_replacing_what_is_there() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "before");
    world.write("tree/b", "lost");
    world.run(&["run", "tree"]).expect(0);
    std::fs::remove_file(world.at("tree/b")).unwrap();
    world.write("tree/a", "after");
    let back = ["restore", "tree", "--to-source"];
    let read = |name: &str| std::fs::read_to_string(world.at(name)).unwrap_or_default();
    let dry = world
        .as_operator(&[&back[..], &["--dry-run"]].concat())
        .expect(0);
    assert!(
        dry.stdout.contains("would restore 3 entries"),
        "{}",
        dry.stdout
    );
    assert_eq!(read("tree/b"), "");
    world
        .as_operator(&back)
        .expect(3)
        .says("tree/a: something stands there already");
    assert_eq!(
        (read("tree/a"), read("tree/b")),
        ("after".into(), "lost".into())
    );
    let only = world.at("tree/a").display().to_string();
    let overwrite = [&back[..], &[&only, "--overwrite"]].concat();
    world.as_operator(&overwrite).expect(0);
    assert_eq!(read("tree/a"), "before");
}

const DATABASE: &str = "[job.db]\nsource = \"command\"\n[job.db.with]\nentry = \"db.sql\"\n\
    command = [\"cat\", \"{w}/db\"]\nrestore-command = [\"tee\", \"{w}/db\"]\n";

#[test]
fn what_a_source_replaces_is_saved_before_and_is_never_taken_for_the_newest_backup() {
    let world = World::ready(DATABASE, &["command"]);
    world.write("db", "good");
    world.run(&["run", "db"]).expect(0);
    world.write("db", "broken");
    let back = ["restore", "db", "--to-source", "--json"];
    let answer = world.as_operator(&back).expect(0).stdout;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let saved = answer["saved"].as_str().unwrap();
    let read = || std::fs::read_to_string(world.at("db")).unwrap();
    assert_eq!(read(), "good");
    // Once more gives the same: not what was saved a moment ago.
    world.as_operator(&back).expect(0);
    assert_eq!(read(), "good");
    world
        .as_operator(&["restore", saved, "--to-source", "--no-safety-backup"])
        .expect(0);
    assert_eq!(read(), "broken");
    let listed = world.run(&["list"]).expect(0).stdout;
    assert_eq!(listed.matches("pre-restore").count(), 2, "{listed}");
}

#[test]
fn what_cannot_be_saved_is_not_replaced_unless_somebody_says_so() {
    let world = World::ready(DATABASE, &["command"]);
    world.write("db", "good");
    world.run(&["run", "db"]).expect(0);
    std::fs::remove_file(world.at("db")).unwrap();
    std::fs::create_dir(world.at("db")).unwrap();
    world
        .as_operator(&["restore", "db", "--to-source"])
        .expect(1)
        .says("could not be saved before it is restored; nothing was changed")
        .says("--no-safety-backup");
    std::fs::remove_dir(world.at("db")).unwrap();
    world
        .as_operator(&["restore", "db", "--to-source", "--no-safety-backup"])
        .expect(0);
    assert_eq!(std::fs::read(world.at("db")).unwrap(), b"good");
}

#[test]
fn what_was_saved_before_a_restore_has_a_lifetime_of_its_own_and_freezes_nothing() {
    let rules = "keep = { last = 1 }\nkeep-tags = { pre-restore = { last = 1 } }\nsource";
    let world = World::ready(&DATABASE.replacen("source", rules, 1), &["command"]);
    world.write("db", "good".repeat(10_000));
    world.run(&["run", "db"]).expect(0);
    for _ in 0..2 {
        world.write("db", "x");
        world
            .as_operator(&["restore", "db", "--to-source"])
            .expect(0);
    }
    let said = world.run(&["run", "db"]).expect(0).stdout;
    // Of two backups and two that were saved, one of each kind stays.
    assert!(said.contains("db: 2 forgotten, 2 kept in local"), "{said}");
}
