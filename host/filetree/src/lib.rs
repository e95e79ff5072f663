//! Reads and writes directory trees faithfully.
