//! Where processes meet: a repository in a directory or in a bucket, which each of them knows as a store of its own
//! name. In front of the bucket each has a gate of its own, so that one can tell who asks for what.

use super::kills::Trap;
use holdfast_testkit::proxy::{Asked, Fate, Proxy};
use holdfast_testkit::servers::Server;
use holdfast_tests::{Ended, World, noise};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Jobs, each of which is also a store; snapshots of the last one are forgotten by a rule.
pub(crate) const JOBS: [&str; 3] = ["a", "b", RULED];
/// The job whose snapshots a rule forgets.
pub(crate) const RULED: &str = "ruled";
/// Who else works, each with a store.
const OTHERS: [&str; 3] = ["gc", "forget", "look"];

/// Files of a tree.
const FILES: u64 = 6;
/// Versions after which the content comes back: what was forgotten is needed again.
const CYCLE: u64 = 5;
const FILE_BYTES: usize = 40_000;
/// Where a repository lies in its bucket.
const PREFIX: &str = "r";

/// Where a trap may be set, with what it waits for: nothing until a process is there to be killed.
type Gate = Arc<Mutex<Option<Trap>>>;
/// A hand's way to the bucket.
struct Way {
    gate: Gate,
    proxy: Proxy,
}

struct Bucket {
    server: &'static Server,
    name: String,
    ways: BTreeMap<&'static str, Way>,
}

/// A repository, and what processes need to work on it.
pub(crate) struct Ground {
    pub(crate) name: &'static str,
    pub(crate) world: World,
    bucket: Option<Bucket>,
}

fn jobs(world: &World) -> String {
    let one = |job: &str| {
        let keep = if job == RULED {
            "keep = { last = 3 }\n"
        } else {
            ""
        };
        let tree = world.at(&format!("tree-{job}"));
        format!(
            "[job.{job}]\nsource = \"files\"\nstore = \"{job}\"\n{keep}[job.{job}.with]\npaths = [\"{}\"]\n",
            tree.display()
        )
    };
    JOBS.into_iter().map(one).collect()
}

fn hands() -> impl Iterator<Item = &'static str> {
    JOBS.into_iter().chain(OTHERS)
}

impl Ground {
    /// A repository in a directory.
    pub(crate) fn directory() -> Self {
        let world = World::new();
        let url = format!("file://{}/repository", world.path().display());
        let store = |name: &str| format!("[store.{name}]\nurl = \"{url}\"\n");
        let ground = Self {
            name: "directory",
            world,
            bucket: None,
        };
        ground.set_up(store);
        ground
    }

    /// A repository in a new bucket.
    pub(crate) fn bucket(server: &'static Server) -> Self {
        let name = server.bucket();
        let way = |hand| {
            let gate = Gate::default();
            let proxy = Proxy::before(&server.endpoint);
            proxy.decide(fates(&gate, &name));
            (hand, Way { gate, proxy })
        };
        let ways: BTreeMap<_, _> = hands().map(way).collect();
        let world = World::new();
        world.write("s3/id", &server.key);
        world.write("s3/secret", &server.secret);
        let at = world.at("s3");
        let store = |hand: &str| {
            format!(
                "[store.{hand}]\nurl = \"s3://{name}/{PREFIX}\"\nendpoint = \"{}\"\n\
                 access-key-id = {{ secret = \"file:{at}/id\" }}\n\
                 secret-access-key = {{ secret = \"file:{at}/secret\" }}\n",
                ways[hand].proxy.endpoint,
                at = at.display()
            )
        };
        let mut ground = Self {
            name: "bucket",
            world,
            bucket: None,
        };
        ground.set_up(store);
        ground.bucket = Some(Bucket { server, name, ways });
        ground
    }

    /// Makes a repository, which all stores are.
    fn set_up(&self, store: impl Fn(&str) -> String) {
        let write = |text: String| std::fs::write(self.world.at("holdfast.toml"), text).unwrap();
        write(store("a"));
        self.world.set_up(&["files"]);
        let stores: String = hands().map(store).collect();
        write(stores + &jobs(&self.world));
        for hand in hands().filter(|hand| *hand != "a") {
            let key = |name: &str| self.world.at(&format!("keys/{name}.key"));
            std::fs::copy(key("a"), key(hand)).unwrap();
        }
    }

    /// Calls the program with the operator's identity.
    pub(crate) fn as_operator(&self, arguments: &[&str]) -> Ended {
        self.world.as_operator(arguments)
    }

    /// Gives a job's directory the content of a version: most of it is as it was at the one before.
    pub(crate) fn write_tree(&self, job: &str, version: u64) {
        let directory = self.world.at(&format!("tree-{job}"));
        std::fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in content(version) {
            std::fs::write(directory.join(name), bytes).unwrap();
        }
    }

    /// Returns whether what was restored is that version, and nothing else.
    pub(crate) fn holds(&self, target: &Path, job: &str, version: u64) -> bool {
        let tree = self.world.at(&format!("tree-{job}"));
        let inner = target.join(tree.strip_prefix("/").unwrap());
        let found = std::fs::read_dir(inner).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        });
        found.collect::<BTreeMap<_, _>>() == content(version)
    }

    /// Restores a snapshot and returns where.
    pub(crate) fn restored(&self, id: &str) -> PathBuf {
        let target = tempfile::tempdir_in(self.world.path()).unwrap().keep();
        let path = target.to_str().unwrap();
        let arguments = ["restore", id, "--store", "look", "--target", path];
        self.as_operator(&arguments).expect(0);
        target
    }

    /// Returns the names of all objects.
    pub(crate) fn objects(&self) -> Vec<String> {
        let Some(bucket) = &self.bucket else {
            let root = self.world.at("repository");
            let files = self.world.files("repository").into_iter();
            let name = |path: PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
            return files.map(name).collect();
        };
        let path = format!("/{}?list-type=2&prefix={PREFIX}/", bucket.name);
        let listed = bucket.server.ask(&["GET", &path]);
        assert!(!listed.contains("<IsTruncated>true"), "{listed}");
        let keys = listed.split("<Key>").skip(1);
        let keys = keys.map(|text| text.split("</Key>").next().unwrap());
        let names = keys.map(|key| key.split_once('/').unwrap().1.to_owned());
        names.collect()
    }

    /// Returns the gate in front of a hand's store, if there is one.
    pub(crate) fn gate(&self, hand: &str) -> Option<&Mutex<Option<Trap>>> {
        let way = &self.bucket.as_ref()?.ways[hand];
        way.proxy.forget();
        Some(&way.gate)
    }

    /// Returns when something was last created in an area of a directory, or removed from it.
    pub(crate) fn changed(&self, area: &str) -> Option<SystemTime> {
        let directory = self.world.at("repository").join(area);
        directory.metadata().ok()?.modified().ok()
    }
}

fn content(version: u64) -> BTreeMap<String, Vec<u8>> {
    let file = |n: u64| {
        let seed = (version + n) / FILES % CYCLE * FILES + n;
        (format!("f{n}"), noise(seed, FILE_BYTES))
    };
    (0..FILES).map(file).collect()
}

/// Lets requests pass, until a trap shuts.
fn fates(gate: &Gate, bucket: &str) -> impl FnMut(&Asked) -> Fate + Send + 'static {
    let gate = Arc::clone(gate);
    let root = format!("/{bucket}");
    move |asked| {
        let mut trap = gate.lock().unwrap();
        match trap.as_mut() {
            Some(trap) => trap.pass(&deed(asked, &root)),
            None => Fate::Pass,
        }
    }
}

/// Returns what a request does, such as `create snapshots`.
fn deed(asked: &Asked, root: &str) -> String {
    let target = asked.target.strip_prefix(root).unwrap_or(&asked.target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.trim_start_matches('/').to_owned();
    let listed = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("prefix="));
    let (verb, name) = match (asked.method.as_str(), listed) {
        (_, Some(prefix)) => ("list", prefix.replace("%2F", "/")),
        ("PUT" | "POST", None) => ("create", path),
        ("DELETE", None) => ("delete", path),
        (_, None) => ("get", path),
    };
    format!("{verb} {}", name.split('/').nth(1).unwrap_or_default())
}
