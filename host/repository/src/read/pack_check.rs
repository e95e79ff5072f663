//! Checks one pack: its name, its seal, its frames, its table.

use crate::format::segment::{IndexedPack, PackKind};
use crate::ground::names::pack_name;
use crate::ground::seal::Identity;
use crate::objects::error::{IoStep, ObjectError, require_hash};
use crate::read::frames::{CheckedPlain, FrameCheck};
use crate::repository::Repository;
use holdfast_base::sync::Unpoisoned;
use holdfast_store::{Name, Store, StoreError};
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

/// Sealed bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Checks packs, one after the other. One for each thread: it keeps its memory.
pub(crate) struct PackCheck {
    repository: Arc<Repository>,
    frames: Arc<Mutex<FrameCheck>>,
}

impl PackCheck {
    /// Checks with the key that the repository was opened with.
    pub(crate) fn new(repository: &Arc<Repository>) -> Self {
        Self {
            repository: Arc::clone(repository),
            frames: Arc::default(),
        }
    }

    /// Returns whether the key opens a pack.
    pub(crate) fn can_open(&self, pack: &IndexedPack) -> bool {
        self.identity(pack).is_ok()
    }

    fn identity(&self, pack: &IndexedPack) -> Result<[Identity; 1], ObjectError> {
        match pack.kind {
            PackKind::Catalog => Ok(self.repository.catalog_identity()),
            PackKind::Content | PackKind::Items => {
                Ok(self.repository.epoch_identity(pack.epoch)?)
            }
        }
    }

    /// Checks a pack; says what the key did not allow to look at.
    ///
    /// # Errors
    /// The pack is damaged, or the store failed.
    pub(crate) fn check_pack(
        &self,
        pack: &Arc<IndexedPack>,
    ) -> Result<Option<String>, ObjectError> {
        let setup = &self.repository.setup;
        let hash = Arc::new(Mutex::new(blake3::Hasher::new()));
        let failure = Arc::new(Mutex::new(None));
        let mut sealed = HashedObject {
            store: Arc::clone(&setup.store),
            name: pack_name(&pack.id),
            at: 0,
            size: pack.sealed_bytes,
            hash: Arc::clone(&hash),
            failure: Arc::clone(&failure),
            buffer: Vec::new(),
            used: 0,
        };
        let Ok(identity) = self.identity(pack) else {
            let read = io::copy(&mut sealed, &mut io::sink());
            unserved(&failure)?;
            read.map_err(IoStep::ReadPack.failed())?;
            named_right(&hash, pack)?;
            return Ok(Some(
                "content: the key cannot open it, only its hash was checked".into(),
            ));
        };
        let frames = || self.frames.lock_unpoisoned();
        frames().check_start(pack, self.repository.id_key.as_ref())?;
        let plain = Box::new(CheckedPlain(Arc::clone(&self.frames)));
        let opened = setup.sealer.open(&identity, Box::new(sealed), plain);
        unserved(&failure)?;
        named_right(&hash, pack)
            .or_else(|error| opened.as_ref().map_or(Ok(()), |()| Err(error)))?;
        opened?;
        frames().finish()?;
        Ok(None)
    }
}

/// Fails if a service gave nothing: that says nothing of the pack, and the encryptor tells it in words only.
fn unserved(failure: &Mutex<Option<StoreError>>) -> Result<(), ObjectError> {
    let failure = failure.lock_unpoisoned().take();
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn named_right(hash: &Mutex<blake3::Hasher>, pack: &IndexedPack) -> Result<(), ObjectError> {
    require_hash(hash.lock_unpoisoned().finalize(), pack.id.0)
}

/// An object that is hashed while it is read, and read to its end whatever the reader does.
struct HashedObject {
    store: Arc<dyn Store>,
    name: Name,
    at: u64,
    size: u64,
    hash: Arc<Mutex<blake3::Hasher>>,
    /// Why a service gave nothing.
    failure: Arc<Mutex<Option<StoreError>>>,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for HashedObject {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() && self.at < self.size {
            let length = (self.size - self.at).min(READ_BYTES as u64) as usize;
            let read = self.store.get_range(&self.name, self.at, length);
            self.buffer = read.map_err(|error| {
                if error.cause().is_none() {
                    return io::Error::other(error);
                }
                let told = io::Error::other(error.to_string());
                *self.failure.lock_unpoisoned() = Some(error);
                told
            })?;
            self.used = 0;
            self.at += length as u64;
            self.hash.lock_unpoisoned().update(&self.buffer);
        }
        let rest = &self.buffer[self.used..];
        let count = rest.len().min(to.len());
        to[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        Ok(count)
    }
}
