//! `copy`: between stores of one trust group as packs, between others as content.

use holdfast_filetree::compare::compare;
use holdfast_tests::{Ended, World, noise, recipient};
use std::path::Path;
use std::time::{Duration, SystemTime};

const JOBS: &str =
    "[job.tree]\nsource = \"files\"\nstore = \"local\"\n[job.tree.with]\npaths = [\"DIR/tree\"]\n";

/// A world with a store `local` that is backed up to, and a store `offsite`.
fn world() -> World {
    let world = World::new();
    let directory = world.path().to_str().unwrap();
    let offsite = format!("[store.offsite]\nurl = \"file://{directory}/offsite\"\n");
    world.jobs(&(offsite + &JOBS.replace("DIR", directory)));
    world.install(&["files", "age"]);
    let identity = world.at("operator.key");
    world
        .run(&[
            "init",
            "local",
            "--new-identity",
            identity.to_str().unwrap(),
        ])
        .expect(0);
    for n in 0..20 {
        world.write(&format!("tree/f{n}"), noise(n, 100_000));
    }
    world
}

fn init_offsite(world: &World, more: &[&str]) {
    let recipient = recipient(&world.at("operator.key"));
    let words = ["init", "offsite", "--recipient", &recipient];
    world.run(&[&words[..], more].concat()).expect(0);
}

fn copy(world: &World, more: &[&str]) -> Ended {
    world.run(&[&["copy", "--from", "local", "--to", "offsite"], more].concat())
}

fn comes_back(world: &World, store: &str) {
    let target = world.at(&format!("out-{store}"));
    world
        .as_operator(&[
            "restore",
            "tree",
            "--store",
            store,
            "--target",
            target.to_str().unwrap(),
        ])
        .expect(0);
    let tree = world.at("tree");
    let restored = target.join(tree.strip_prefix("/").unwrap());
    let restored = if restored.exists() { restored } else { target };
    assert_eq!(compare(&tree, &restored).unwrap(), Vec::<String>::new());
}

fn count(directory: &Path) -> usize {
    let listed = std::fs::read_dir(directory).into_iter().flatten();
    listed
        .map(|entry| {
            if entry.as_ref().unwrap().path().is_dir() {
                count(&entry.unwrap().path())
            } else {
                1
            }
        })
        .sum()
}

#[test]
fn packs_travel_as_they_are_where_keys_are_the_same() {
    let world = world();
    world.init_group("offsite", "local").expect(0);
    world.run(&["run", "tree"]).expect(0);
    world.write("tree/f3", "changed");
    world.run(&["run", "tree"]).expect(0);
    // The write keys are enough.
    let said = copy(&world, &["--dry-run"]).expect(0).stdout;
    assert_eq!(said.matches("would be copied").count(), 2, "{said}");
    let said = copy(&world, &[]).expect(0).stdout;
    assert_eq!(said.matches(" copied to offsite as ").count(), 2, "{said}");
    let packs = count(&world.at("repository/packs"));
    assert_eq!(count(&world.at("offsite/packs")), packs);
    let said = copy(&world, &[]).expect(0).stdout;
    assert!(said.contains("2 snapshots are there already"), "{said}");
    world.as_operator(&["check", "offsite", "--data"]).expect(0);
    comes_back(&world, "offsite");
    // And back, when the first is lost.
    std::fs::remove_dir_all(world.at("repository")).unwrap();
    std::fs::remove_file(world.at("keys/local.key")).unwrap();
    world.init_group("local", "offsite").expect(0);
    world
        .run(&["copy", "--from", "offsite", "--to", "local"])
        .expect(0);
    comes_back(&world, "local");
    world.run(&["run", "tree"]).expect(0);
}

#[test]
fn content_is_read_where_keys_differ() {
    let world = world();
    init_offsite(&world, &[]);
    world.run(&["run", "tree"]).expect(0);
    copy(&world, &[])
        .expect(11)
        .says("different keys")
        .says("--same-keys-as");
    let identity = world.at("operator.key");
    let identity = ["--identity", identity.to_str().unwrap()];
    copy(&world, &identity).expect(0);
    world.as_operator(&["check", "offsite", "--data"]).expect(0);
    comes_back(&world, "offsite");
}

#[test]
fn what_cannot_be_copied_is_named() {
    let world = world();
    world.run(&["run", "tree"]).expect(0);
    copy(&world, &[]).expect(10).says("holdfast init");
    init_offsite(&world, &[]);
    world
        .run(&["copy", "--from", "local", "--to", "local"])
        .expect(2)
        .says("cannot be copied into itself");
    world
        .run(&["copy", "--from", "local", "--to", "ofsite"])
        .expect(2)
        .says("offsite");
    let identity = world.at("operator.key");
    copy(
        &world,
        &["nothing", "--identity", identity.to_str().unwrap()],
    )
    .expect(2);
}

#[test]
fn each_store_keeps_what_is_said_for_it_and_copies_may_come_late() {
    let world = world();
    let rules = "keep = { last = 1 }\ncopy-to = [{ store = \"offsite\", keep = { last = 2 } }]\n";
    for _ in 0..3 {
        world.run(&["run", "tree"]).expect(0);
    }
    world.init_group("offsite", "local").expect(0);
    copy(&world, &[]).expect(0);
    // As if they had been copied two hours after they were made.
    #[expect(
        clippy::disallowed_methods,
        reason = "files get a time beside that of the program under test"
    )]
    let late = SystemTime::now() + Duration::from_secs(7200);
    for file in world.files("offsite/snapshots") {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(late).unwrap();
    }
    let path = world.at("holdfast.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("source =", &format!("{rules}source ="));
    std::fs::write(&path, text).unwrap();
    let left = |store: &str| {
        let listed = world.run(&["list", "--store", store, "--json"]).expect(0);
        let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        listed.as_array().unwrap().len()
    };
    assert_eq!((left("local"), left("offsite")), (3, 3));
    world.run(&["forget", "tree"]).expect(0);
    assert_eq!((left("local"), left("offsite")), (1, 2));
    world
        .run(&["forget", "tree", "--store", "offsite"])
        .expect(0);
    assert_eq!((left("local"), left("offsite")), (1, 2));
}

/// Says where a job's snapshots go beside its own store, and what is kept where.
fn tiers(world: &World, rules: &str) {
    let path = world.at("holdfast.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replacen("source =", &format!("{rules}\nsource ="), 1);
    std::fs::write(&path, text).unwrap();
}

fn listed(world: &World, store: &str) -> Vec<serde_json::Value> {
    let listed = world.run(&["list", "--store", store, "--json"]).expect(0);
    serde_json::from_str(&listed.stdout).unwrap()
}

#[test]
fn a_run_fills_the_other_stores_of_its_job_and_forgets_there_too() {
    let world = world();
    world.init_group("offsite", "local").expect(0);
    world.run(&["run", "tree"]).expect(0);
    tiers(
        &world,
        "keep = { last = 1 }\ncopy-to = [{ store = \"offsite\", keep = { last = 2 } }]",
    );
    let said = world.run(&["run", "tree"]).expect(0).stdout;
    assert_eq!(said.matches(" copied to offsite as ").count(), 2, "{said}");
    assert!(
        said.contains("tree: 1 forgotten, 1 kept in local"),
        "{said}"
    );
    assert!(
        said.contains("tree: 0 forgotten, 2 kept in offsite"),
        "{said}"
    );
    comes_back(&world, "offsite");
    // What no rule keeps there does not come back, though it is here.
    tiers(&world, "");
    let said = world.run(&["run", "tree"]).expect(0).stdout;
    assert_eq!(said.matches(" copied to offsite as ").count(), 1, "{said}");
    assert!(
        said.contains("tree: 1 forgotten, 2 kept in offsite"),
        "{said}"
    );
    let lines = world.run(&["run", "tree", "--json"]).expect(0).stdout;
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines.len(),
        4,
        "the snapshot, its copy, and what is kept in two stores"
    );
    assert_eq!(
        (&lines[1]["to"], &lines[1]["from"]),
        (&"offsite".into(), &lines[0]["snapshot"])
    );
    assert_eq!(
        (
            listed(&world, "local").len(),
            listed(&world, "offsite").len()
        ),
        (1, 2)
    );
    let history = world.run(&["history", "--json"]).expect(0).stdout;
    assert_eq!(
        history.matches("\"action\":\"copy\"").count(),
        3,
        "{history}"
    );
    world.as_operator(&["check", "offsite", "--data"]).expect(0);
}

#[test]
fn a_store_that_is_away_gets_what_it_lacks_later_and_nothing_is_forgotten_until_then() {
    let world = world();
    world.init_group("offsite", "local").expect(0);
    tiers(
        &world,
        "keep = { last = 1 }\ncopy-to = [{ store = \"offsite\", keep = { last = 9 } }]",
    );
    world.run(&["run", "tree"]).expect(0);
    let (there, away) = (world.at("offsite"), world.at("away"));
    std::fs::rename(&there, &away).unwrap();
    for _ in 0..2 {
        world
            .run(&["run", "tree"])
            .expect(3)
            .says("tree: the snapshot is committed; it is not copied to `offsite`, and nothing is forgotten");
    }
    assert_eq!(listed(&world, "local").len(), 3);
    std::fs::rename(&away, &there).unwrap();
    let said = world.run(&["run", "tree"]).expect(0).stdout;
    assert_eq!(said.matches(" copied to offsite as ").count(), 3, "{said}");
    assert_eq!(
        (
            listed(&world, "local").len(),
            listed(&world, "offsite").len()
        ),
        (1, 4)
    );
}

#[test]
fn what_is_forgotten_elsewhere_is_not_brought_back_by_a_copy() {
    let world = world();
    world.init_group("offsite", "local").expect(0);
    for _ in 0..3 {
        world.run(&["run", "tree"]).expect(0);
    }
    copy(&world, &[]).expect(0);
    let id = listed(&world, "offsite")[0]["snapshot"].clone();
    world
        .run(&["forget", id.as_str().unwrap(), "--store", "offsite"])
        .expect(0);
    let said = copy(&world, &[]).expect(0).stdout;
    assert!(said.contains("3 snapshots are there already"), "{said}");
    assert_eq!(listed(&world, "offsite").len(), 2);
    // Nor what the rules there would forget at once, even when nothing is left of it.
    tiers(
        &world,
        "copy-to = [{ store = \"offsite\", keep = { last = 1 } }]",
    );
    world
        .run(&["forget", "tree", "--store", "offsite"])
        .expect(0);
    for _ in 0..3 {
        world.run(&["gc", "offsite", "--grace", "0s"]).expect(0);
    }
    let said = copy(&world, &[]).expect(0).stdout;
    assert!(said.contains("2 more are not copied"), "{said}");
    assert_eq!(listed(&world, "offsite").len(), 1);
    // One that is named goes.
    let old = listed(&world, "local")[0]["snapshot"].clone();
    copy(&world, &[old.as_str().unwrap()]).expect(0);
    assert_eq!(listed(&world, "offsite").len(), 2);
}

#[test]
fn packs_go_on_travelling_when_both_stores_of_a_group_are_rotated() {
    let world = world();
    world.init_group("offsite", "local").expect(0);
    tiers(&world, "copy-to = [{ store = \"offsite\" }]");
    world.run(&["run", "tree"]).expect(0);
    world.as_operator(&["rotate", "local"]).expect(0);
    world.write("tree/f4", noise(77, 100_000));
    let asked = world.run(&["run", "tree", "--check"]).expect(0).stdout;
    assert!(
        asked.contains("warning: copy-to offsite: the repositories of"),
        "{asked}"
    );
    world
        .run(&["run", "tree"])
        .expect(3)
        .says("different keys")
        .says("holdfast rotate STORE --same-keys-as OTHER");
    world
        .as_operator(&["rotate", "offsite", "--same-keys-as", "local"])
        .expect(0);
    world.write("tree/f5", noise(78, 100_000));
    let said = world.run(&["run", "tree"]).expect(0).stdout;
    assert_eq!(said.matches(" copied to offsite as ").count(), 2, "{said}");
    assert!(said.contains(" packs, "), "{said}");
    world.as_operator(&["check", "offsite", "--data"]).expect(0);
    comes_back(&world, "offsite");
    world
        .as_operator(&["rotate", "offsite", "--same-keys-as", "local"])
        .expect(2)
        .says("no newer epoch");
}
