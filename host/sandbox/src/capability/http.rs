//! Origins: part of the contract, not available in this version.

use super::net::unavailable;
use super::{Answer, Guest};
use crate::bindings::v1::shared::http::{Host, Request, Response};

impl Host for Guest {
    fn send(&mut self, _: Request) -> Answer<Response> {
        Ok(Err(unavailable("sending requests")))
    }
}
