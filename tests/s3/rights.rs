//! What somebody may do who backs up, with a policy of the bucket.

use super::support::{SOON, restored_whole, world};
use holdfast_testkit::proxy::{Asked, Fate, Proxy};
use holdfast_testkit::servers;
use holdfast_tests::noise;

/// The policy of docs/s3.md, for the backup user of the tests and a bucket.
pub(crate) fn documented_policy(bucket: &str) -> String {
    documented(bucket, 0)
}

/// The same with what a host needs that locks, as text that begins its statements.
pub(crate) fn documented_lock(bucket: &str) -> String {
    format!("\"Statement\": [{},", documented(bucket, 1))
}

/// A piece of JSON in docs/s3.md, counted from zero.
fn documented(bucket: &str, number: usize) -> String {
    let text = include_str!("../../docs/s3.md");
    let piece = text.split("```json\n").nth(number + 1).unwrap();
    let piece = piece.split("```").next().unwrap();
    piece
        .replace(
            "arn:aws:iam::111122223333:user/backup",
            "arn:aws:iam:::user/backup",
        )
        .replace("opstower-backups", bucket)
        .replace("/holdfast/", "/hosts/one/")
}

#[test]
fn a_backup_needs_no_right_to_remove_or_replace() {
    let server = servers::ceph();
    let bucket = server.bucket();
    let world = world(server, &server.endpoint, &bucket, SOON);
    let policy = documented_policy(&bucket);
    server.ask(&["PUT", &format!("/{bucket}?policy="), "-b", &policy]);
    // The owner makes the repository; the backup user only backs up.
    world.set_up(&["files"]);
    let backup = format!("{}2", server.key);
    world.write("s3/id", &backup);
    for n in 0..3 {
        world.write(&format!("tree/{n}"), noise(n, 14 << 20));
        world.run(&["run", "tree"]).expect(0);
    }
    assert_eq!(world.snapshots(), 3);
    world.run(&["check"]).expect(0);
    assert!(restored_whole(&world));
    let listed = server.ask(&["GET", &format!("/{bucket}?list-type=2")]);
    for key in listed
        .split("<Key>")
        .skip(1)
        .map(|rest| rest.split("</Key>").next().unwrap())
    {
        // The test can fail: what it forbids is forbidden.
        let (status, _) = server.ask_as(&backup, &["DELETE", &format!("/{bucket}/{key}")]);
        assert_eq!(status, 403, "{key}");
    }
    let create = |name: &str| {
        let target = format!("/{bucket}/hosts/one/{name}");
        server.ask_as(&backup, &["PUT", &target, "-b", "planted"]).0
    };
    for name in [
        "format",
        "epochs/00000009",
        "announcements/00000009",
        "identities/09",
        "spares/format",
    ] {
        assert_eq!(create(name), 403, "{name}");
    }
    assert_eq!(create("sessions/09"), 200);
}

#[test]
fn who_may_only_read_is_told_that_he_may_not_write_and_can_restore() {
    let server = servers::ceph();
    let bucket = server.bucket();
    let world = world(server, &server.endpoint, &bucket, SOON);
    let policy = documented_policy(&bucket).replace("[\"s3:PutObject\", ", "[");
    server.ask(&["PUT", &format!("/{bucket}?policy="), "-b", &policy]);
    world.set_up(&["files"]);
    world.run(&["run", "tree"]).expect(0);
    world.write("s3/id", format!("{}2", server.key));
    world
        .run(&["run", "tree"])
        .expect(12)
        .says("the credentials do not allow it");
    assert_eq!(world.snapshots(), 1);
    assert!(restored_whole(&world));
}

/// What the third statement of the policy demands, and no service here enforces, a gate does.
#[test]
fn every_create_carries_the_condition_that_the_policy_demands() {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    let is_create = |asked: &Asked| match asked.method.as_str() {
        "PUT" => !asked.target.contains("uploadId="),
        "POST" => asked.target.contains("uploadId="),
        _ => false,
    };
    proxy.decide(move |asked| match asked.header("if-none-match") {
        Some("*") => Fate::Pass,
        _ if is_create(asked) => Fate::Answer(403, "AccessDenied", &[]),
        _ => Fate::Pass,
    });
    let world = world(server, &proxy.endpoint, &server.bucket(), SOON);
    world.set_up(&["files"]);
    world.write("tree/large", noise(1, 40 << 20));
    world.run(&["run", "tree"]).expect(0);
    world.write("tree/more", noise(2, 100_000));
    world.run(&["run", "tree"]).expect(0);
    world.as_operator(&["gc", "--grace", "0s"]).expect(0);
    let created: Vec<Asked> = proxy.seen().into_iter().filter(is_create).collect();
    assert!(created.iter().any(|asked| asked.method == "POST"));
    assert!(created.iter().filter(|asked| asked.method == "PUT").count() > 10);
    assert!(restored_whole(&world));
}
