//! The repository on a store that keeps its contract and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is a failed test"
)]

mod collection;
mod copying;
mod crashes;
mod faults;
mod forget;
mod holds;
mod interleaved;
mod left_out;
mod locks;
mod lying_store;
mod operators;
mod planted;
mod repair;
mod repair_crashes;
mod round_trip;
mod scale;
mod support;
