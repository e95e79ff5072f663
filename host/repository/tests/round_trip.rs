//! From entries to sealed packs in a directory, and back.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, FileContent, Identity as FileIdentity, OpenFile, RestoreTarget,
    TargetFile, Xattrs,
};
use holdfast_base::time::{Instant, SystemClock};
use holdfast_repository::check::{Depth, Progress, check};
use holdfast_repository::format::root::{Root, SourceNote};
use holdfast_repository::keys::{KeyFile, Role};
use holdfast_repository::pipeline::seal::{Identity, Recipient, Sealer};
use holdfast_repository::read::Reader;
use holdfast_repository::restore::restore;
use holdfast_repository::write::{Gauge, RunNote, SourceEnd};
use holdfast_repository::{Repository, Session, Setup};
use holdfast_store::local::LocalStore;
use holdfast_testkit::sealer::NativeAge;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

struct Place {
    directory: tempfile::TempDir,
    key: KeyFile,
    operator: Identity,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let operator = NativeAge.generate().unwrap();
        let setup = setup(directory.path());
        let key = Repository::init(&setup, &[Recipient::PublicKey(operator.public_key)]).unwrap();
        Self {
            directory,
            key,
            operator: Identity::Key(operator.identity),
        }
    }

    fn open(&self, role: Role) -> Arc<Repository> {
        let key = self.key.narrowed(role).unwrap();
        Arc::new(Repository::open(setup(self.directory.path()), key).unwrap())
    }

    fn begin(&self) -> Session {
        let note = RunNote {
            job: "test".into(),
            host: "here".into(),
            source: SourceNote::default(),
            tags: vec![],
            level: 3,
        };
        Session::begin(
            &self.open(Role::Write),
            note,
            &Cancel::new(),
            Arc::new(Gauge::default()),
        )
        .unwrap()
    }

    fn backup(&self, files: &[(&str, Vec<u8>)]) -> Root {
        let session = self.begin();
        for (path, bytes) in files {
            session
                .add(file(path, bytes.len()), Some(Box::new(Bytes::of(bytes))))
                .unwrap();
        }
        session.commit(SourceEnd::seen()).unwrap()
    }

    fn restore(&self, root: &Root) -> BTreeMap<String, Vec<u8>> {
        let reader = Reader::new(self.open(Role::Read)).unwrap();
        let target = Memory::default();
        let outcome = restore(&reader, root, &|_| true, &target, &Cancel::new()).unwrap();
        assert!(
            outcome.damaged.is_empty() && outcome.refused.is_empty(),
            "{outcome:?}"
        );
        target.0.lock().unwrap().clone()
    }
}

fn setup(directory: &Path) -> Setup {
    Setup {
        store: Arc::new(LocalStore::new(directory.join("repository"))),
        sealer: Arc::new(NativeAge),
        cache: Some(directory.join("cache")),
        clock: Arc::new(SystemClock),
    }
}

fn file(path: &str, size: usize) -> Entry {
    Entry {
        path: EntryPath::new(path).unwrap(),
        kind: EntryKind::File {
            size: size as u64,
            extents: None,
        },
        modified: Instant(5),
        ownership: None,
        attributes: vec![],
    }
}

static READS: AtomicU64 = AtomicU64::new(0);

struct Bytes(Cursor<Vec<u8>>, u64);

impl Bytes {
    fn of(bytes: &[u8]) -> Self {
        let hash = blake3::hash(bytes);
        Self(
            Cursor::new(bytes.to_vec()),
            u64::from(hash.as_bytes()[0]) + 1,
        )
    }
}

impl FileContent for Bytes {
    fn identity(&self) -> Option<FileIdentity> {
        let size = self.0.get_ref().len() as u64;
        Some(FileIdentity {
            inode: self.1,
            device: 1,
            size,
            changed: Instant(7),
        })
    }

    fn open(self: Box<Self>) -> io::Result<Box<dyn OpenFile>> {
        READS.fetch_add(1, Ordering::SeqCst);
        Ok(self)
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl OpenFile for Bytes {
    fn size(&self) -> u64 {
        self.0.get_ref().len() as u64
    }

    fn extents(&self) -> Option<&[holdfast_base::entry::Extent]> {
        None
    }

    fn xattrs(&self) -> Xattrs {
        Xattrs::default()
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

#[derive(Default, Clone)]
struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

struct MemoryFile(Memory, String);

impl RestoreTarget for Memory {
    fn make(&self, _: &Entry) -> io::Result<()> {
        Ok(())
    }

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Option<Box<dyn TargetFile>>> {
        let name = entry.path.to_string();
        self.0
            .lock()
            .unwrap()
            .insert(name.clone(), vec![0; size as usize]);
        Ok(Some(Box::new(MemoryFile(self.clone(), name))))
    }

    fn finish(&self) -> io::Result<()> {
        Ok(())
    }
}

impl TargetFile for MemoryFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.0.0.lock().unwrap();
        let file = files.get_mut(&self.1).unwrap();
        file[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn finish(&self, _: &Entry) -> io::Result<()> {
        Ok(())
    }
}

fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn sample() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = (0..600)
        .map(|n| {
            (
                format!("d{:02}/f{n:04}", n / 40),
                noise(n, 100 + n as usize * 37),
            )
        })
        .collect();
    files.push(("e/empty".into(), vec![]));
    files.push(("e/large".into(), noise(1_000_000, 11 << 20)));
    files.push((
        "e/text".into(),
        b"id,name,city\n1,anna,oslo\n".repeat(300_000),
    ));
    files
}

fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, Vec<u8>)> {
    files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.clone()))
        .collect()
}

#[test]
fn what_was_backed_up_comes_back() {
    let place = Place::new();
    let files = sample();
    let root = place.backup(&borrowed(&files));
    assert_eq!(root.counts.entries, files.len() as u64);
    assert_eq!(place.restore(&root), files.into_iter().collect());
    let report = check(
        &place.open(Role::Read),
        Depth::Data,
        &Cancel::new(),
        &Progress::default(),
    )
    .unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
    assert_eq!(report.snapshots, 1);
}

#[test]
fn a_second_run_stores_next_to_nothing_and_an_edit_little() {
    let place = Place::new();
    let mut files = sample();
    let first = place.backup(&borrowed(&files));
    let second = place.backup(&borrowed(&files));
    assert_eq!(second.counts.new_bytes, 0);
    assert_eq!(second.counts.unchanged_files, files.len() as u64);
    assert!(second.counts.stored_bytes < 2_000, "{:?}", second.counts);
    files[600 + 1].1[5 << 20] ^= 1;
    let third = place.backup(&borrowed(&files));
    assert!(third.counts.new_bytes < 3 << 20, "{:?}", third.counts);
    assert!(third.counts.stored_bytes < first.counts.stored_bytes / 4);
    assert_eq!(place.restore(&third), files.into_iter().collect());
}

#[test]
fn an_operators_identity_and_the_store_are_enough() {
    let place = Place::new();
    let files = sample();
    let root = place.backup(&borrowed(&files));
    let mut setup = setup(place.directory.path());
    setup.cache = None;
    let repository =
        Repository::open_as_operator(setup, std::slice::from_ref(&place.operator)).unwrap();
    assert_eq!(repository.snapshots().unwrap().0, [root]);
    let stranger = Identity::Key(NativeAge.generate().unwrap().identity);
    let setup = Setup {
        cache: None,
        ..self::setup(place.directory.path())
    };
    assert!(Repository::open_as_operator(setup, &[stranger]).is_err());
}

#[test]
fn a_write_key_cannot_read_content_and_an_audit_key_can_list() {
    let place = Place::new();
    let root = place.backup(&[("a", noise(1, 5_000))]);
    let reader = Reader::new(place.open(Role::Write)).unwrap();
    assert!(reader.items(&root).unwrap().next().unwrap().is_err());
    let audit = place.open(Role::Audit);
    assert_eq!(audit.snapshots().unwrap().0.len(), 1);
    let reader = Reader::new(audit).unwrap();
    assert_eq!(reader.references(&root).unwrap().count(), 2);
}

#[test]
fn a_second_init_and_a_foreign_key_are_refused() {
    let place = Place::new();
    let operator = NativeAge.generate().unwrap();
    let again = Repository::init(
        &setup(place.directory.path()),
        &[Recipient::PublicKey(operator.public_key)],
    );
    assert!(again.is_err());
    let other = Place::new();
    assert!(Repository::open(setup(place.directory.path()), other.key.clone()).is_err());
}

#[test]
fn streams_are_entries_and_a_dropped_one_is_not() {
    let place = Place::new();
    let session = Arc::new(place.begin());
    let dump = b"INSERT INTO t VALUES (1);\n".repeat(400_000);
    let mut dropped = session
        .stream(EntryPath::new("half").unwrap(), vec![])
        .unwrap();
    dropped.write(&noise(3, 6 << 20)).unwrap();
    drop(dropped);
    let mut stream = session
        .stream(EntryPath::new("dump.sql").unwrap(), vec![])
        .unwrap();
    for piece in dump.chunks(100_000) {
        stream.write(piece).unwrap();
    }
    assert!(
        session
            .stream(EntryPath::new("dump.sql").unwrap(), vec![])
            .is_err()
    );
    assert_eq!(stream.finish().unwrap(), dump.len() as u64);
    let session = Arc::into_inner(session).unwrap();
    let root = session.commit(SourceEnd::seen()).unwrap();
    let restored = place.restore(&root);
    assert_eq!(restored.keys().collect::<Vec<_>>(), ["dump.sql"]);
    assert_eq!(restored["dump.sql"], dump);
}

#[test]
fn a_run_that_is_given_up_leaves_no_snapshot_and_its_packs_serve_the_next() {
    let place = Place::new();
    let files = sample();
    let session = place.begin();
    for (path, bytes) in borrowed(&files) {
        session
            .add(file(path, bytes.len()), Some(Box::new(Bytes::of(&bytes))))
            .unwrap();
    }
    session.settle().unwrap();
    assert!(session.abandon().is_none());
    assert!(place.open(Role::Write).snapshot_ids().unwrap().is_empty());
    let root = place.backup(&borrowed(&files));
    assert_eq!(root.counts.new_bytes, 0, "{:?}", root.counts);
    assert_eq!(place.restore(&root), files.into_iter().collect());
}

#[test]
fn every_flipped_byte_region_of_every_object_is_noticed() {
    let place = Place::new();
    place.backup(&borrowed(&sample()[..50]));
    let mut objects = Vec::new();
    find_files(&place.directory.path().join("repository"), &mut objects);
    for object in objects {
        let sound = std::fs::read(&object).unwrap();
        for at in [0, sound.len() / 3, sound.len() / 2, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x40;
            replace(&object, &damaged);
            assert!(is_noticed(&place), "byte {at} of {object:?}");
        }
        replace(&object, &sound[..sound.len() - 1]);
        assert!(is_noticed(&place), "a cut of {object:?}");
        std::fs::remove_file(&object).unwrap();
        assert!(
            is_noticed(&place) || object.to_string_lossy().contains("/snapshots/"),
            "loss of {object:?}"
        );
        replace(&object, &sound);
    }
    assert!(!is_noticed(&place));
}

fn replace(object: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(object);
    std::fs::write(object, bytes).unwrap();
}

/// Opens as an operator without a cache, so that every kind of object is needed.
fn is_noticed(place: &Place) -> bool {
    let setup = Setup {
        cache: None,
        ..setup(place.directory.path())
    };
    let opened = Repository::open_as_operator(setup, std::slice::from_ref(&place.operator));
    let Ok(repository) = opened else { return true };
    let report = check(
        &Arc::new(repository),
        Depth::Data,
        &Cancel::new(),
        &Progress::default(),
    );
    report.map_or(true, |report| !report.damage.is_empty())
}

fn find_files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_files(&path, found)
        } else {
            found.push(path)
        }
    }
}
