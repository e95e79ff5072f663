//! A repository in a directory of its own, files in memory to back up, and a target in memory.

#![allow(dead_code, reason = "an example uses a part of this")]

pub(crate) mod bent;
pub(crate) mod collecting;
pub(crate) mod locking;
pub(crate) mod repairs;
pub(crate) mod synthetic;

use holdfast_base::cancel::Cancel;
use holdfast_base::entry::{
    Entry, EntryKind, EntryPath, FileContent, Identity as FileIdentity, OpenFile, RestoreTarget,
    Started, TargetFile, Xattrs,
};
use holdfast_base::time::{Instant, SystemClock};
use holdfast_repository::format::root::{Root, SourceNote};
use holdfast_repository::keys::{KeyFile, Role};
use holdfast_repository::read::Reader;
use holdfast_repository::restore::restore;
use holdfast_repository::seal::{Identity, Recipient, Sealer};
use holdfast_repository::write::{Gauge, RunNote, SourceEnd};
use holdfast_repository::{Repository, RepositoryError, Setup, SnapshotWriter};
use holdfast_store::Store;
use holdfast_store::local::LocalStore;
use holdfast_testkit::restless::{RestlessStore, Waits};
use holdfast_testkit::sealer::NativeAge;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Names and content of what a snapshot holds.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A repository in a directory of its own.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) key: KeyFile,
    pub(crate) operator: Identity,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = scratch();
        let operator = NativeAge.generate().unwrap();
        let setup = setup(directory.path());
        let key = Repository::init(&setup, &[Recipient::PublicKey(operator.public_key)]).unwrap();
        Self {
            directory,
            key,
            operator: Identity::Key(operator.identity),
        }
    }

    /// Makes a place with the same objects and the same cache.
    pub(crate) fn copy(&self) -> Self {
        let directory = scratch();
        copy(self.directory.path(), directory.path());
        Self {
            directory,
            key: self.key.clone(),
            operator: self.operator.clone(),
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        setup(self.directory.path()).store
    }

    pub(crate) fn open(&self, role: Role) -> Arc<Repository> {
        self.open_on(self.store(), role).unwrap()
    }

    /// Opens the repository by way of another store.
    pub(crate) fn open_on(
        &self,
        store: Arc<dyn Store>,
        role: Role,
    ) -> Result<Arc<Repository>, RepositoryError> {
        let key = match role {
            Role::Write => self.key.for_host("here", Instant(1), &[1; 32]).unwrap(),
            role => self.key.narrowed(role).unwrap(),
        };
        let setup = Setup {
            store,
            ..setup(self.directory.path())
        };
        Ok(Repository::open(setup, key).map(Arc::new)?)
    }

    pub(crate) fn begin(&self) -> SnapshotWriter {
        begin(&self.open(Role::Write)).unwrap()
    }

    pub(crate) fn backup(&self, files: &[(&str, Vec<u8>)]) -> Root {
        let session = self.begin();
        for (path, bytes) in files {
            session
                .add_entry(file(path, bytes.len()), Some(Box::new(Bytes::of(bytes))))
                .unwrap();
        }
        session.commit(SourceEnd::seen()).unwrap()
    }

    pub(crate) fn restore(&self, root: &Root) -> Files {
        let reader = Reader::new(self.open(Role::Read)).unwrap();
        let target = Memory::default();
        let outcome = restore(&reader, root, &|_| true, &target, &Cancel::new()).unwrap();
        assert!(
            outcome.damaged.is_empty() && outcome.refused.is_empty(),
            "{outcome:?}"
        );
        target.whole()
    }
}

/// Makes a directory, in memory where that is possible: these tests wait for hundreds of durable writes.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Begins a run.
pub(crate) fn begin(repository: &Arc<Repository>) -> Result<SnapshotWriter, RepositoryError> {
    begin_with(repository, true)
}

/// Begins a run that proves what it writes, or does not.
pub(crate) fn begin_with(
    repository: &Arc<Repository>,
    prove: bool,
) -> Result<SnapshotWriter, RepositoryError> {
    let note = RunNote {
        job: "test".into(),
        host: "here".into(),
        source: SourceNote::default(),
        tags: vec![],
        level: 3,
        prove,
        of: None,
    };
    Ok(SnapshotWriter::begin(
        repository,
        note,
        &Cancel::new(),
        Arc::new(Gauge::default()),
    )?)
}

/// Returns the store in a directory, which keeps its contract and nothing else: what nobody promised happens at
/// any time, under every test. `HOLDFAST_RESTLESS` is another seed, or `off`.
fn store_in(directory: &Path) -> Arc<dyn Store> {
    let store = Arc::new(LocalStore::new(directory.join("repository")));
    let seed = match std::env::var("HOLDFAST_RESTLESS").as_deref() {
        Ok("off") => return store,
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => 1,
    };
    Arc::new(RestlessStore::new(store, seed, Waits::SHORT))
}

pub(crate) fn setup(directory: &Path) -> Setup {
    Setup {
        store: store_in(directory),
        sealer: Arc::new(NativeAge),
        cache: Some(directory.join("cache")),
        clock: Arc::new(SystemClock),
    }
}

pub(crate) fn file(path: &str, size: usize) -> Entry {
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

pub(crate) struct Bytes(Cursor<Vec<u8>>, u64);

impl Bytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
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

/// Files that are restored into memory, with whether each is finished.
#[derive(Default, Clone)]
pub(crate) struct Memory(Arc<Mutex<Targets>>);

/// The bytes of each file, and whether it is finished.
type Targets = BTreeMap<String, (Vec<u8>, bool)>;

impl Memory {
    /// Returns the files that a restore called finished.
    pub(crate) fn whole(&self) -> Files {
        let files = self.0.lock().unwrap();
        files
            .iter()
            .filter(|(_, (_, is_finished))| *is_finished)
            .map(|(path, (bytes, _))| (path.clone(), bytes.clone()))
            .collect()
    }
}

struct MemoryFile(Memory, String);

impl RestoreTarget for Memory {
    fn make(&self, _: &Entry) -> io::Result<()> {
        Ok(())
    }

    fn make_parent(&self, _: &Entry) -> io::Result<()> {
        Ok(())
    }

    fn set_root(&self, _: &Entry) -> io::Result<()> {
        Ok(())
    }

    fn start(&self, entry: &Entry, size: u64) -> io::Result<Started> {
        self.start_over(entry, size).map(Started::New)
    }

    fn start_over(&self, entry: &Entry, size: u64) -> io::Result<Box<dyn TargetFile>> {
        let name = entry.path.to_string();
        self.0
            .lock()
            .unwrap()
            .insert(name.clone(), (vec![0; size as usize], false));
        Ok(Box::new(MemoryFile(self.clone(), name)))
    }

    fn finish(&self) -> io::Result<()> {
        Ok(())
    }
}

impl TargetFile for MemoryFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.0.0.lock().unwrap();
        let (file, _) = files.get_mut(&self.1).unwrap();
        file[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn finish(&self, _: &Entry) -> io::Result<()> {
        self.0.0.lock().unwrap().get_mut(&self.1).unwrap().1 = true;
        Ok(())
    }
}

pub(crate) fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Returns all files below a directory.
pub(crate) fn find_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_files(&path, found)
        } else {
            found.push(path)
        }
    }
}
