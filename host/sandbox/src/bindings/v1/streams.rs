//! Streams and blobs.

use super::fast::read_piece;
use super::shared::streams::{Host, HostBlob, HostReader, HostTransfer, HostWriter};
use crate::capability::Guest;
use crate::capability::failure::Answer;
use crate::capability::streams::{Blob, Reader, SPLICE_BYTES, Transfer, Writer, copy_stream};
use wasmtime::component::Resource;

impl Host for Guest {
    fn splice(&mut self, source: Resource<Reader>, target: Resource<Writer>) -> Answer<u64> {
        let cancel = self.call.clone();
        let mut piece = self.pieces.lend_piece(SPLICE_BYTES);
        self.with_streams(&source, &target, |from, to| {
            copy_stream(from, to, &cancel, &mut piece.bytes, |_| Ok(()))
        })
    }
}

impl HostReader for Guest {
    // The linked one is in `fast.rs`: it gives its buffer back.
    fn read(&mut self, this: Resource<Reader>, max_bytes: u32) -> Answer<Option<Vec<u8>>> {
        let piece = read_piece(self, &this, max_bytes)?;
        Ok(piece.map(|piece| piece.map(|bytes| bytes.to_vec())))
    }

    fn size_hint(&mut self, this: Resource<Reader>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&this)?.size_hint)
    }

    fn drop(&mut self, this: Resource<Reader>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostWriter for Guest {
    // The linked one is in `fast.rs`: it borrows the guest's memory.
    fn write(&mut self, this: Resource<Writer>, data: Vec<u8>) -> Answer<()> {
        if let Err(failure) = self.check_cancelled() {
            return Ok(Err(failure));
        }
        Ok(self.table.get_mut(&this)?.write_all(&data))
    }

    fn finish(&mut self, this: Resource<Writer>) -> Answer<u64> {
        let mut writer = self.table.delete(this)?;
        if let Err(failure) = self.check_cancelled() {
            writer.discard(&failure);
        }
        Ok(writer.finish())
    }

    fn abort(&mut self, this: Resource<Writer>, reason: String) -> wasmtime::Result<()> {
        self.table.delete(this)?.give_up(&reason);
        Ok(())
    }

    fn drop(&mut self, this: Resource<Writer>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostBlob for Guest {
    fn size(&mut self, this: Resource<Blob>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.bytes.size())
    }

    fn read_at(&mut self, this: Resource<Blob>, offset: u64, max_bytes: u32) -> Answer<Vec<u8>> {
        Ok(self.table.get(&this)?.read_at(offset, max_bytes))
    }

    fn open_range(
        &mut self,
        this: Resource<Blob>,
        offset: u64,
        length: u64,
    ) -> Answer<Resource<Reader>> {
        let range = self.table.get(&this)?.open_range(offset, length);
        self.keep_result(range)
    }

    fn drop(&mut self, this: Resource<Blob>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostTransfer for Guest {
    fn start(
        &mut self,
        source: Resource<Reader>,
        target: Resource<Writer>,
    ) -> wasmtime::Result<Resource<Transfer>> {
        let from = self.table.delete(source)?;
        let to = self.table.delete(target)?;
        let piece = self.pieces.lend_piece(SPLICE_BYTES);
        let call = self.call.clone();
        let transfer = self.transfers.start_transfer(from, to, call, piece)?;
        Ok(self.table.push(transfer)?)
    }

    fn moved(&mut self, this: Resource<Transfer>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.moved_bytes())
    }

    fn wait(&mut self, this: Resource<Transfer>) -> Answer<u64> {
        Ok(self.table.delete(this)?.finish())
    }

    fn drop(&mut self, this: Resource<Transfer>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
