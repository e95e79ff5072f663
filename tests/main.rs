//! The program as its operators, scripts and plugin authors meet it: one module for each suite.
//!
//! They are one program, so that all of this is linked once. `run.sh` runs them one after another, each in a process of
//! its own; one alone: `cargo test -p holdfast-tests --test program -- promises::`.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod authors;
mod bench;
mod cli;
mod damage;
mod faults;
mod hostile;
mod promises;
mod s3;
mod thrash;
mod trees;
