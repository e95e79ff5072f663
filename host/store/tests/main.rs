//! The S3 store on real services.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod locks;
mod services;
