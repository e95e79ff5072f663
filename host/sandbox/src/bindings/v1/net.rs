//! Endpoints and origins.

use super::shared::http;
use super::shared::net::{Host, HostConnection, Protection};
use crate::capability::Guest;
use crate::capability::failure::Answer;
use crate::capability::net::{Connection, unavailable};
use crate::capability::streams::{Reader, Writer};
use wasmtime::component::Resource;

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

impl http::Host for Guest {
    fn send(&mut self, _: http::Request) -> Answer<http::Response> {
        Ok(Err(unavailable("sending requests")))
    }
}
