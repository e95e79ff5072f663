//! The two calls that every byte goes through when a guest wants to see it.
//!
//! A written piece is taken straight from the guest's memory. A read piece lies in a buffer that
//! comes back after it was copied in: neither call allocates.

use crate::capability::Guest;
use crate::capability::failure::Answer;
use crate::capability::streams::{Reader, Writer};
use crate::contract::Failure;
use bytes::Bytes;
use holdfast_base::limits::PIECE_MAX;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};

/// Reads a piece; none at the end.
pub(super) fn read_piece(
    guest: &mut Guest,
    this: &Resource<Reader>,
    max_bytes: u32,
) -> Answer<Option<Bytes>> {
    if let Err(failure) = guest.check_cancelled() {
        return Ok(Err(failure));
    }
    let length = (max_bytes as usize).clamp(1, PIECE_MAX.len());
    let mut piece = guest.pieces.lend_piece(length);
    Ok(
        match guest
            .table
            .get_mut(this)?
            .read_some(&mut piece.bytes[..length])
        {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(Bytes::from_owner(piece).slice(..count))),
            Err(failure) => Err(failure),
        },
    )
}

type Written = (Result<(), Failure>,);

fn write_piece(
    mut store: StoreContextMut<'_, Guest>,
    (this, data): (Resource<Writer>, WasmList<u8>),
) -> wasmtime::Result<Written> {
    let guest = store.data_mut();
    if let Err(failure) = guest.check_cancelled() {
        return Ok((Err(failure),));
    }
    // Taken out for the time of the work: the guest's memory and the table are in one store.
    let mut writer = std::mem::replace(guest.table.get_mut(&this)?, Writer::placeholder());
    let result = writer.write_all(data.as_le_slice(&store));
    *store.data_mut().table.get_mut(&this)? = writer;
    Ok((result,))
}

/// Replaces the generated `reader.read` and `writer.write`.
pub(crate) fn link_fast(linker: &mut Linker<Guest>, interface: &str) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut streams = linker.instance(interface)?;
    streams.func_wrap("[method]writer.write", write_piece)?;
    streams.func_wrap(
        "[method]reader.read",
        |mut store: StoreContextMut<'_, Guest>, (this, max_bytes): (Resource<Reader>, u32)| {
            Ok((read_piece(store.data_mut(), &this, max_bytes)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
