//! What comes to damage_object, repairs, and what they left.

use super::collecting::checked;
use super::{Files, Place, find_files, noise};
use holdfast_base::cancel::Cancel;
use holdfast_base::id::PackId;
use holdfast_base::progress::Progress;
use holdfast_repository::RepositoryError;
use holdfast_repository::check::Depth;
use holdfast_repository::format::root::Root;
use holdfast_repository::keys::Role;
use holdfast_repository::repair::{Options, Repaired, Second, What, repair};
use holdfast_store::Store;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Ways in which an object is damaged.
pub(crate) const DAMAGES: [&str; 4] = ["flipped", "cut", "emptied", "removed"];

pub(crate) fn damage_object(path: &Path, how: &str) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    match how {
        "flipped" => bytes[middle] ^= 1,
        "cut" => bytes.truncate(middle),
        "emptied" => bytes.clear(),
        _ => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

/// A place with two snapshots, and a cache that knows nothing of them.
pub(crate) fn place() -> (Place, Vec<(Root, Files)>) {
    let place = Place::new();
    let mut committed = Vec::new();
    for seed in [1, 2] {
        let files: Files = (0..6)
            .map(|n| (format!("s{seed}/f{n}"), noise(seed * 100 + n, 40_000)))
            .collect();
        let listed: Vec<(&str, Vec<u8>)> = files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.clone()))
            .collect();
        committed.push((place.backup(&listed), files));
    }
    forget(&place);
    (place, committed)
}

pub(crate) fn forget(place: &Place) {
    let _ = std::fs::remove_dir_all(place.directory.path().join("cache"));
}

pub(crate) fn objects(place: &Place, area: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = Vec::new();
    let directory = place.directory.path().join("repository").join(area);
    if directory.exists() {
        find_files(&directory, &mut files);
    }
    files
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

pub(crate) fn repaired_on(
    place: &Place,
    store: Arc<dyn Store>,
    role: Role,
    is_dry: bool,
) -> Result<Repaired, RepositoryError> {
    repaired_from(place, store, role, is_dry, None)
}

pub(crate) fn repaired_from(
    place: &Place,
    store: Arc<dyn Store>,
    role: Role,
    is_dry: bool,
    second: Option<&Place>,
) -> Result<Repaired, RepositoryError> {
    let repository = place.open_on(store, role)?;
    let second = match second {
        Some(second) => Some(Second::new(&repository, second.open(role))?),
        None => None,
    };
    let options = Options {
        depth: Depth::Data,
        second: second.as_ref(),
        parity: None,
        is_dry,
    };
    Ok(repair(
        &repository,
        options,
        &Cancel::new(),
        &Progress::default(),
    )?)
}

pub(crate) fn repaired(place: &Place, role: Role) -> Repaired {
    repaired_on(place, place.store(), role, false).unwrap()
}

pub(crate) fn damage(place: &Place) -> Vec<(String, String)> {
    checked(place).damage
}

pub(crate) fn all_comes_back(place: &Place, committed: &[(Root, Files)]) {
    assert_eq!(damage(place), []);
    for (root, files) in committed {
        assert_eq!(&place.restore(root), files);
    }
}

pub(crate) fn did(repaired: &Repaired, what: What) -> Vec<&str> {
    let deeds = repaired.deeds.iter().filter(|deed| deed.what == what);
    deeds.map(|deed| deed.object.as_str()).collect()
}

pub(crate) fn id_of(pack: &Path) -> PackId {
    pack.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// Returns where an object of one place lies in another.
pub(crate) fn in_place(other: &Place, place: &Place, object: &Path) -> PathBuf {
    let name = object.strip_prefix(place.directory.path()).unwrap();
    other.directory.path().join(name)
}

pub(crate) fn largest(place: &Place) -> PathBuf {
    let packs = objects(place, "packs").into_iter();
    packs.max_by_key(|(_, bytes)| bytes.len()).unwrap().0
}
