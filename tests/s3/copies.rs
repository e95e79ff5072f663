//! Copies over the network: from a disk to a bucket, from bucket to bucket of another service, and back.

use super::support::SOON;
use holdfast_testkit::proxy::{Fate, Proxy};
use holdfast_testkit::servers::{self, Server};
use holdfast_tests::{TREE, World, noise};

/// Writes the table of a store in a new bucket.
fn table(world: &World, name: &str, server: &Server, endpoint: &str, more: &str) -> String {
    world.write(&format!("s3/{name}.id"), &server.key);
    world.write(&format!("s3/{name}.secret"), &server.secret);
    format!(
        "[store.{name}]\nurl = \"s3://{}/copies\"\nendpoint = \"{endpoint}\"\n\
         access-key-id = {{ secret = \"file:{{w}}/s3/{name}.id\" }}\n\
         secret-access-key = {{ secret = \"file:{{w}}/s3/{name}.secret\" }}\n{SOON}{more}",
        server.bucket()
    )
}

/// A world with a store on its disk, one in a bucket that it copies to, and one in another service's.
fn world(near: &str) -> World {
    let (ceph, moto) = (servers::ceph(), servers::moto());
    let world = World::new();
    let near = table(&world, "near", ceph, near, "");
    let far = table(
        &world,
        "far",
        moto,
        &moto.endpoint,
        "region = \"eu-west-1\"\n",
    );
    let job = TREE.replacen(
        "source =",
        "store = \"local\"\ncopy-to = [{ store = \"near\", keep = { last = 5 } }]\nsource =",
        1,
    );
    world.jobs(&(near + &far + &job));
    world.install(&["files", "age"]);
    let identity = world.at("operator.key").display().to_string();
    world
        .run(&["init", "local", "--new-identity", &identity])
        .expect(0);
    for store in ["near", "far"] {
        world.init_group(store, "local").expect(0);
    }
    world.write("tree/large", noise(1, 12 << 20));
    world
}

#[test]
fn snapshots_travel_from_disk_to_bucket_to_bucket_and_back() {
    let world = world(&servers::ceph().endpoint);
    for round in 0..2 {
        world.write("tree/more", noise(round, 300_000));
        world.run(&["run", "tree"]).expect(0);
    }
    let copy = |from: &str, to: &str| world.run(&["copy", "--from", from, "--to", to]).expect(0);
    let said = copy("near", "far").stdout;
    assert_eq!(said.matches(" copied to far as ").count(), 2, "{said}");
    assert!(
        copy("near", "far")
            .stdout
            .contains("2 snapshots are there already")
    );
    for store in ["near", "far"] {
        world.as_operator(&["check", store, "--data"]).expect(0);
    }
    // The disk is lost; a new one gets all of it back from the farthest.
    std::fs::remove_dir_all(world.at("repository")).unwrap();
    std::fs::remove_file(world.at("keys/local.key")).unwrap();
    world.init_group("local", "far").expect(0);
    copy("far", "local");
    world.as_operator(&["check", "local", "--data"]).expect(0);
    let target = world.at("back").display().to_string();
    world
        .as_operator(&["restore", "tree", "--store", "local", "--target", &target])
        .expect(0);
    let tree = world.at("tree");
    let back = world.at("back").join(tree.strip_prefix("/").unwrap());
    assert_eq!(
        std::fs::read(back.join("large")).unwrap(),
        noise(1, 12 << 20)
    );
    assert_eq!(std::fs::read(back.join("more")).unwrap(), noise(1, 300_000));
}

#[test]
fn a_copy_that_the_network_cuts_leaves_no_half_snapshot_and_the_next_run_completes_it() {
    let proxy = Proxy::before(&servers::ceph().endpoint);
    let world = world(&proxy.endpoint);
    // Lists and small objects pass; packs break off.
    proxy.decide(|asked| match asked.method.as_str() {
        "PUT" | "POST" if asked.target.contains("/packs/") => Fate::Drop,
        _ => Fate::Pass,
    });
    world
        .run(&["run", "tree"])
        .expect(3)
        .says("the snapshot is committed; it is not copied to `near`");
    proxy.decide(|_| Fate::Pass);
    let there = |store: &str| {
        let listed = world.run(&["list", "--store", store, "--json"]).expect(0);
        let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        listed.as_array().unwrap().len()
    };
    assert_eq!((there("local"), there("near")), (1, 0));
    world.write("tree/more", "another");
    world.run(&["run", "tree"]).expect(0);
    assert_eq!((there("local"), there("near")), (2, 2));
    world.as_operator(&["check", "near", "--data"]).expect(0);
}
