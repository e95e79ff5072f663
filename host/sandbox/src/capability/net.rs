//! Endpoints and origins: part of the contract, not available in this version.

use super::failure::failure;
use crate::contract::{Failure, FailureKind};

/// A connection. None is ever made in this version.
pub enum Connection {}

/// Makes the failure of what this version cannot do.
pub(crate) fn unavailable(what: &str) -> Failure {
    let message = format!("{what} is not available in this version of holdfast");
    failure(FailureKind::Unsupported, message)
}
