//! The two calls that every byte goes through when a guest wants to see it.
//!
//! A written piece is taken straight from the guest's memory. A read piece lies in a buffer that
//! comes back after it was copied in: neither call allocates.

use super::{Reader, Writer};
use crate::bindings::v1::shared::types::Failure;
use crate::capability::{Answer, Guest};
use bytes::Bytes;
use holdfast_base::limits::PIECE_MAX;
use holdfast_base::sync::Unpoisoned;
use std::sync::{Arc, Mutex};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};

/// Buffers that wait for the next piece.
const KEPT_MAX: usize = 4;

type Kept = Arc<Mutex<Vec<Vec<u8>>>>;

/// Buffers for pieces, used again and again.
#[derive(Default)]
pub(crate) struct Pieces(Kept);

/// A buffer on loan.
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    kept: Kept,
}

impl Pieces {
    pub(crate) fn take(&self, length: usize) -> Piece {
        let bytes = self.0.lock_unpoisoned().pop();
        let mut bytes = bytes.unwrap_or_default();
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Piece {
            bytes,
            kept: Arc::clone(&self.0),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut kept = self.kept.lock_unpoisoned();
        if kept.len() < KEPT_MAX {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a piece; none at the end.
pub(super) fn read(
    guest: &mut Guest,
    this: &Resource<Reader>,
    max_bytes: u32,
) -> Answer<Option<Bytes>> {
    if let Err(failure) = guest.check_cancelled() {
        return Ok(Err(failure));
    }
    let length = (max_bytes as usize).clamp(1, PIECE_MAX.len());
    let mut piece = guest.pieces.take(length);
    Ok(
        match guest.table.get_mut(this)?.fill(&mut piece.bytes[..length]) {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(Bytes::from_owner(piece).slice(..count))),
            Err(failure) => Err(failure),
        },
    )
}

type Written = (Result<(), Failure>,);

fn write(
    mut store: StoreContextMut<'_, Guest>,
    (this, data): (Resource<Writer>, WasmList<u8>),
) -> wasmtime::Result<Written> {
    let guest = store.data_mut();
    if let Err(failure) = guest.check_cancelled() {
        return Ok((Err(failure),));
    }
    // Taken out for the time of the work: the guest's memory and the table are in one store.
    let mut writer = std::mem::replace(guest.table.get_mut(&this)?, Writer::away());
    let result = writer.take(data.as_le_slice(&store));
    *store.data_mut().table.get_mut(&this)? = writer;
    Ok((result,))
}

/// Replaces the generated `reader.read` and `writer.write`.
pub(crate) fn link_fast(linker: &mut Linker<Guest>, interface: &str) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut streams = linker.instance(interface)?;
    streams.func_wrap("[method]writer.write", write)?;
    streams.func_wrap(
        "[method]reader.read",
        |mut store: StoreContextMut<'_, Guest>, (this, max_bytes): (Resource<Reader>, u32)| {
            Ok((read(store.data_mut(), &this, max_bytes)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
