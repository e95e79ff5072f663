//! Checking: the first two rungs of verification.
//!
//! 1. *Structure*: every snapshot is signed and readable, every chunk that it needs is listed, every
//!    pack that is listed is there and has its length.
//! 2. *Data*: every pack has the content that its name says, opens, and holds the chunks that its
//!    table and the index say, each with the content that its name says.
//!
//! Nothing is changed. Everything that is found is named, not only the first.

mod frames;

use crate::error::{RepositoryError, chain};
use crate::format::segment::{IndexedPack, PackKind};
use crate::pipeline::put::pack_name;
use crate::read::Reader;
use crate::repository::Repository;
use frames::{CheckedPlain, FrameCheck};
use holdfast_base::cancel::Cancel;
use holdfast_base::id::{ChunkId, PackId};
use holdfast_store::{Name, Store};
use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Sealed bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Rung 1.
    Structure,
    /// Rungs 1 and 2.
    Data,
}

/// How far a check with data is: sealed bytes.
#[derive(Debug, Default)]
pub struct Progress {
    /// Read so far.
    pub done: AtomicU64,
    /// To be read; 0 until it is known.
    pub total: AtomicU64,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Packs that were looked at.
    pub packs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Packs that no segment lists: what an interrupted run left, for collection to remove.
    pub unlisted_packs: u64,
    /// What is damaged: the object, and how.
    pub damage: Vec<(String, String)>,
    /// What the key did not allow to look at.
    pub unseen: Vec<String>,
}

/// Checks a repository.
///
/// # Errors
/// The store cannot be listed, or the run was cancelled. Damage is no error: it is reported.
pub fn check(
    repository: &Arc<Repository>,
    depth: Depth,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Report, RepositoryError> {
    let mut report = Report::default();
    let packs = read_segments(repository, &mut report)?;
    check_presence(repository, &packs, &mut report)?;
    check_snapshots(repository, &packs, &mut report)?;
    if depth == Depth::Data {
        let total = packs.values().map(|pack| pack.sealed_bytes).sum();
        progress.total.store(total, Ordering::Relaxed);
        check_data(repository, packs, &mut report, cancel, &progress.done)?;
    }
    Ok(report)
}

fn read_segments(
    repository: &Repository,
    report: &mut Report,
) -> Result<HashMap<PackId, IndexedPack>, RepositoryError> {
    let mut packs = HashMap::new();
    for id in repository.segments()? {
        match repository.segment(&id) {
            Ok(listed) => packs.extend(listed.into_iter().map(|pack| (pack.id, pack))),
            Err(error) => report.damage.push((format!("index/{id}"), chain(&error))),
        }
    }
    Ok(packs)
}

fn check_presence(
    repository: &Repository,
    packs: &HashMap<PackId, IndexedPack>,
    report: &mut Report,
) -> Result<(), RepositoryError> {
    let mut stored = HashMap::new();
    for listed in repository.setup.store.list("packs")? {
        match listed.name.last().parse::<PackId>() {
            Ok(id) => drop(stored.insert(id, listed.size)),
            Err(_) => report
                .damage
                .push((listed.name.to_string(), "it is no pack".into())),
        }
    }
    for pack in packs.values() {
        let name = pack_name(&pack.id)?.to_string();
        match stored.remove(&pack.id) {
            None => report.damage.push((name, "it is missing".into())),
            Some(size) if size != pack.sealed_bytes => {
                let text = format!("it has {size} bytes and should have {}", pack.sealed_bytes);
                report.damage.push((name, text));
            }
            Some(_) => {}
        }
    }
    report.packs = packs.len() as u64;
    report.unlisted_packs = stored.len() as u64;
    Ok(())
}

fn check_snapshots(
    repository: &Arc<Repository>,
    packs: &HashMap<PackId, IndexedPack>,
    report: &mut Report,
) -> Result<(), RepositoryError> {
    let listed: HashSet<ChunkId> = packs
        .values()
        .flat_map(|pack| &pack.frames)
        .flat_map(|frame| &frame.parts)
        .map(|part| part.id)
        .collect();
    let reader = match Reader::new(Arc::clone(repository)) {
        Ok(reader) => reader,
        // The damaged segment is already in the report.
        Err(_) if !report.damage.is_empty() => return Ok(()),
        Err(error) => return Err(error),
    };
    let (roots, failures) = repository.snapshots_from_store()?;
    report
        .damage
        .extend(failures.iter().map(|error| match error {
            RepositoryError::Damaged { object, source } => (object.clone(), chain(source)),
            other => ("snapshots".to_owned(), chain(other)),
        }));
    for root in roots {
        report.snapshots += 1;
        let object = format!("snapshots/{} (job {})", root.snapshot, root.job);
        let result = reader.references(&root).and_then(|references| {
            let mut missing = 0_u64;
            for reference in references {
                missing += u64::from(!listed.contains(&reference?.id()));
            }
            Ok(missing)
        });
        match result {
            Ok(0) => {}
            Ok(missing) => {
                report.damage.push((
                    object,
                    format!("{missing} chunks that it needs are in no pack"),
                ));
            }
            Err(error) => report.damage.push((object, chain(&error))),
        }
    }
    Ok(())
}

fn check_data(
    repository: &Arc<Repository>,
    packs: HashMap<PackId, IndexedPack>,
    report: &mut Report,
    cancel: &Cancel,
    done: &AtomicU64,
) -> Result<(), RepositoryError> {
    let mut packs: Vec<Arc<IndexedPack>> = packs.into_values().map(Arc::new).collect();
    packs.sort_unstable_by_key(|pack| pack.id);
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Vec::new(), HashSet::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let frames = Arc::new(Mutex::new(FrameCheck::default()));
                while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if cancel.is_raised() {
                        return;
                    }
                    let result = check_pack(repository, pack, &frames);
                    done.fetch_add(pack.sealed_bytes, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(None) => {}
                        Ok(Some(unseen)) => drop(found.1.insert(unseen)),
                        Err(error) => {
                            found.0.push((format!("packs/{}", pack.id), chain(&error)));
                        }
                    }
                }
            });
        }
    });
    if cancel.is_raised() {
        return Err(RepositoryError::Cancelled);
    }
    let (damage, unseen) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.damage.extend(damage);
    report.unseen.extend(unseen);
    report.bytes = done.load(Ordering::Relaxed);
    Ok(())
}

/// Checks one pack; says what the key did not allow to look at.
fn check_pack(
    repository: &Repository,
    pack: &Arc<IndexedPack>,
    frames: &Arc<Mutex<FrameCheck>>,
) -> Result<Option<String>, RepositoryError> {
    let hash = Arc::new(Mutex::new(blake3::Hasher::new()));
    let mut sealed = HashedObject {
        store: Arc::clone(&repository.setup.store),
        name: pack_name(&pack.id)?,
        at: 0,
        size: pack.sealed_bytes,
        hash: Arc::clone(&hash),
        buffer: Vec::new(),
        used: 0,
    };
    let identity = match pack.kind {
        PackKind::Catalog => Ok(repository.catalog_identity()),
        PackKind::Content | PackKind::Items => repository.epoch_identity(pack.epoch),
    };
    let Ok(identity) = identity else {
        io::copy(&mut sealed, &mut io::sink()).map_err(|e| RepositoryError::io("read it", e))?;
        named_right(&hash, pack)?;
        return Ok(Some(
            "content: the key cannot open it, only its hash was checked".into(),
        ));
    };
    let check = || frames.lock().unwrap_or_else(PoisonError::into_inner);
    check().start(pack, repository.id_key.as_ref())?;
    let plain = Box::new(CheckedPlain(Arc::clone(frames)));
    let opened = repository
        .setup
        .sealer
        .open(&identity, Box::new(sealed), plain);
    named_right(&hash, pack).or_else(|error| opened.as_ref().map_or(Ok(()), |()| Err(error)))?;
    opened?;
    check().finish()?;
    Ok(None)
}

fn named_right(hash: &Mutex<blake3::Hasher>, pack: &IndexedPack) -> Result<(), RepositoryError> {
    let hash = hash
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .finalize();
    if hash == pack.id.0 {
        Ok(())
    } else {
        Err(RepositoryError::Renamed)
    }
}

/// An object that is hashed while it is read, and read to its end whatever the reader does.
struct HashedObject {
    store: Arc<dyn Store>,
    name: Name,
    at: u64,
    size: u64,
    hash: Arc<Mutex<blake3::Hasher>>,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for HashedObject {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() && self.at < self.size {
            let length = (self.size - self.at).min(READ_BYTES as u64) as usize;
            self.buffer = self
                .store
                .get_range(&self.name, self.at, length)
                .map_err(io::Error::other)?;
            self.used = 0;
            self.at += length as u64;
            self.hash
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .update(&self.buffer);
        }
        let rest = &self.buffer[self.used..];
        let count = rest.len().min(to.len());
        to[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        Ok(count)
    }
}
