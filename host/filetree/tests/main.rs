//! Trees in real directories: read, written, compared, and left alone where they must be.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod changes;
mod round_trip;
mod safety;
mod support;
mod walking;
