//! Services that do not do what they should: what is said, what it ends with, and that nothing is lost.

use super::support::{SOON, a_run_that_fails, configure, gated, restored_whole, world};
use holdfast_testkit::proxy::{Asked, Fate, Proxy};
use holdfast_testkit::servers::{self, Server};
use holdfast_tests::{Ended, World, noise};
use std::process::Command;
use std::time::Duration;

const REFUSED: &str = "127.0.0.1:9";

/// Tries all that asks the service: each must say the same, and end the same.
fn everything(world: &World, code: i32, words: &str) {
    for arguments in [&["run", "tree"][..], &["list"], &["check"], &["doctor"]] {
        let ended = world.run(arguments).expect(code);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(said.contains("s3://"), "{arguments:?}: {said}");
        assert!(said.contains("hint: "), "{arguments:?}: {said}");
    }
}

#[test]
fn an_unreachable_service_is_temporary() {
    let (world, proxy) = gated(servers::moto());
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let gate = proxy.endpoint.trim_start_matches("http://");
    std::fs::write(world.at("holdfast.toml"), text.replace(gate, REFUSED)).unwrap();
    everything(&world, 75, "the service cannot be reached");
    std::fs::write(
        world.at("holdfast.toml"),
        text.replace(gate, "no-such-host.invalid:80"),
    )
    .unwrap();
    everything(&world, 75, "the service cannot be reached");
    std::fs::write(world.at("holdfast.toml"), text).unwrap();
    world.run(&["run", "tree"]).expect(0);
    assert!(restored_whole(&world));
}

#[test]
fn an_init_at_an_unreachable_service_makes_no_key() {
    let server = servers::moto();
    let world = world(server, &format!("http://{REFUSED}"), "bucket", SOON);
    world.install(&["files", "age"]);
    let identity = world.at("operator.key");
    let ended = world.run(&["init", "--new-identity", identity.to_str().unwrap()]);
    ended.expect(75).says("the service cannot be reached");
    assert!(!identity.exists());
    assert!(!world.at("config/keys").exists() && !world.at("keys").exists());
}

#[test]
fn an_init_whose_trying_fails_leaves_nothing_in_the_way_of_the_next() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let world = world(server, &proxy.endpoint, &server.bucket(), SOON);
    world.install(&["files", "age"]);
    let identity = world.at("operator.key");
    let init = ["init", "--new-identity", identity.to_str().unwrap()];
    // Looking goes well, and the first thing that is written does not.
    proxy.decide(|asked| match asked.method.as_str() {
        "PUT" => Fate::Answer(500, "InternalError", &[]),
        _ => Fate::Pass,
    });
    world.run(&init).expect(75).says("a failure of its own");
    assert!(!identity.exists());
    proxy.decide(|_| Fate::Pass);
    world.run(&init).expect(0);
    world.run(&["run", "tree"]).expect(0);
    assert!(restored_whole(&world));
}

#[test]
fn a_slow_service_is_temporary() {
    let (world, proxy) = gated(servers::moto());
    let ended = a_run_that_fails(&world, &proxy, |asked| match asked.method.as_str() {
        "PUT" => Fate::Delay(Duration::from_secs(4)),
        _ => Fate::Pass,
    });
    ended.expect(75).says("takes too long");
}

#[test]
fn a_service_that_throttles_for_a_while_is_waited_for() {
    let (world, proxy) = gated(servers::moto());
    configure(
        &world,
        &proxy.endpoint,
        bucket_of(&world).as_str(),
        "attempts = 6\n",
    );
    world.write("tree/more", noise(4, 300_000));
    proxy.decide(|asked| {
        if asked.number % 3 == 0 && !is_commit(asked) {
            Fate::Answer(503, "SlowDown", &[("retry-after", "0")])
        } else {
            Fate::Pass
        }
    });
    world.run(&["run", "tree"]).expect(0);
    assert!(restored_whole(&world));
    assert_eq!(world.snapshots(), 2);
}

fn is_commit(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.target.contains("/snapshots/")
}

#[test]
fn a_commit_that_is_refused_for_the_moment_is_made_in_a_new_session() {
    let (world, proxy) = gated(servers::moto());
    world.write("tree/more", noise(4, 300_000));
    let mut refused = 0;
    proxy.decide(move |asked| {
        if is_commit(asked) && refused < 2 {
            refused += 1;
            return Fate::Answer(503, "SlowDown", &[("retry-after", "1")]);
        }
        Fate::Pass
    });
    let ended = world.run(&["run", "tree"]).expect(0);
    ended.says("goes on in a new session");
    // No name was asked for twice.
    let mut asked_for: Vec<String> = proxy
        .seen()
        .into_iter()
        .filter(is_commit)
        .map(|a| a.target)
        .collect();
    let times = asked_for.len();
    asked_for.sort();
    asked_for.dedup();
    assert_eq!(asked_for.len(), times);
    assert!(restored_whole(&world));
    assert_eq!(world.snapshots(), 2);
}

fn bucket_of(world: &World) -> String {
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let rest = text.split("s3://").nth(1).unwrap();
    rest.split('/').next().unwrap().to_owned()
}

#[test]
fn a_service_that_goes_on_throttling_is_temporary() {
    let (world, proxy) = gated(servers::moto());
    let ended = a_run_that_fails(&world, &proxy, |asked| match asked.method.as_str() {
        "PUT" => Fate::Answer(503, "SlowDown", &[]),
        _ => Fate::Pass,
    });
    ended.expect(75).says("wants fewer requests");
}

#[test]
fn half_answers_are_temporary_and_never_taken_for_whole_ones() {
    let (world, proxy) = gated(servers::moto());
    proxy.decide(|_| Fate::CutAnswer(40));
    everything(&world, 75, "the answer is incomplete");
    proxy.decide(|_| Fate::Pass);
    let ended = a_run_that_fails(&world, &proxy, |asked| match asked.method.as_str() {
        "PUT" => Fate::LoseAnswer,
        _ => Fate::Pass,
    });
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
}

#[test]
fn a_restore_from_half_answers_says_what_is_missing_and_can_be_completed() {
    let (world, proxy) = gated(servers::moto());
    proxy.decide(|asked| {
        if asked.target.contains("/packs/") && asked.method == "GET" {
            Fate::CutAnswer(10)
        } else {
            Fate::Pass
        }
    });
    let target = world.at("back");
    let arguments = ["restore", "tree", "--target", target.to_str().unwrap()];
    world.as_operator(&arguments).expect(75);
    proxy.decide(|_| Fate::Pass);
    assert!(restored_whole(&world));
}

#[test]
fn a_wrong_region_is_named_with_the_right_one() {
    let (world, proxy) = gated(servers::moto());
    proxy.decide(|_| {
        Fate::Answer(
            301,
            "PermanentRedirect",
            &[("x-amz-bucket-region", "eu-central-1")],
        )
    });
    everything(&world, 2, "the bucket is in another region");
    world
        .run(&["list"])
        .expect(2)
        .says("region = \"eu-central-1\"");
}

#[test]
fn wrong_credentials_are_a_matter_of_permission() {
    let server = servers::ceph();
    let (world, _) = gated(server);
    world.write("s3/secret", "another secret");
    everything(&world, 12, "the service does not take the credentials");
    world.write("s3/id", "NOBODY");
    everything(&world, 12, "the service does not take the credentials");
    world.write("s3/id", &server.key);
    world.write("s3/secret", &server.secret);
    world.run(&["run", "tree"]).expect(0);
}

#[test]
fn a_clock_that_differs_is_named() {
    let (world, proxy) = gated(servers::moto());
    proxy.decide(|_| Fate::Answer(403, "RequestTimeTooSkewed", &[]));
    everything(&world, 75, "this machine's clock differs too much");
}

#[test]
fn a_full_service_is_temporary_and_loses_nothing() {
    let server = servers::ceph();
    let bucket = server.bucket();
    let world = world(server, &server.endpoint, &bucket, SOON);
    world.set_up(&["files"]);
    world.run(&["run", "tree"]).expect(0);
    let quota = |size: &str| {
        for words in [
            &[
                "quota",
                "set",
                "--quota-scope=bucket",
                "--bucket",
                &bucket,
                "--max-size",
                size,
            ][..],
            &[
                "quota",
                "enable",
                "--quota-scope=bucket",
                "--bucket",
                &bucket,
            ],
        ] {
            admin(server, words);
        }
    };
    quota("1048576");
    world.write("tree/more", noise(5, 3 << 20));
    world
        .run(&["run", "tree"])
        .expect(75)
        .says("takes no more data");
    assert_eq!(world.snapshots(), 1);
    quota("1073741824");
    world.run(&["run", "tree"]).expect(0);
    assert!(restored_whole(&world));
}

fn admin(server: &Server, words: &[&str]) {
    let mut command = Command::new("radosgw-admin");
    let status = command
        .arg("-c")
        .arg(server.place.join("ceph.conf"))
        .args(words)
        .output()
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
}

#[test]
fn a_bucket_that_holds_something_else_is_no_place_for_a_repository() {
    let server = servers::moto();
    let bucket = server.bucket();
    server.ask(&[
        "PUT",
        &format!("/{bucket}/hosts/one/photos/1.jpg"),
        "-b",
        "x",
    ]);
    let world = world(server, &server.endpoint, &bucket, SOON);
    world.install(&["files", "age"]);
    let identity = world.at("operator.key");
    let init = ["init", "--new-identity", identity.to_str().unwrap()];
    world
        .run(&init)
        .expect(2)
        .says("something else is there")
        .says("photos/");
    assert!(!identity.exists());
    world
        .run(&["list"])
        .expect(10)
        .says("there is no repository in s3://");
    server.ask(&[
        "PUT",
        &format!("/{bucket}/hosts/one/format"),
        "-b",
        "{\"name\": \"a song\"}",
    ]);
    let other = world.at("other.key");
    let init = ["init", "--new-identity", other.to_str().unwrap()];
    assert_ne!(world.run(&init).code, Some(0));
    world.run(&["list"]).expect(4);
}

#[test]
fn a_bucket_that_is_not_there_is_no_repository() {
    for server in [servers::moto(), servers::ceph()] {
        let world = world(server, &server.endpoint, "no-such-bucket", SOON);
        world.install(&["files", "age"]);
        let identity = world.at("operator.key");
        let init = world.run(&["init", "--new-identity", identity.to_str().unwrap()]);
        init.expect(10).says("there is no such bucket");
        assert!(!identity.exists());
        world
            .run(&["list"])
            .expect(10)
            .says("there is no such bucket");
    }
}

#[test]
fn an_upload_that_dies_shows_no_half_snapshot() {
    let (world, proxy) = gated(servers::ceph());
    world.write("tree/large", noise(6, 40 << 20));
    let ended = a_run_that_fails(&world, &proxy, |asked| {
        if asked.target.contains("partNumber=2") {
            Fate::Drop
        } else {
            Fate::Pass
        }
    });
    ended.expect(75);
}

#[test]
fn a_service_that_fails_at_any_request_of_a_run_shows_no_half_snapshot() {
    let (world, proxy) = gated(servers::moto());
    for first in [0, 3, 6, 9] {
        world.write("tree/more", noise(100 + first, 50_000));
        let before = world.snapshots();
        let mut number = 0;
        proxy.decide(move |_| {
            number += 1;
            if number > first {
                Fate::Answer(500, "InternalError", &[])
            } else {
                Fate::Pass
            }
        });
        world
            .run(&["run", "tree"])
            .expect(75)
            .says("a failure of its own");
        proxy.decide(|_| Fate::Pass);
        assert_eq!(world.snapshots(), before);
    }
    world.run(&["run", "tree"]).expect(0);
    assert!(restored_whole(&world));
}

#[test]
fn a_listing_that_leaves_packs_out_commits_nothing() {
    let (world, proxy) = gated(servers::moto());
    // Whatever is listed of packs is listed as something else.
    let fate = |asked: &Asked| {
        if asked.target.contains("packs") && asked.target.contains("list-type") {
            Fate::Swap("/packs/".into(), "/other/".into())
        } else {
            Fate::Pass
        }
    };
    let ended: Ended = a_run_that_fails(&world, &proxy, fate);
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    let empty = |asked: &Asked| {
        if asked.target.contains("packs") && asked.target.contains("list-type") {
            Fate::Swap("Contents>".into(), "Nothings>".into())
        } else {
            Fate::Pass
        }
    };
    proxy.decide(empty);
    world.write("tree/again", noise(77, 10_000));
    let ended = world.run(&["run", "tree"]);
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    proxy.decide(|_| Fate::Pass);
}
