//! Repositories in buckets of real services, through the program.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod bad_input;
mod cold;
mod copies;
mod locks;
mod places;
mod rights;
mod settings;
mod support;
