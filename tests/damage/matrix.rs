//! One repository of two jobs, built once; each case damages one object of one of them in a copy.
//!
//! What belongs to the other job must come back; what belongs to this one must not come back silently
//! wrong; and after `check` has seen the damage, the next run must be one that can be restored.

use holdfast_filetree::compare::compare;
use holdfast_tests::{Ended, World, noise};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const JOBS: &str = "[job.mine]\nsource = \"files\"\n[job.mine.with]\npaths = [\"{w}/mine\"]\n\
                    [job.other]\nsource = \"files\"\n[job.other.with]\npaths = [\"{w}/other\"]\n";

/// Ways in which an object comes to harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    Flipped,
    Cut,
    Swapped,
    Removed,
    Emptied,
}

pub(crate) const HARMS: [Harm; 5] = [
    Harm::Flipped,
    Harm::Cut,
    Harm::Swapped,
    Harm::Removed,
    Harm::Emptied,
];

/// A repository with the objects of each of its two snapshots, in the order of their sizes.
pub(crate) struct Base {
    pub(crate) world: World,
    pub(crate) mine: Vec<PathBuf>,
    pub(crate) other: Vec<PathBuf>,
}

pub(crate) static BASE: LazyLock<Base> = LazyLock::new(|| {
    let world = World::ready(JOBS, &["files"]);
    for n in 0..40 {
        world.write(&format!("mine/d{}/f{n:02}", n % 4), noise(n, 20_000));
        world.write(&format!("other/f{n:02}"), noise(1_000 + n, 20_000));
    }
    world.write("mine/large", noise(99, 3 << 20));
    world.write("other/large", noise(999, 3 << 20));
    let objects = |world: &World| -> BTreeSet<PathBuf> {
        let root = world.at("repository");
        let files = world.files("repository").into_iter();
        files
            .map(|file| file.strip_prefix(&root).unwrap().to_owned())
            .collect()
    };
    let empty = objects(&world);
    world.run(&["run", "mine"]).expect(0);
    let half = objects(&world);
    world.run(&["run", "other"]).expect(0);
    let full = objects(&world);
    let mine = half.difference(&empty).cloned().collect();
    let other = full.difference(&half).cloned().collect();
    Base { world, mine, other }
});

impl Base {
    /// Returns the objects of one kind, the largest first.
    pub(crate) fn of_kind<'a>(&self, all: &'a [PathBuf], kind: &str) -> Vec<&'a Path> {
        let mut found: Vec<&Path> = all
            .iter()
            .filter(|object| object.starts_with(kind))
            .map(PathBuf::as_path)
            .collect();
        let size = |object: &&Path| {
            let path = self.world.at("repository").join(object);
            std::cmp::Reverse(path.metadata().unwrap().len())
        };
        found.sort_by_key(size);
        found
    }

    /// Makes a copy in which an object came to harm, and the cache knows nothing.
    pub(crate) fn harmed(&self, object: &Path, partner: Option<&Path>, harm: Harm) -> World {
        let world = self.harmed_behind_a_cache(object, partner, harm);
        forget(&world);
        world
    }

    fn harmed_behind_a_cache(&self, object: &Path, partner: Option<&Path>, harm: Harm) -> World {
        let world = self.world.fork();
        self.harm(&world, object, partner, harm);
        world
    }

    /// Harms an object of a copy.
    pub(crate) fn harm(&self, world: &World, object: &Path, partner: Option<&Path>, harm: Harm) {
        let path = world.at("repository").join(object);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        match harm {
            Harm::Flipped => bytes[middle] ^= 1,
            Harm::Cut => bytes.truncate(middle),
            Harm::Emptied => bytes.clear(),
            Harm::Removed => {
                std::fs::remove_file(path).unwrap();
                return;
            }
            Harm::Swapped => {
                let partner = world.at("repository").join(partner.unwrap());
                let theirs = std::fs::read(&partner).unwrap();
                std::fs::write(partner, bytes).unwrap();
                bytes = theirs;
            }
        }
        std::fs::write(path, bytes).unwrap();
    }

    /// Restores a job's newest snapshot; returns how it ended and what is not as in the tree.
    pub(crate) fn restored(&self, world: &World, job: &str) -> (Ended, Vec<String>) {
        let target = tempfile::tempdir_in(world.path()).unwrap().keep();
        let ended = world.as_operator(&["restore", job, "--target", target.to_str().unwrap()]);
        let tree = self.world.at(job);
        let inner = target.join(tree.strip_prefix("/").unwrap());
        let differences = if inner.exists() {
            compare(&tree, &inner).unwrap()
        } else {
            vec!["nothing was restored".to_owned()]
        };
        (ended, differences)
    }

    pub(crate) fn comes_back(&self, world: &World, job: &str, told: &str) {
        let (ended, differences) = self.restored(world, job);
        assert_eq!(ended.code, Some(0), "{told}: {ended:?}");
        assert!(differences.is_empty(), "{told}: {differences:?}");
    }

    /// A restore of what is damaged is loud: it ends with 4, and names what is not as it was.
    pub(crate) fn fails_loudly(&self, world: &World, told: &str) {
        let (ended, differences) = self.restored(world, "mine");
        assert_eq!(ended.code, Some(4), "{told}: {ended:?}");
        for difference in &differences {
            let path = difference.split(':').next().unwrap();
            let is_told = ["the first entries", "entries after", "cannot be read"]
                .iter()
                .any(|words| ended.stderr.contains(words))
                || ended.stderr.contains(path.trim_start_matches("./"));
            assert!(is_told, "{told}: {difference} in {}", ended.stderr);
        }
    }
}

/// Removes what the cache knows of repositories.
pub(crate) fn forget(world: &World) {
    let cache = world.at("cache/holdfast/repositories");
    std::fs::remove_dir_all(cache).unwrap();
}

pub(crate) fn stdout(ended: &Ended, words: &str, told: &str) {
    assert!(ended.stdout.contains(words), "{told}: {}", ended.stdout);
}

/// Damages objects on which `mine` depends, and that are made anew by its next run.
fn harm_what_can_be_stored_anew(kind: &str, at: usize) {
    let base = &*BASE;
    let object = base.of_kind(&base.mine, kind)[at];
    let partners = base.of_kind(&base.other, kind);
    let partner = partners[at.min(partners.len() - 1)];
    for harm in HARMS {
        let told = format!("{} {harm:?}", object.display());
        let world = base.harmed(object, Some(partner), harm);
        let is_index_lost = kind == "index" && harm == Harm::Removed;
        let checked = world.as_operator(&["check", "--data"]).expect(4);
        if !is_index_lost {
            stdout(&checked, &format!("damaged: {}", object.display()), &told);
        }
        stdout(&checked, "(job mine)", &told);
        if harm == Harm::Flipped {
            world.run(&["check", "--data"]).expect(4);
        }
        if harm != Harm::Swapped {
            base.comes_back(&world, "other", &told);
            assert!(!checked.stdout.contains("(job other)"), "{told}");
        }
        base.fails_loudly(&world, &told);
        for job in ["mine", "other"] {
            world.run(&["run", job]).expect(0);
            base.comes_back(&world, job, &told);
        }
    }
}

#[test]
fn a_harmed_pack_of_content_is_named_with_what_it_costs() {
    harm_what_can_be_stored_anew("packs", 0);
}

#[test]
fn a_harmed_pack_of_entries_or_references_is_named_with_what_it_costs() {
    for at in 1..BASE.of_kind(&BASE.mine, "packs").len() {
        harm_what_can_be_stored_anew("packs", at);
    }
}

#[test]
fn a_harmed_index_segment_is_named_with_what_it_costs() {
    harm_what_can_be_stored_anew("index", 0);
}

#[test]
fn a_run_does_not_rely_on_a_segment_that_only_its_cache_still_has() {
    let base = &*BASE;
    let object = base.of_kind(&base.mine, "index")[0];
    for harm in [Harm::Flipped, Harm::Removed, Harm::Emptied] {
        let told = format!("{} {harm:?}", object.display());
        let world = base.harmed_behind_a_cache(object, None, harm);
        world.run(&["check"]).expect(4);
        world.run(&["run", "mine"]).expect(0);
        forget(&world);
        base.comes_back(&world, "mine", &told);
        base.comes_back(&world, "other", &told);
    }
}

#[test]
fn files_that_a_harmed_pack_costs_are_named_by_check_and_no_others() {
    let base = &*BASE;
    let object = base.of_kind(&base.mine, "packs")[0];
    let world = base.harmed(object, None, Harm::Flipped);
    let checked = world.as_operator(&["check", "--data", "--json"]).expect(4);
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    let losses = report["losses"].as_array().unwrap();
    assert!(
        losses.iter().all(|loss| loss["job"] == "mine"),
        "{losses:?}"
    );
    let named: BTreeSet<&str> = losses
        .iter()
        .flat_map(|loss| loss["entries"].as_array().unwrap())
        .filter_map(|entry| entry.as_str()?.rsplit('/').next())
        .collect();
    let (ended, differences) = base.restored(&world, "mine");
    assert_eq!(ended.code, Some(4));
    let lost: BTreeSet<&str> = differences
        .iter()
        .filter(|line| !line.contains(": time "))
        .filter_map(|line| line.split(':').next()?.rsplit('/').next())
        .collect();
    assert!(!named.is_empty(), "{}", checked.stdout);
    assert_eq!(named, lost, "{differences:?}");
}

#[test]
fn a_harmed_snapshot_is_named_and_nobody_takes_an_older_one_for_it() {
    let base = &*BASE;
    let object = base.of_kind(&base.mine, "snapshots")[0];
    let partner = base.of_kind(&base.other, "snapshots")[0];
    for harm in HARMS {
        let told = format!("{} {harm:?}", object.display());
        let world = base.harmed(object, Some(partner), harm);
        let checked = world.as_operator(&["check"]);
        if harm == Harm::Removed {
            // A snapshot that is gone is one that was never there: nothing refers to it.
            checked.expect(0);
            world
                .as_operator(&["ls", "mine"])
                .expect(2)
                .says("there is no snapshot");
            base.comes_back(&world, "other", &told);
        } else {
            let checked = checked.expect(4);
            stdout(&checked, &format!("damaged: {}", object.display()), &told);
            world.run(&["list"]).expect(4);
            let (ended, _) = base.restored(&world, "mine");
            assert_eq!(ended.code, Some(4), "{told}: {ended:?}");
        }
        world.run(&["run", "mine"]).expect(0);
        if harm != Harm::Removed {
            // There is a newer one now, and nobody can know that it is.
            world
                .as_operator(&["ls", "mine"])
                .expect(4)
                .says("it is not known which snapshot `mine` is");
        }
        let listed = world.run(&["list", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        let newest = listed
            .as_array()
            .unwrap()
            .iter()
            .rfind(|snapshot| snapshot["job"] == "mine");
        let id = newest.unwrap()["snapshot"].as_str().unwrap();
        let target = world.at("by-id");
        let named = format!("mine@{id}");
        world
            .as_operator(&["restore", &named, "--target", target.to_str().unwrap()])
            .expect(0);
    }
}
