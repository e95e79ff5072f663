//! Parity beside packs: a local disk loses sectors, and what lies beside a pack mends it.
//!
//! - A store that keeps parity is a store like any: whoever stores packs in it knows nothing of it.
//! - Parity comes after its pack is durable and goes after it, by who removes the pack. A crash between the two leaves a pack
//!   without parity, which is sound, or parity without a pack, which does no harm.
//! - That it cannot be written fails no run: a warning says so, and a repair adds it later.

mod code;

pub use crate::format::parity::{Shape, ShapeError};
pub use code::{Mended, check, mend, write};

use crate::ground::names::{pack_named, parity_name};
use crate::objects::error::ObjectError;
use holdfast_base::error::join_causes;
use holdfast_base::id::PackId;
use holdfast_store::{
    Abilities, Attempts, ColdStorage, Created, Listed, Name, ObjectLock, Placement, Probe, Store,
    StoreError, Upload,
};
use std::io::{self, Write};
use std::sync::Arc;

/// Removes the parity of a pack that was removed for good, if there is some.
///
/// # Errors
/// It is still there.
pub fn remove_parity(store: &dyn Store, pack: &PackId) -> Result<(), ObjectError> {
    Ok(store.delete(&parity_name(pack))?)
}

/// A store that keeps parity beside the packs in it.
pub struct ParityStore {
    inner: Arc<dyn Store>,
    shape: Shape,
}

impl ParityStore {
    /// Keeps so much parity in a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, shape: Shape) -> Self {
        Self { inner, shape }
    }
}

/// Adds parity to a pack that is durable.
fn add(store: &dyn Store, object: &Name, shape: Shape) {
    let Some(pack) = pack_named(object) else {
        return;
    };
    if let Err(error) = write(store, &pack, shape) {
        let error = join_causes(&error);
        tracing::warn!(error, "pack {pack} has no parity; a repair adds it");
    }
}

impl Store for ParityStore {
    fn create(&self, name: &Name, bytes: &[u8], attempts: Attempts) -> Result<Created, StoreError> {
        let created = self.inner.create(name, bytes, attempts)?;
        add(self.inner.as_ref(), name, self.shape);
        Ok(created)
    }

    fn upload(&self, placement: Placement) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(ParityUpload {
            inner: self.inner.upload(placement)?,
            store: Arc::clone(&self.inner),
            shape: self.shape,
        }))
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        self.inner.get(name)
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.inner.get_range(name, offset, length)
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        self.inner.size(name)
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        self.inner.list(area)
    }

    /// Parity outlives its pack until somebody removes it on purpose, since a repair moves packs.
    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        self.inner.delete(name)
    }

    fn is_far(&self) -> bool {
        self.inner.is_far()
    }

    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn probing(&self) -> Option<&dyn Probe> {
        self.inner.probing()
    }

    fn object_lock(&self) -> Option<&dyn ObjectLock> {
        self.inner.object_lock()
    }

    fn cold_storage(&self) -> Option<&dyn ColdStorage> {
        self.inner.cold_storage()
    }
}

struct ParityUpload {
    inner: Box<dyn Upload>,
    store: Arc<dyn Store>,
    shape: Shape,
}

impl Write for ParityUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for ParityUpload {
    fn commit(self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        let created = self.inner.commit(name)?;
        add(self.store.as_ref(), name, self.shape);
        Ok(created)
    }
}
