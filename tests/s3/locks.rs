//! Object lock, through the program: what a run locks nobody destroys, and what that costs is said before.

use super::rights::{documented_lock, documented_policy};
use super::support::{SOON, configure, restored_whole, world};
use holdfast_testkit::proxy::{Fate, Proxy};
use holdfast_testkit::servers::{self, Server};
use holdfast_tests::{Ended, World, noise};
use serde_json::Value;

const LOCKING: [&str; 2] = ["-h", "x-amz-bucket-object-lock-enabled:true"];
const LOCK: &str = "attempts = 2\ntimeout-seconds = 2\nlock = \"30d\"\n";

/// Makes a world with a repository in a new bucket with object lock.
fn locking(server: &Server, endpoint: &str, more: &str) -> (World, String) {
    let bucket = server.bucket_with(&LOCKING);
    let world = world(server, endpoint, &bucket, more);
    world.set_up(&["files"]);
    (world, bucket)
}

fn answer(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stdout))
}

/// Versions and markers of a bucket: kind, key and version.
fn versions(server: &Server, bucket: &str) -> Vec<(&'static str, String, String)> {
    let listed = server.ask(&["GET", &format!("/{bucket}?versions=")]);
    let mut found = Vec::new();
    for kind in ["Version", "DeleteMarker"] {
        for part in listed.split(&format!("<{kind}>")).skip(1) {
            let of = |field: &str| {
                let (_, rest) = part.split_once(&format!("<{field}>")).unwrap();
                rest.split('<').next().unwrap().to_owned()
            };
            found.push((kind, of("Key"), of("VersionId")));
        }
    }
    found
}

fn keys(server: &Server, bucket: &str, area: &str) -> Vec<String> {
    let area = format!("/{area}");
    let all = versions(server, bucket).into_iter();
    let keys = all.map(|(_, key, _)| key);
    keys.filter(|key| key.contains(&area)).collect()
}

/// Removes everything in a bucket, as far as it goes: first so that it is hidden, and then for good.
fn rob(server: &Server, bucket: &str) -> (usize, usize) {
    let (mut gone, mut kept) = (0, 0);
    let all = versions(server, bucket);
    for (_, key, _) in &all {
        server.ask(&["DELETE", &format!("/{bucket}/{key}")]);
    }
    for (_, key, version) in all {
        let target = format!("/{bucket}/{key}?versionId={version}");
        match server.ask_as(&server.key, &["DELETE", &target]).0 {
            200..=299 => gone += 1,
            400 | 403 => kept += 1,
            other => panic!("{key}: {other}"),
        }
    }
    (gone, kept)
}

/// Takes the markers away that hide what is still there, as docs/s3.md says.
fn unhide(server: &Server, bucket: &str) {
    for (kind, key, version) in versions(server, bucket) {
        if kind == "DeleteMarker" {
            server.ask(&["DELETE", &format!("/{bucket}/{key}?versionId={version}")]);
        }
    }
}

#[test]
fn what_a_run_locked_survives_a_thief_who_may_remove_everything() {
    let server = servers::ceph();
    let bucket = server.bucket_with(&LOCKING);
    let world = world(server, &server.endpoint, &bucket, LOCK);
    let policy = documented_policy(&bucket).replace("\"Statement\": [", &documented_lock(&bucket));
    server.ask(&["PUT", &format!("/{bucket}?policy="), "-b", &policy]);
    world.set_up(&["files"]);
    // The backup user may create and lock, and nothing else.
    world.write("s3/id", format!("{}2", server.key));
    world.write("tree/large", noise(1, 3 << 20));
    world.run(&["run", "tree"]).expect(0);
    world.write("tree/more", noise(2, 200_000));
    world.run(&["run", "tree"]).expect(0);
    // The thief has the keys of the bucket's owner.
    let (gone, kept) = rob(server, &bucket);
    assert!(gone > 2 && kept > 6, "{gone} gone, {kept} kept");
    assert_ne!(world.run(&["list"]).code, Some(0));
    unhide(server, &bucket);
    assert!(keys(server, &bucket, "index/").is_empty());
    assert_eq!(world.snapshots(), 2);
    std::fs::remove_dir_all(world.at("cache")).unwrap();
    world.as_operator(&["check", "--repair"]).expect(0);
    world.as_operator(&["check", "--data"]).expect(0);
    assert!(restored_whole(&world));
}

#[test]
fn collection_says_what_is_locked_until_when_and_leaves_it() {
    let server = servers::moto();
    let (world, bucket) = locking(server, &server.endpoint, LOCK);
    world.write("tree/large", noise(1, 2 << 20));
    world.run(&["run", "tree"]).expect(0);
    std::fs::remove_file(world.at("tree/large")).unwrap();
    // The next one shares no content with it, and so no pack.
    world.write("tree/note", "second");
    let first = answer(&world.run(&["list", "--json"]).expect(0));
    let first = first[0]["snapshot"].as_str().unwrap().to_owned();
    world.run(&["run", "tree"]).expect(0);
    world.run(&["forget", &first]).expect(0);
    let before = keys(server, &bucket, "packs/");
    for _ in 0..4 {
        let told = world
            .run(&["gc", "--grace", "0s", "--dry-run"])
            .expect(0)
            .stdout;
        assert!(told.contains("object lock keeps them until"), "{told}");
        assert!(told.contains("1 forgotten snapshots are locked"), "{told}");
        let done = answer(&world.run(&["gc", "--grace", "0s", "--json"]).expect(0));
        assert_eq!(done["locked-snapshots"], serde_json::json!([first]));
        assert!(
            done["locked"]["bytes"].as_u64().unwrap() > 2 << 20,
            "{done}"
        );
        assert_eq!(done["removed"]["packs"], 0);
    }
    assert_eq!(keys(server, &bucket, "packs/"), before);
    world.run(&["undelete", &first]).expect(0);
    assert_eq!(world.snapshots(), 2);
    assert!(restored_whole(&world));
}

#[test]
fn collection_in_a_bucket_with_object_lock_frees_what_is_not_locked() {
    let server = servers::ceph();
    let (world, bucket) = locking(server, &server.endpoint, SOON);
    world.write("tree/large", noise(1, 2 << 20));
    world.run(&["run", "tree"]).expect(0);
    std::fs::remove_file(world.at("tree/large")).unwrap();
    let first = answer(&world.run(&["list", "--json"]).expect(0));
    world.run(&["run", "tree"]).expect(0);
    let first = first[0]["snapshot"].as_str().unwrap();
    world.run(&["forget", first]).expect(0);
    let before = versions(server, &bucket).len();
    for _ in 0..4 {
        world.run(&["gc", "--grace", "0s"]).expect(0);
    }
    let after = versions(server, &bucket);
    assert!(after.len() < before, "{after:?}");
    // Nothing is only hidden: that would be paid for, and nobody would see it.
    assert!(
        after.iter().all(|(kind, _, _)| *kind == "Version"),
        "{after:?}"
    );
    assert!(restored_whole(&world));
}

#[test]
fn what_locking_costs_is_said_before_and_a_dry_run_locks_nothing() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let (world, _) = locking(server, &proxy.endpoint, SOON);
    world.write("tree/large", noise(1, 2 << 20));
    world.run(&["run", "tree"]).expect(0);
    world
        .run(&["lock"])
        .expect(2)
        .says("it is not said how long");
    let puts = || {
        let asked = proxy.seen();
        let puts = asked
            .iter()
            .filter(|asked| asked.target.contains("retention"));
        puts.count() as u64
    };
    let dry = ["lock", "--for", "10d", "--dry-run", "--json"];
    let plan = answer(&world.run(&dry).expect(0));
    assert_eq!((puts(), &plan["done"]), (0, &Value::Null));
    assert_eq!(
        (&plan["snapshots"], &plan["mode"]),
        (&1.into(), &"governance".into())
    );
    assert!(plan["bytes-to-lock"].as_u64().unwrap() > 2 << 20);
    let days = plan["gib-days"].as_f64().unwrap();
    let bytes = plan["bytes-to-lock"].as_f64().unwrap();
    let expected = bytes / f64::from(1 << 30) * 10.0;
    assert!(
        (days - expected).abs() < expected * 0.01,
        "{days} {expected}"
    );
    let told = world
        .run(&["lock", "--for", "10d", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(told.contains("1 snapshots reach"), "{told}");
    assert!(told.contains("GiB-days that could otherwise go"), "{told}");
    // An audit key is enough.
    let audit = world.at("audit.key");
    let audit = audit.to_str().unwrap();
    world.run(&["key", "export", "audit", audit]).expect(0);
    let done = world.run(&["lock", "--for", "10d", "--key", audit, "--json"]);
    let done = answer(&done.expect(0));
    assert_eq!(done["done"]["objects"], plan["objects"]);
    assert_eq!(done["done"]["not-locked"], 0);
    assert_eq!(Value::from(puts()), plan["to-lock"]);
    let again = answer(
        &world
            .run(&["lock", "tree", "--for", "9d", "--json"])
            .expect(0),
    );
    assert_eq!(
        (&again["to-lock"], &again["requests"]),
        (&0.into(), &0.into())
    );
    assert_eq!(Value::from(puts()), plan["to-lock"]);
}

#[test]
fn a_run_that_may_not_lock_has_committed_says_so_and_is_mended_by_lock() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let (world, _) = locking(server, &proxy.endpoint, LOCK);
    proxy.decide(|asked| {
        if asked.target.contains("retention") {
            Fate::Answer(403, "AccessDenied", &[])
        } else {
            Fate::Pass
        }
    });
    let ended = world.run(&["run", "tree"]).expect(3);
    let ended = ended.says(": committed to `bucket`, but");
    let ended = ended.says("objects are not locked").says("do not allow it");
    let _ = ended.says("holdfast lock tree@");
    assert_eq!(world.snapshots(), 1);
    world
        .run(&["lock"])
        .expect(12)
        .says("objects are not locked");
    proxy.decide(|_| Fate::Pass);
    world.run(&["lock", "tree"]).expect(0);
    let plan = answer(&world.run(&["lock", "--dry-run", "--json"]).expect(0));
    assert_eq!(plan["to-lock"], 0);
    world.run(&["run", "tree"]).expect(0);
}

#[test]
fn what_is_held_is_held_in_the_bucket_too_and_a_release_lets_it_go() {
    let server = servers::ceph();
    let (world, bucket) = locking(server, &server.endpoint, SOON);
    world.write("tree/large", noise(1, 2 << 20));
    world.run(&["run", "tree"]).expect(0);
    let held = world.run(&["hold", "tree", "--reason", "court", "--json"]);
    let held = answer(&held.expect(0));
    let objects = held["locked-objects"].as_u64().unwrap() as usize;
    let (_, kept) = rob(server, &bucket);
    assert_eq!(kept, objects);
    unhide(server, &bucket);
    world.as_operator(&["check", "--repair"]).expect(0);
    assert!(restored_whole(&world));
    world
        .run(&["hold", "tree", "--reason", "again"])
        .expect(12)
        .says("is held: court");
    let id = held["snapshot"].as_str().unwrap();
    let released = answer(&world.run(&["release", id, "--json"]).expect(0));
    assert!(released["unlocked-objects"].as_u64().unwrap() > 4);
    assert_eq!(released["locked-until"], Value::Null);
    let (_, kept) = rob(server, &bucket);
    assert_eq!(kept, 0, "nothing is held any more");
}

#[test]
fn a_hold_with_an_end_is_kept_by_the_bucket_until_then() {
    let server = servers::moto();
    let (world, bucket) = locking(server, &server.endpoint, SOON);
    world.run(&["run", "tree"]).expect(0);
    let hold = ["hold", "tree", "--reason", "audit", "--until", "2090-12-31"];
    world.run(&hold).expect(0);
    let told = world.run(&["release", "tree"]).expect(0).stdout;
    assert!(
        told.contains("object lock keeps it all the same until 2091-01-01"),
        "{told}"
    );
    let needed = [
        "packs/",
        "snapshots/",
        "epochs/",
        "announcements/",
        "format",
    ];
    // With their spares, which have the same names.
    let needed = needed.map(|area| keys(server, &bucket, area).len());
    let (_, kept) = rob(server, &bucket);
    assert_eq!(kept, needed.iter().sum::<usize>());
    unhide(server, &bucket);
    world.as_operator(&["check", "--repair"]).expect(0);
    assert!(restored_whole(&world));
}

#[test]
fn settings_that_cannot_be_are_named_with_their_place() {
    let server = servers::moto();
    let bucket = server.bucket();
    let world = world(server, &server.endpoint, &bucket, SOON);
    world.set_up(&["files"]);
    world.run(&["run", "tree"]).expect(0);
    let lock = |more: &str| configure(&world, &server.endpoint, &bucket, more);
    lock(LOCK);
    for arguments in [&["run", "tree"][..], &["lock"], &["doctor"]] {
        let ended = world.run(arguments).expect(2);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("had no object lock"), "{said}");
        assert!(said.contains("holdfast.toml:8:8"), "{said}");
    }
    assert_eq!(
        world.snapshots(),
        1,
        "nothing is committed that is not locked"
    );
    lock("lock = \"soon\"\n");
    world
        .run(&["run", "tree"])
        .expect(2)
        .says("`soon` is no time to lock something");
    lock(SOON);
    world
        .run(&["lock", "--for", "3d"])
        .expect(2)
        .says("no object lock");
    let (world, _) = locking(server, &server.endpoint, SOON);
    world
        .run(&["lock", "--until", "1999-12-31"])
        .expect(2)
        .says("nothing can be locked until `1999-12-31`");
    world.run(&["lock", "--for", "never"]).expect(2);
    world
        .run(&["lock", "--for", "500y"])
        .expect(2)
        .says("a hundred years at most");
}

#[test]
fn what_is_copied_to_a_bucket_is_locked_there_too() {
    let server = servers::moto();
    let bucket = server.bucket_with(&LOCKING);
    let world = world(server, &server.endpoint, &bucket, LOCK);
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let local = format!(
        "[store.local]\nurl = \"file://{}\"\n",
        world.at("repository").display()
    );
    let job = "[job.tree]\nstore = \"local\"\ncopy-to = [{ store = \"bucket\" }]";
    let text = format!("{local}{}", text.replace("[job.tree]", job));
    std::fs::write(world.at("holdfast.toml"), text).unwrap();
    world.install(&["files", "age"]);
    let identity = world.at("operator.key").display().to_string();
    let init = ["init", "local", "--new-identity", &identity];
    world.run(&init).expect(0);
    world.init_group("bucket", "local").expect(0);
    let unlocked = || {
        let plan = ["lock", "--store", "bucket", "--dry-run", "--json"];
        let plan = answer(&world.run(&plan).expect(0));
        assert!(plan["objects"].as_u64().unwrap() > 5, "{plan}");
        plan["to-lock"].as_u64().unwrap()
    };
    // After a run, and when somebody says so.
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(unlocked(), 0);
    world.write("tree/more", noise(3, 100_000));
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let alone = text.replace("copy-to = [{ store = \"bucket\" }]", "");
    std::fs::write(world.at("holdfast.toml"), alone).unwrap();
    world.run(&["run", "tree"]).expect(0);
    world
        .run(&["copy", "--from", "local", "--to", "bucket"])
        .expect(0);
    assert_eq!(unlocked(), 0);
    world
        .run(&["lock", "--for", "3d", "--store", "local"])
        .expect(2);
}
