//! A world whose store is a bucket.

use holdfast_testkit::proxy::{Asked, Fate, Proxy};
use holdfast_testkit::servers::Server;
use holdfast_tests::{Ended, TREE, World, noise};

/// What is tried twice only, so that a test of what fails is over soon.
pub(crate) const SOON: &str = "attempts = 2\ntimeout-seconds = 2\n";

/// Makes a world whose store is a part of a bucket, and nothing in it yet.
pub(crate) fn world(server: &Server, endpoint: &str, bucket: &str, more: &str) -> World {
    let world = World::new();
    world.write("s3/id", &server.key);
    world.write("s3/secret", &server.secret);
    configure(&world, endpoint, bucket, more);
    world.write("tree/note", "first");
    world
}

/// Writes the configuration anew.
pub(crate) fn configure(world: &World, endpoint: &str, bucket: &str, more: &str) {
    let text = format!(
        "[store.bucket]\nurl = \"s3://{bucket}/hosts/one\"\nendpoint = \"{endpoint}\"\n\
         access-key-id = {{ secret = \"file:{{w}}/s3/id\" }}\n\
         secret-access-key = {{ secret = \"file:{{w}}/s3/secret\" }}\n{more}{TREE}"
    );
    let text = text.replace("{w}", &world.path().display().to_string());
    std::fs::write(world.at("holdfast.toml"), text).unwrap();
}

/// Makes a world with a repository in a new bucket, one snapshot in it, and a gate in front.
pub(crate) fn gated(server: &Server) -> (World, Proxy) {
    let proxy = Proxy::before(&server.endpoint);
    let bucket = server.bucket();
    let world = world(server, &proxy.endpoint, &bucket, SOON);
    world.set_up(&["files"]);
    world.run(&["run", "tree"]).expect(0);
    (world, proxy)
}

/// Runs a backup of something new while things go wrong; then, that nothing was lost and the next one goes well.
pub(crate) fn a_run_that_fails(
    world: &World,
    proxy: &Proxy,
    fate: impl FnMut(&Asked) -> Fate + Send + 'static,
) -> Ended {
    world.write("tree/more", noise(9, 200_000));
    proxy.decide(fate);
    let ended = world.run(&["run", "tree"]);
    proxy.decide(|_| Fate::Pass);
    assert_eq!(world.snapshots(), 1, "{}", ended.stderr);
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(world.snapshots(), 2);
    assert!(restored_whole(world));
    ended
}

/// Restores the newest snapshot and compares.
pub(crate) fn restored_whole(world: &World) -> bool {
    let target = world.restore("tree");
    let found = std::process::Command::new("diff")
        .arg("-r")
        .arg(world.at("tree"))
        .arg(target.join(world.at("tree").strip_prefix("/").unwrap()))
        .output()
        .unwrap();
    found.status.success()
}
