//! Sealed objects of the store, read at any place.
//!
//! An encryptor reads a little of the head, and then the range that is wanted, piece by piece. From a directory that
//! costs nothing. Where every request takes its time, heads are kept, and a range comes in one request.

use crate::ground::seal::{SealError, SealedBytes};
use crate::objects::error::ObjectError;
use holdfast_base::sync::Unpoisoned;
use holdfast_store::{Name, Store, StoreError};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

/// Bytes of an object's head that are kept.
const HEAD_BYTES: u64 = 2 << 10;
/// Heads that are kept at once.
const HEADS_KEPT: usize = 1024;
/// A sealed range is longer than what is in it: it begins and ends where the seal lets it …
const SEAL_EDGES: usize = 2 * ((64 << 10) + 16);
/// … and every so many bytes have some more of the seal.
const SEAL_SHARE: usize = 4096;

/// What is known of an object before any range of it is read.
struct Head {
    size: u64,
    bytes: Vec<u8>,
}

/// Heads of objects that may be read again soon.
#[derive(Default)]
pub(crate) struct Heads(Mutex<HashMap<Name, Arc<Head>>>);

impl Heads {
    fn of(&self, store: &dyn Store, name: &Name) -> Result<Arc<Head>, StoreError> {
        let kept = || self.0.lock_unpoisoned();
        if let Some(head) = kept().get(name) {
            return Ok(Arc::clone(head));
        }
        let size = store.size(name)?;
        let bytes = store.get_range(name, 0, size.min(HEAD_BYTES) as usize)?;
        let head = Arc::new(Head { size, bytes });
        let mut heads = kept();
        if heads.len() >= HEADS_KEPT {
            heads.clear();
        }
        heads.insert(name.clone(), Arc::clone(&head));
        Ok(head)
    }
}

/// A range that came in one request.
#[derive(Default)]
struct Ahead {
    at: u64,
    bytes: Vec<u8>,
}

/// A sealed object of the store, read at any place.
pub(crate) struct StoredObject {
    store: Arc<dyn Store>,
    name: Name,
    head: Arc<Head>,
    /// How much is read at once; no more than is asked for, if that costs nothing.
    at_once: usize,
    ahead: Mutex<Ahead>,
    /// Why the store gave nothing: the encryptor would tell it in words only.
    failure: Mutex<Option<StoreError>>,
}

impl StoredObject {
    /// Begins with an object of which `length` bytes of what is sealed will be read.
    pub(crate) fn open(
        store: &Arc<dyn Store>,
        name: Name,
        heads: &Heads,
        length: usize,
    ) -> Result<Self, ObjectError> {
        let (head, at_once) = if store.is_far() {
            let sealed = length + length / SEAL_SHARE + SEAL_EDGES;
            (heads.of(store.as_ref(), &name)?, sealed)
        } else {
            let (size, bytes) = (store.size(&name)?, Vec::new());
            (Arc::new(Head { size, bytes }), 0)
        };
        Ok(Self {
            store: Arc::clone(store),
            name,
            head,
            at_once,
            ahead: Mutex::default(),
            failure: Mutex::default(),
        })
    }

    /// Returns what came of opening it, and the store's failure if that was the reason.
    pub(crate) fn told<T>(&self, opened: Result<T, SealError>) -> Result<T, ObjectError> {
        let mut failure = self.failure.lock_unpoisoned();
        match (opened, failure.take()) {
            (Err(_), Some(failure)) => Err(failure.into()),
            (opened, _) => Ok(opened?),
        }
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        if let Some(bytes) = within(0, &self.head.bytes, offset, length) {
            return Ok(bytes);
        }
        if self.at_once <= length {
            return self.store.get_range(&self.name, offset, length);
        }
        let mut ahead = self.ahead.lock_unpoisoned();
        if let Some(bytes) = within(ahead.at, &ahead.bytes, offset, length) {
            return Ok(bytes);
        }
        let left = self.head.size.saturating_sub(offset);
        let all = self
            .at_once
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        ahead.bytes = self.store.get_range(&self.name, offset, all.max(length))?;
        ahead.at = offset;
        Ok(ahead.bytes[..length].to_vec())
    }
}

/// Returns a range, if it lies in bytes that begin at `at`.
fn within(at: u64, bytes: &[u8], offset: u64, length: usize) -> Option<Vec<u8>> {
    let from = usize::try_from(offset.checked_sub(at)?).ok()?;
    Some(bytes.get(from..from.checked_add(length)?)?.to_vec())
}

impl SealedBytes for StoredObject {
    fn size(&self) -> u64 {
        self.head.size
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let left = self.head.size.saturating_sub(offset);
        let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        self.read(offset, length).map_err(|error| {
            let told = io::Error::other(error.to_string());
            *self.failure.lock_unpoisoned() = Some(error);
            told
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::{
        Abilities, Attempts, ColdStorage, Created, Listed, ObjectLock, Placement, Probe, Upload,
    };
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A place where each request is counted.
    struct Far {
        bytes: Vec<u8>,
        requests: AtomicUsize,
    }

    impl Store for Far {
        fn place(&self) -> String {
            "far".into()
        }
        fn get(&self, _: &Name) -> Result<Vec<u8>, StoreError> {
            unreachable!()
        }
        fn get_range(&self, _: &Name, at: u64, length: usize) -> Result<Vec<u8>, StoreError> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            Ok(self.bytes[at as usize..at as usize + length].to_vec())
        }
        fn size(&self, _: &Name) -> Result<u64, StoreError> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            Ok(self.bytes.len() as u64)
        }
        fn create(&self, _: &Name, _: &[u8], _: Attempts) -> Result<Created, StoreError> {
            unreachable!()
        }
        fn upload(&self, _: Placement) -> Result<Box<dyn Upload>, StoreError> {
            unreachable!()
        }
        fn list(&self, _: &str) -> Result<Vec<Listed>, StoreError> {
            unreachable!()
        }
        fn delete(&self, _: &Name) -> Result<(), StoreError> {
            unreachable!()
        }
        fn is_far(&self) -> bool {
            true
        }
        fn abilities(&self) -> Abilities {
            Abilities::UNKNOWN
        }
        fn probing(&self) -> Option<&dyn Probe> {
            None
        }
        fn object_lock(&self) -> Option<&dyn ObjectLock> {
            None
        }
        fn cold_storage(&self) -> Option<&dyn ColdStorage> {
            None
        }
    }

    #[test]
    fn a_range_of_a_far_object_comes_in_one_request_and_its_head_once() {
        let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| (at >> 3) as u8).collect();
        let far = Arc::new(Far {
            bytes: bytes.clone(),
            requests: AtomicUsize::new(0),
        });
        let store: Arc<dyn Store> = Arc::clone(&far) as _;
        let heads = Heads::default();
        let name = Name::new("packs/00/one").unwrap();
        for (turn, start) in [(0, 131_104), (1, 2_000_000)] {
            let object = StoredObject::open(&store, name.clone(), &heads, 1 << 20).unwrap();
            for (at, length) in [(0, 1024), (200, 16)] {
                let read = object.read_at(at, length).unwrap();
                assert_eq!(read, bytes[at as usize..at as usize + length]);
            }
            for piece in 0..4 {
                let at = start + piece * (256 << 10);
                let read = object.read_at(at as u64, 256 << 10).unwrap();
                assert!(read == bytes[at..at + (256 << 10)]);
            }
            assert_eq!(far.requests.load(Ordering::Relaxed), 2 + 1 + turn);
        }
        // To the end, where less is left than would be read at once; and nothing beyond it.
        let object = StoredObject::open(&store, name, &heads, 1 << 20).unwrap();
        let read = object.read_at(4_900_000, 256 << 10).unwrap();
        assert!(read == bytes[4_900_000..]);
        assert!(object.read_at(5_000_000, 10).unwrap().is_empty());
    }
}
