//! Plugins in the sandbox: sound ones, broken ones, hostile ones.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;
mod components;
mod contract;
mod encryptor;
mod golden;
mod hostile;
mod parsers;
mod speed;
mod truncation;
