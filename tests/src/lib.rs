//! End-to-end tests of holdfast.
