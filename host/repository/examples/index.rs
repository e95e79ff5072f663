//! Measures the index at any size, with chunks that nobody stored.
//!
//! ```sh
//! index build DIRECTORY CHUNKS    # reads synthetic segments into the cache in DIRECTORY
//! index append DIRECTORY CHUNKS   # adds one small segment, and a few more
//! index look DIRECTORY CHUNKS     # opens it and looks chunks up
//! ```
//!
//! Writes lines of: what, value, unit. `tests/bench/scale.sh` runs it at a hundred million.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that is read by people"
)]

#[path = "../tests/support/synthetic.rs"]
mod synthetic;

use holdfast_base::id::ChunkId;
use std::path::Path;
use std::time::Instant;
use synthetic::{SEGMENT, bytes, file_bytes, load, spread};

const LOOKS: u64 = 2_000_000;

fn say(what: &str, value: f64, unit: &str) {
    println!("{what}\t{value:.4}\t{unit}");
}

fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<f64>().unwrap() / 1024.0
}

/// Seconds that this process has computed, which other processes do not lengthen.
fn computed() -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    told.split_whitespace()
        .next()
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1e9
}

fn written() -> f64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find(|line| line.starts_with("wchar")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1e6
}

fn build(directory: &Path, chunks: u64) {
    let start = Instant::now();
    let index = load(directory, chunks).unwrap();
    say("read all segments", start.elapsed().as_secs_f64(), "s");
    say("memory of that, largest", memory("VmHWM"), "MiB");
    say("written", written(), "MB");
    let (files, bytes) = file_bytes(directory);
    say("tables", files as f64, "");
    say("bytes of a chunk", bytes as f64 / index.rows() as f64, "B");
}

fn append(directory: &Path, chunks: u64) {
    let start = Instant::now();
    drop(load(directory, chunks + 1000).unwrap());
    say(
        "open with one more segment",
        start.elapsed().as_secs_f64(),
        "s",
    );
    let before = written();
    let start = Instant::now();
    for more in 1..=10 {
        drop(load(directory, chunks + more * SEGMENT).unwrap());
    }
    let each = start.elapsed().as_secs_f64() / 10.0;
    say("open with 150,000 more chunks each time", each, "s");
    say("written each time", (written() - before) / 10.0, "MB");
    say("memory, largest", memory("VmHWM"), "MiB");
    say("tables", file_bytes(directory).0 as f64, "");
}

fn look(directory: &Path, chunks: u64) {
    let start = Instant::now();
    let index = load(directory, chunks).unwrap();
    say("open", start.elapsed().as_secs_f64(), "s");
    say("open, CPU", computed(), "s");
    say("resident", memory("VmRSS"), "MiB");
    say("resident, anonymous", memory("RssAnon"), "MiB");
    say(
        "of that the index",
        index.resident_bytes() as f64 / f64::from(1 << 20),
        "MiB",
    );
    let rate = |what: &str, ids: &dyn Fn(u64) -> u64, expected: bool| {
        let ids: Vec<ChunkId> = (0..LOOKS).map(|n| ChunkId(bytes(ids(n)))).collect();
        for (how, found) in [("held", true), ("found", false)] {
            let (start, before) = (Instant::now(), computed());
            let right = ids
                .iter()
                .filter(|id| match found {
                    true => index.holds(id).unwrap() == expected,
                    false => index.find(id).unwrap().is_some() == expected,
                })
                .count() as u64;
            assert_eq!(right, LOOKS);
            let rate = LOOKS as f64 / start.elapsed().as_secs_f64() / 1e6;
            say(&format!("{what}, {how}"), rate, "million/s");
            let rate = LOOKS as f64 / (computed() - before) / 1e6;
            say(&format!("{what}, {how}, in CPU time"), rate, "million/s");
        }
    };
    rate("absent chunks", &|n| 1 << 40 | n, false);
    rate(
        "present chunks at random, first time",
        &|n| spread(n) % chunks,
        true,
    );
    rate("present chunks at random", &|n| spread(n) % chunks, true);
    let first = chunks / 3;
    rate(
        "present chunks as a backup met them",
        &|n| (first + n) % chunks,
        true,
    );
    let mixed = |n: u64| {
        if n.is_multiple_of(2) {
            1 << 40 | n
        } else {
            spread(n) % chunks
        }
    };
    let ids: Vec<ChunkId> = (0..LOOKS).map(|n| ChunkId(bytes(mixed(n)))).collect();
    let before = computed();
    let held = ids.iter().filter(|id| index.holds(id).unwrap()).count() as u64;
    assert_eq!(held, LOOKS / 2);
    let rate = LOOKS as f64 / (computed() - before) / 1e6;
    say("half of them present, in CPU time", rate, "million/s");
    say("resident after that", memory("VmRSS"), "MiB");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, directory, chunks] = &arguments[..] else {
        panic!("index build|append|look DIRECTORY CHUNKS");
    };
    let (directory, chunks) = (Path::new(directory), chunks.parse().unwrap());
    match what.as_str() {
        "build" => build(directory, chunks),
        "append" => append(directory, chunks),
        _ => look(directory, chunks),
    }
}
