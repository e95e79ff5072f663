//! The collection protocol, tried in every history; and without any one of its steps.

mod breaks;
mod holds;
