//! What an index of any size takes: bytes for each chunk, in memory and on disk, and bytes to open it.
//!
//! Whether it is fast, `tests/bench/scale.sh` tells, at a hundred million chunks.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use crate::support::synthetic;

use holdfast_base::id::ChunkId;
use std::process::Command;
use synthetic::{bytes, file_bytes, load, spread};

const CHUNKS: u64 = 600_000;

/// Returns the bytes that this process has read so far.
fn read_so_far() -> u64 {
    let told = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = told.lines().find(|line| line.starts_with("rchar")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Says whether nothing else runs in this process. If not, runs this test in one of its own: what the others read
/// would be counted too.
fn is_alone() -> bool {
    const ALONE: &str = "HOLDFAST_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let test = ["--exact", "scale::an_index_takes_little_for_each_chunk"];
    let mut again = Command::new(std::env::current_exe().unwrap());
    let ended = again.args(test).env(ALONE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && told.contains("1 passed"),
        "{told}"
    );
    false
}

#[test]
fn an_index_takes_little_for_each_chunk() {
    if !is_alone() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(load(cache.path(), CHUNKS).unwrap().rows(), CHUNKS);
    let (tables, on_disk) = file_bytes(cache.path());
    assert_eq!(tables, 1);
    assert!(on_disk / CHUNKS <= 44, "{on_disk} bytes");

    let before = read_so_far();
    let index = load(cache.path(), CHUNKS).unwrap();
    let read = read_so_far() - before;
    assert!(
        read < on_disk / 20,
        "{read} of {on_disk} bytes are read to open it"
    );
    // Of the 200 MiB for a hundred million, the program itself needs some.
    let resident = index.resident_bytes() as u64;
    assert!(
        resident * 100_000_000 / CHUNKS < 160 << 20,
        "{resident} bytes"
    );

    for n in (0..CHUNKS).step_by(7) {
        assert!(index.holds(&ChunkId(bytes(n))).unwrap(), "{n}");
        assert!(!index.holds(&ChunkId(bytes(spread(n) | 1 << 40))).unwrap());
    }
}
