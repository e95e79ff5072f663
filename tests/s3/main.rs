//! Repositories in buckets of real services, through the program.

mod bad_input;
mod places;
mod rights;
mod support;
