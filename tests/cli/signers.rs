//! Every host signs for itself: what a host with its write key puts into the store under the name of
//! another is refused and named, whatever it signs it with.

use holdfast_repository::format::certificate::Certificate;
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::{KeyFile, Signer};
use holdfast_tests::{Ended, TREE, World};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Calls a stock tool.
fn stock(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// A key file, and what it opens with stock tools: all that somebody has who stole it.
struct Thief {
    key: KeyFile,
    text: Value,
}

impl Thief {
    fn with(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        Self {
            key: KeyFile::decode(&bytes).unwrap(),
            text: serde_json::from_slice(&bytes).unwrap(),
        }
    }

    /// Opens a snapshot's object and returns its lines.
    fn opened(&self, world: &World, object: &Path) -> String {
        let identity = world.at("thief.tmp");
        std::fs::write(
            &identity,
            self.text["catalog"]["identity"].as_str().unwrap(),
        )
        .unwrap();
        let sealed = std::fs::read(object).unwrap();
        let plain = stock("age", &["-d", "-i", identity.to_str().unwrap()], &sealed);
        String::from_utf8(stock("zstd", &["-d", "-c", "-q"], &plain)).unwrap()
    }

    /// Puts a snapshot's object into the store.
    fn put(&self, world: &World, id: &str, bytes: &[u8]) {
        let to = self.text["catalog"]["public-key"].as_str().unwrap();
        // By a file, so that zstd says how long it is, as every writer does.
        let file = world.at("forged.tmp");
        std::fs::write(&file, bytes).unwrap();
        let plain = stock("zstd", &["-c", "-q", file.to_str().unwrap()], &[]);
        let sealed = stock("age", &["-r", to], &plain);
        world.write(&format!("repository/snapshots/{id}"), sealed);
    }

    fn signer(&self) -> Signer {
        self.key.signer().unwrap()
    }
}

/// Two hosts that write to one repository, each with a key of its own.
fn two_hosts() -> (World, String) {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    let web = world.at("web1.key").display().to_string();
    let export = ["key", "export", "write", &web, "--host", "web1"];
    let told = world.as_operator(&export).expect(0).stdout;
    assert!(
        told.contains("It signs for host web1, and for no other"),
        "{told}"
    );
    (world, web)
}

/// Lets another key than the store's own be used for a run.
fn use_key(world: &World, key: &str) {
    let place = world.at("keys/local.key");
    let _ = std::fs::remove_file(&place);
    std::fs::copy(key, place).unwrap();
}

fn snapshots(world: &World) -> Vec<Value> {
    let listed = world.run(&["list", "--json"]).expect(0);
    serde_json::from_str(&listed.stdout).unwrap()
}

#[test]
fn a_snapshot_bears_the_name_that_its_key_was_certified_for_and_says_who_signed() {
    let (world, web) = two_hosts();
    world.run(&["run", "tree"]).expect(0);
    let own = snapshots(&world)[0].clone();
    use_key(&world, &web);
    world.run(&["run", "tree"]).expect(0);
    let both = snapshots(&world);
    assert_eq!(both[1]["host"], "web1");
    assert_ne!(own["host"], "web1");
    let key = |snapshot: &Value| snapshot["signed-by"].as_str().unwrap().to_owned();
    assert!(key(&both[0]) != key(&both[1]) && key(&both[1]).len() == 64);
    let shown = world.run(&["show", "latest"]).expect(0).stdout;
    let short = &key(&both[1])[..16];
    assert!(
        shown.contains(&format!("signed    by host web1 (key {short})")),
        "{shown}"
    );
    let checked = world.run(&["check"]).expect(0).stdout;
    assert!(
        checked.contains(&format!("1 signed by host web1 (key {short})")),
        "{checked}"
    );
    assert!(!world.run(&["list"]).expect(0).stdout.contains("not proven"));
    // The same key again is the same host's.
    let again = world.at("again.key").display().to_string();
    world.run(&["key", "export", "write", &again]).expect(0);
    assert_eq!(std::fs::read(again).unwrap(), std::fs::read(web).unwrap());
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn a_host_cannot_make_a_snapshot_that_passes_for_anothers() {
    let (world, web) = two_hosts();
    world.run(&["run", "tree"]).expect(0);
    let victim = snapshots(&world)[0].clone();
    let object = world.files("repository/snapshots").remove(0);
    let thief = Thief::with(web.as_ref());
    let text = thief.opened(&world, &object);
    let mut lines = text.lines();
    let (body, signature) = (lines.next().unwrap(), lines.next().unwrap());
    let theirs = lines.map(|line| format!("{line}\n")).collect::<String>();
    let id = "ab".repeat(16);
    let body = body.replace(victim["snapshot"].as_str().unwrap(), &id);
    let root: Root = serde_json::from_str(&body).unwrap();
    let host = victim["host"].as_str().unwrap();

    // Signed with its own key, under its own certificate, which names another host.
    let honest = thief.signer().sign("snapshot", &root).unwrap();
    refused(
        &world,
        &thief,
        &id,
        &honest,
        "it is host `web1` that signed it",
    );
    // Its own signature above the certificate of the other.
    let own_lines = String::from_utf8(honest).unwrap();
    let own_signed: String = own_lines
        .lines()
        .take(2)
        .map(|line| format!("{line}\n"))
        .collect();
    let mixed = format!("{own_signed}{theirs}");
    refused(
        &world,
        &thief,
        &id,
        mixed.as_bytes(),
        "signature of the snapshot does not fit",
    );
    // Its own signature and no certificate, as if it were the root.
    refused(
        &world,
        &thief,
        &id,
        own_signed.as_bytes(),
        "signature of the snapshot does not fit",
    );
    // The other's signature of another snapshot.
    let stale = format!("{body}\n{signature}\n{theirs}");
    refused(
        &world,
        &thief,
        &id,
        stale.as_bytes(),
        "signature of the snapshot does not fit",
    );
    // A certificate that it made itself, for the name of the other.
    let secret = thief.text["write"]["signing-key"].as_str().unwrap();
    let mut seed = [0; 32];
    (0..32).for_each(|n| seed[n] = u8::from_str_radix(&secret[2 * n..2 * n + 2], 16).unwrap());
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let own = thief.text["write"]["certificate"].as_str().unwrap();
    let own: Certificate = serde_json::from_str(own.lines().next().unwrap()).unwrap();
    let certificate = Certificate {
        host: host.to_owned(),
        ..own
    };
    let certificate = certificate.encode(&Signer::root(key.clone())).unwrap();
    let own = Signer::host(key, certificate).unwrap();
    let forged = own.sign("snapshot", &root).unwrap();
    refused(
        &world,
        &thief,
        &id,
        &forged,
        "signature of the host certificate does not fit",
    );
    // The same, honestly its own: it is taken, so that what was refused was refused for its host.
    let own = Root {
        host: "web1".into(),
        ..root
    };
    thief.put(&world, &id, &own.encode(&thief.signer()).unwrap());
    let listed = snapshots(&world);
    assert!(
        listed
            .iter()
            .any(|one| one["snapshot"] == id && one["host"] == "web1")
    );
}

/// Demands that a forged object is refused and named by whatever reads snapshots.
#[track_caller]
fn refused(world: &World, thief: &Thief, id: &str, forged: &[u8], why: &str) {
    thief.put(world, id, forged);
    let object = format!("snapshots/{id}");
    let list: Ended = world.run(&["list"]).expect(4).says(&object).says(why);
    assert!(!list.stdout.contains(&id[..8]), "{}", list.stdout);
    let checked = world.run(&["check"]).expect(4).stdout;
    assert!(
        checked.contains(&object) && checked.contains(why),
        "{checked}"
    );
    let target = world.at("forged").display().to_string();
    let restore = ["restore", id, "--target", &target];
    world.as_operator(&restore).expect(4).says(why);
    assert!(world.files("forged").is_empty());
    std::fs::remove_file(world.at(&format!("repository/{object}"))).unwrap();
}

#[test]
fn a_write_key_makes_no_key_for_another_host() {
    let (world, web) = two_hosts();
    let more = world.at("more.key").display().to_string();
    for held in [world.at("keys/local.key").display().to_string(), web] {
        let export = [
            "key", "export", "write", &more, "--host", "db1", "--key", &held,
        ];
        world.run(&export).expect(11).says("it needs role `read`");
        let audit = [
            "key", "export", "audit", &more, "--host", "db1", "--key", &held,
        ];
        world.run(&audit).expect(2).says("is no host's");
    }
    for bad in ["", "a\nb"] {
        let export = ["key", "export", "write", &more, "--host", bad];
        world
            .as_operator(&export)
            .expect(2)
            .says("no host can be called");
    }
    assert!(!world.at("more.key").exists());
    let read = world.at("read.key").display().to_string();
    world
        .as_operator(&["key", "export", "read", &read])
        .expect(0);
    world
        .run(&[
            "key", "export", "write", &more, "--host", "db1", "--key", &read,
        ])
        .expect(0);
    use_key(&world, &more);
    world.run(&["run", "tree"]).expect(0);
    assert_eq!(snapshots(&world)[0]["host"], "db1");
}
