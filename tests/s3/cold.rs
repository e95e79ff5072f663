//! Packs of content in a cold storage class: what still works, and how a restore gets at them.

use super::support::{SOON, configure, restored_whole, world};
use holdfast_testkit::proxy::Proxy;
use holdfast_testkit::servers::{self, Server};
use holdfast_tests::{Ended, World, noise};

const DEEP: &str = "storage-class = \"DEEP_ARCHIVE\"\n";

/// A repository whose content lies in a cold class.
struct Frozen {
    world: World,
    proxy: Proxy,
    bucket: String,
    server: Server,
}

impl Frozen {
    /// Makes one with two snapshots, the second of which adds a file.
    fn new() -> Self {
        let server = servers::own_moto();
        server.thaw_in_steps();
        let proxy = Proxy::before(&server.endpoint);
        let bucket = server.bucket();
        let world = world(&server, &proxy.endpoint, &bucket, &format!("{SOON}{DEEP}"));
        world.set_up(&["files"]);
        world.write("tree/first", noise(1, 300_000));
        world.run(&["run", "tree"]).expect(0);
        world.write("tree/second", noise(2, 300_000));
        world.run(&["run", "tree"]).expect(0);
        Self {
            world,
            proxy,
            bucket,
            server,
        }
    }

    /// Restores with more arguments into a directory that is not there yet.
    fn restore(&self, more: &[&str]) -> Ended {
        let target = self.world.at("back");
        let mut arguments = vec!["restore", "tree", "--target", target.to_str().unwrap()];
        arguments.extend(more);
        self.world.as_operator(&arguments)
    }

    /// Returns the packs that the service was asked to thaw, each as often as it was asked.
    fn asked_for(&self) -> Vec<String> {
        let seen = self.proxy.seen().into_iter();
        let asked = seen.filter(|asked| asked.method == "POST" && asked.target.contains("restore"));
        asked.map(|asked| asked.target).collect()
    }

    /// Returns the packs that lie in the cold class.
    fn cold(&self) -> usize {
        let listed = self
            .server
            .ask(&["GET", &format!("/{}?list-type=2", self.bucket)]);
        listed.matches("DEEP_ARCHIVE").count()
    }
}

#[test]
fn a_restore_of_what_is_cold_writes_nothing_asks_once_and_goes_on_when_it_is_thawed() {
    let frozen = Frozen::new();
    assert!(frozen.cold() >= 2);
    let ended = frozen
        .restore(&[])
        .expect(75)
        .says("lie in a cold storage class");
    ended.says("--thaw");
    assert!(frozen.asked_for().is_empty());

    frozen
        .restore(&["--thaw"])
        .expect(75)
        .says("are being thawed");
    let asked = frozen.asked_for();
    assert_eq!(asked.len(), frozen.cold());
    // Whoever asks again, or only looks, asks the service for nothing more.
    frozen
        .restore(&["--thaw"])
        .expect(75)
        .says("are being thawed");
    assert_eq!(frozen.asked_for(), asked);
    assert!(!frozen.world.at("back").exists());

    frozen.restore(&["--thaw"]).expect(0);
    assert_eq!(frozen.asked_for(), asked);
    assert!(restored_whole(&frozen.world));
}

#[test]
fn a_restore_that_waits_restores_when_it_is_thawed() {
    let frozen = Frozen::new();
    frozen.restore(&["--wait"]).expect(2);
    let ended = frozen
        .restore(&["--thaw", "--wait", "--poll", "1s"])
        .expect(0);
    ended.says("are being thawed; looking again in 1 s");
    assert!(restored_whole(&frozen.world));
}

#[test]
fn a_restore_of_a_part_thaws_only_what_that_needs() {
    let frozen = Frozen::new();
    let only = ["--dry-run", "--json", "fir*"];
    let said = frozen.restore(&only).expect(0);
    let value: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let packs = value["cold"]["packs"].as_u64().unwrap() as usize;
    assert!(packs > 0 && packs < frozen.cold(), "{value}");
    assert!(frozen.asked_for().is_empty());
    frozen
        .restore(&["fir*", "--thaw", "--thaw-tier", "bulk", "--thaw-days", "2"])
        .expect(75);
    assert_eq!(frozen.asked_for().len(), packs);
}

#[test]
fn what_is_no_content_stays_readable_and_all_else_says_what_is_cold() {
    let frozen = Frozen::new();
    let world = &frozen.world;
    assert_eq!(world.snapshots(), 2);
    world.run(&["show", "tree"]).expect(0);
    for arguments in [
        &["ls", "tree"][..],
        &["find", "second"],
        &["gc"],
        &["gc", "--max-unused", "0"],
    ] {
        world.as_operator(arguments).expect(0);
    }
    let checked = world.run(&["check"]).expect(0);
    assert!(
        checked.stdout.contains("lie in a cold storage class"),
        "{}",
        checked.stdout
    );
    let checked = world.as_operator(&["check", "--data"]).expect(3);
    assert!(
        checked.stdout.contains("no damage found"),
        "{}",
        checked.stdout
    );
    checked.says("were not read").says("--thaw");

    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let local = format!(
        "[store.local]\nurl = \"file://{}/local\"\n",
        world.path().display()
    );
    std::fs::write(world.at("holdfast.toml"), format!("{local}{text}")).unwrap();
    let other = world.at("local.key");
    let init = ["init", "local", "--new-identity", other.to_str().unwrap()];
    world.run(&init).expect(0);
    let first = format!("{}/tree/first", world.path().display());
    for arguments in [
        &["cat", "tree", &first, "--store", "bucket"][..],
        &["copy", "tree", "--from", "bucket", "--to", "local"],
    ] {
        let ended = world.as_operator(arguments).expect(75);
        ended.says("lies in a cold storage class").says("--thaw");
    }
}

#[test]
fn a_run_that_could_read_what_it_writes_does_not_demand_it_of_a_cold_class() {
    let server = servers::moto();
    let bucket = server.bucket();
    let world = world(server, &server.endpoint, &bucket, &format!("{SOON}{DEEP}"));
    world.set_up(&["files"]);
    let key = world.at("read.key");
    world
        .as_operator(&["key", "export", "read", key.to_str().unwrap()])
        .expect(0);
    let more = format!("{SOON}{DEEP}key = \"{}\"\n", key.display());
    configure(&world, &server.endpoint, &bucket, &more);
    world.write("tree/first", noise(1, 300_000));
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(world.snapshots(), 1);
}
