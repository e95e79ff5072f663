//! Commands that really run: what they get, what they say, how they end.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod commands;
mod confined;
mod streams;
