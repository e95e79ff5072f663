//! Each key of a store's table, by the requests that it leads to.

use super::support::{SOON, configure, world};
use holdfast_testkit::proxy::{Asked, Fate, Proxy};
use holdfast_testkit::servers;
use holdfast_tests::{Ended, World};

/// Makes a world with more lines in its store's table, and calls `list` with everything refused by the gate.
/// Returns the first request.
fn first_request(more: &str, environment: &[(&str, &str)]) -> Asked {
    let (world, proxy) = refused(more);
    listed(&world, environment).expect(12);
    proxy.seen().swap_remove(0)
}

fn refused(more: &str) -> (World, Proxy) {
    let server = servers::moto();
    let proxy = Proxy::before(&server.endpoint);
    proxy.decide(|_| Fate::Answer(403, "AccessDenied", &[]));
    let world = world(server, &proxy.endpoint, "bucket", &format!("{SOON}{more}"));
    world.install(&["files", "age"]);
    (world, proxy)
}

fn listed(world: &World, environment: &[(&str, &str)]) -> Ended {
    let mut command = world.command(&["list"]);
    command.envs(environment.iter().copied());
    command.output().unwrap().into()
}

fn signed_with(asked: &Asked) -> &str {
    asked.header("authorization").unwrap()
}

#[test]
fn the_region_is_the_tables_or_the_environments() {
    let said = first_request("region = \"eu-west-3\"\n", &[]);
    assert!(signed_with(&said).contains("/eu-west-3/s3/"), "{said:?}");
    let said = first_request("", &[("AWS_REGION", "ap-south-1")]);
    assert!(signed_with(&said).contains("/ap-south-1/s3/"), "{said:?}");
    let said = first_request("", &[]);
    assert!(signed_with(&said).contains("/us-east-1/s3/"), "{said:?}");
}

#[test]
fn the_bucket_stands_where_the_style_says_and_requests_go_through_a_proxy() {
    for (style, host, path) in [
        ("path", "s3.example.test", "/bucket/hosts/one/format"),
        ("virtual", "bucket.s3.example.test", "/hosts/one/format"),
    ] {
        let (world, proxy) = refused("");
        let more = format!("{SOON}style = \"{style}\"\n");
        configure(&world, "http://s3.example.test", "bucket", &more);
        listed(&world, &[("HTTP_PROXY", &proxy.endpoint)]).expect(12);
        let is_to_service = |asked: &Asked| asked.target.contains("example.test");
        let said = proxy.seen().into_iter().find(is_to_service).unwrap();
        assert_eq!(said.header("host"), Some(host), "{said:?}");
        let target = said.target.split('?').next().unwrap();
        let target = target
            .trim_start_matches("http://")
            .trim_start_matches(host);
        assert_eq!(target, path, "{said:?}");
    }
}

#[test]
fn temporary_credentials_have_their_token_with_them() {
    let server = servers::moto();
    let (world, proxy) = refused("");
    world.write("s3/token", "the-token");
    let token = format!(
        "{SOON}session-token = {{ secret = \"file:{}/s3/token\" }}\n",
        world.path().display()
    );
    configure(&world, &proxy.endpoint, "bucket", &token);
    listed(&world, &[]).expect(12);
    let said = proxy.seen().swap_remove(0);
    assert_eq!(said.header("x-amz-security-token"), Some("the-token"));
    assert!(signed_with(&said).contains(&format!("Credential={}/", server.key)));
}

#[test]
fn a_profile_is_taken_from_amazons_own_files() {
    let (world, proxy) = refused("profile = \"nightly\"\n");
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.contains("s3/")).collect();
    std::fs::write(world.at("holdfast.toml"), without.join("\n")).unwrap();
    world.write(
        ".aws/config",
        "[profile nightly]\nregion = eu-north-1\naws_access_key_id = NIGHTLYKEY\naws_secret_access_key = s\n",
    );
    listed(&world, &[]).expect(12);
    let said = proxy.seen().swap_remove(0);
    assert!(
        signed_with(&said).contains("Credential=NIGHTLYKEY/"),
        "{said:?}"
    );
    assert!(signed_with(&said).contains("/eu-north-1/s3/"), "{said:?}");
}

#[test]
fn what_the_service_is_to_encrypt_with_is_said_with_every_object() {
    const WAY: &str = "x-amz-server-side-encryption";
    const KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
    for (more, way, key) in [
        ("encryption = \"service\"\n", "AES256", None),
        ("encryption = \"kms\"\n", "aws:kms", None),
        (
            "encryption = \"kms\"\nencryption-key = \"alias/backups\"\n",
            "aws:kms",
            Some("alias/backups"),
        ),
    ] {
        let server = servers::moto();
        let proxy = Proxy::before(&server.endpoint);
        let world = world(server, &proxy.endpoint, &server.bucket(), more);
        world.set_up(&["files"]);
        world.write("tree/large", holdfast_tests::noise(1, 26 << 20));
        world.run(&["run", "tree"]).expect(0);
        let made = proxy.seen().into_iter().filter(|asked| {
            let begins = asked.method == "POST" && asked.target.contains("uploads");
            let is_whole = asked.method == "PUT" && !asked.target.contains("uploadId=");
            // What is tried at `init` is not kept.
            (begins || is_whole) && !asked.target.contains("/probe/")
        });
        let made: Vec<Asked> = made.collect();
        // Of two packs with so much in them one at least goes in parts.
        assert!(made.iter().any(|asked| asked.method == "POST"));
        for asked in made {
            assert_eq!(asked.header(WAY), Some(way), "{asked:?}");
            assert_eq!(asked.header(KEY), key, "{asked:?}");
        }
    }
}

#[test]
fn what_fails_is_tried_as_often_as_the_table_says() {
    for attempts in [1, 3] {
        let (world, proxy) = refused("");
        let more = format!("attempts = {attempts}\n");
        configure(&world, &proxy.endpoint, "bucket", &more);
        proxy.decide(|_| Fate::Answer(500, "InternalError", &[]));
        listed(&world, &[]).expect(75);
        assert_eq!(proxy.seen().len(), attempts);
    }
}
