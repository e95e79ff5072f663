//! Init, run and restore, on each service in its own way.

use super::support::{SOON, configure, restored_whole, world};
use holdfast_testkit::proxy::{Fate, Proxy};
use holdfast_testkit::servers::{self, Server};
use holdfast_tests::{World, noise};

/// Backs up twice, looks at it, and restores where nothing is but the bucket and the identity.
fn round(world: &World) {
    world.write("tree/large", noise(1, 15 << 20));
    world.run(&["run", "tree"]).expect(0);
    world.write("tree/more", noise(2, 100_000));
    world.run(&["run", "tree"]).expect(0);
    world.run(&["check"]).expect(0);
    world.as_operator(&["check", "--data"]).expect(0);
    std::fs::remove_dir_all(world.at("cache")).unwrap();
    assert!(restored_whole(world));
    assert_eq!(world.snapshots(), 2);
}

fn identity(world: &World) -> String {
    world.at("operator.key").display().to_string()
}

fn made(server: &Server, endpoint: &str) -> (World, String) {
    let world = world(server, endpoint, &server.bucket(), SOON);
    world.install(&["files", "age"]);
    let said = world
        .run(&["init", "--new-identity", &identity(&world)])
        .expect(0);
    (world, format!("{}{}", said.stdout, said.stderr))
}

#[test]
fn a_bucket_of_a_full_service_holds_a_repository() {
    let server = servers::ceph();
    let (world, said) = made(server, &server.endpoint);
    assert!(said.contains("conditional-create real"), "{said}");
    assert!(!said.contains("warning"), "{said}");
    round(&world);
}

#[test]
fn a_service_that_ignores_conditions_is_named_and_holds_a_repository_all_the_same() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    proxy.decide(|_| Fate::Without(&["if-none-match", "if-match"]));
    let (world, said) = made(server, &proxy.endpoint);
    assert!(
        said.contains("warning: the service does not create conditionally"),
        "{said}"
    );
    // A second one at the same place is refused, though the service would let it.
    let other = world.at("other.key");
    std::fs::remove_dir_all(world.at("keys")).unwrap();
    world
        .run(&["init", "--new-identity", other.to_str().unwrap()])
        .expect(2)
        .says("already holds a repository");
    world
        .run(&["key", "recover", "--identity", &identity(&world)])
        .expect(0);
    round(&world);
}

#[test]
fn a_service_that_only_says_that_it_creates_conditionally_is_found_out() {
    let server = servers::s3s();
    let (world, said) = made(server, &server.endpoint);
    assert!(said.contains("but in a race several won"), "{said}");
    round(&world);
}

#[test]
fn credentials_come_from_the_environment_too_and_are_never_shown() {
    let server = servers::ceph();
    let (world, _) = made(server, &server.endpoint);
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.contains("s3/")).collect();
    std::fs::write(world.at("holdfast.toml"), without.join("\n")).unwrap();
    let call = |secret: &str| {
        let output = world
            .command(&["run", "tree", "-v", "-v", "-v"])
            .env("AWS_ACCESS_KEY_ID", &server.key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .output();
        holdfast_tests::Ended::from(output.unwrap())
    };
    let ended = call(&server.secret).expect(0);
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(&server.secret));
    let ended = call("not-the-secret-at-all")
        .expect(12)
        .says("does not take the credentials");
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("not-the-secret-at-all"));
    let nobody = world
        .command(&["list"])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output();
    holdfast_tests::Ended::from(nobody.unwrap())
        .expect(12)
        .says("no credentials are there");
}

#[test]
fn objects_have_the_class_and_the_tags_that_the_table_says() {
    let server = servers::moto();
    let bucket = server.bucket();
    let more = "storage-class = \"STANDARD_IA\"\nobject-tags = { team = \"db = web\" }\n";
    let world = world(server, &server.endpoint, &bucket, more);
    world.set_up(&["files"]);
    world.write("tree/large", noise(1, 15 << 20));
    world.run(&["run", "tree"]).expect(0);
    let listed = server.ask(&["GET", &format!("/{bucket}?list-type=2&prefix=hosts/one/")]);
    let objects: Vec<&str> = listed.split("<Contents>").skip(1).collect();
    let (packs, others): (Vec<&str>, Vec<&str>) = objects
        .iter()
        .copied()
        .partition(|object| object.contains("/packs/"));
    let is_in_class = |object: &&str| object.contains("STANDARD_IA");
    // Content is; entries and references, which are read all the time, are not.
    let content = packs.iter().filter(|object| is_in_class(object)).count();
    assert!(content >= 1 && content < packs.len(), "{listed}");
    assert!(!others.iter().any(is_in_class), "{listed}");
    for object in objects {
        let key = object
            .split("<Key>")
            .nth(1)
            .unwrap()
            .split("</Key>")
            .next()
            .unwrap();
        let tags = server.ask(&["GET", &format!("/{bucket}/{key}?tagging=")]);
        assert!(tags.contains("<Value>db = web</Value>"), "{key}: {tags}");
    }
}

#[test]
fn a_class_that_the_service_does_not_have_is_told() {
    let server = servers::ceph();
    let more = format!("{SOON}storage-class = \"NO_SUCH_CLASS\"\n");
    let bucket = server.bucket();
    let world = world(server, &server.endpoint, &bucket, SOON);
    world.set_up(&["files"]);
    configure(&world, &server.endpoint, &bucket, &more);
    world.write("tree/large", noise(1, 100_000));
    world
        .run(&["run", "tree"])
        .expect(2)
        .says("a setting does not fit");
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_restore_asks_for_each_range_of_a_pack_once() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let (world, _) = made(server, &proxy.endpoint);
    world.write("tree/large", noise(1, 40 << 20));
    world.run(&["run", "tree"]).expect(0);
    let before = proxy.seen().len();
    assert!(restored_whole(&world));
    let seen = proxy.seen().split_off(before);
    let of_packs = seen.iter().filter(|asked| asked.target.contains("/packs/"));
    // Ten ranges of four mebibytes, and some for the edges of packs, heads and entries; piece by piece it were hundreds.
    assert!(of_packs.count() < 50);
}
