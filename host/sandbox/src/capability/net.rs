//! Endpoints: part of the contract, not available in this version.

use super::streams::{Reader, Writer};
use super::{Answer, Guest, failure};
use crate::bindings::v1::shared::net::{Host, HostConnection, Protection};
use crate::bindings::v1::shared::types::{Failure, FailureKind};
use wasmtime::component::Resource;

/// A connection. None is ever made in this version.
pub enum Connection {}

pub(crate) fn unavailable(what: &str) -> Failure {
    failure(
        FailureKind::Unsupported,
        format!("{what} is not available in this version of holdfast"),
    )
}

impl Host for Guest {
    fn connect(&mut self, _: String, _: Protection) -> Answer<Resource<Connection>> {
        Ok(Err(unavailable("connecting to endpoints")))
    }
}

impl HostConnection for Guest {
    fn take_reader(
        &mut self,
        this: Resource<Connection>,
    ) -> wasmtime::Result<Option<Resource<Reader>>> {
        match *self.table.get(&this)? {}
    }

    fn take_writer(
        &mut self,
        this: Resource<Connection>,
    ) -> wasmtime::Result<Option<Resource<Writer>>> {
        match *self.table.get(&this)? {}
    }

    fn start_tls(&mut self, this: Resource<Connection>, _: String) -> Answer<()> {
        match *self.table.get(&this)? {}
    }

    fn write_secret(&mut self, this: Resource<Connection>, _: String) -> Answer<()> {
        match *self.table.get(&this)? {}
    }

    fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
