//! Plugins that misbehave: the host stays, the job fails with a sentence, nothing is committed.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod ends;
mod narrowed;
mod verifier;

use holdfast_tests::{World, plugin};
use std::io::{BufRead as _, BufReader};
use std::process::Command;

fn world(how: &str) -> World {
    let job = format!("[job.h]\nsource = \"hostile\"\n[job.h.with]\nhow = {how:?}\n");
    World::ready(&job, &["hostile"])
}

#[track_caller]
fn fails(how: &str, code: i32, words: &str) {
    let world = world(how);
    let ended = world
        .run(&["run", "h"])
        .expect(code)
        .says(words)
        .says("nothing was committed");
    assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
    assert_eq!(world.snapshots(), 0);
    let report = world.as_operator(&["check", "--data"]).expect(0);
    assert!(report.stdout.contains("no damage found"));
}

#[test]
fn a_guest_that_hoards_memory_is_stopped() {
    fails("memory", 1, "it wanted more memory than it may have");
}

#[test]
fn a_guest_that_calls_itself_for_ever_is_stopped() {
    // Its own stack lies in its memory, and is usually the first to end.
    fails(
        "recurse",
        1,
        "plugin `hostile` broke: it reached outside of its memory",
    );
}

#[test]
fn a_guest_that_panics_half_way_commits_nothing() {
    fails("panic", 1, "it panicked");
}

#[test]
fn a_guest_that_leaves_an_entry_unfinished_is_not_believed() {
    fails(
        "unfinished",
        1,
        "reported success, but entry `half` was started and never finished",
    );
}

#[test]
fn a_guest_that_gives_nothing_is_not_believed() {
    fails(
        "nothing",
        1,
        "reported success, but it put nothing into the snapshot",
    );
}

#[test]
fn a_guest_that_floods_is_stopped() {
    fails("flood-warnings", 1, "warnings were given");
    fails("handles", 1, "handles are open at once");
    fails("random", 1, "random bytes were asked for at once");
}

#[test]
fn names_that_would_leave_the_target_are_refused() {
    fails("traverse", 1, "has a component that is empty, `.` or `..`");
    fails("absolute", 1, "is absolute");
    fails("nul", 1, "has a NUL byte");
    fails("twice", 1, "is in the snapshot already");
}

#[test]
fn what_was_not_granted_cannot_be_reached() {
    fails(
        "open-tree",
        12,
        "asked to read directory `/etc`, which neither its manifest nor the job's settings name",
    );
    fails(
        "spawn",
        12,
        "asked to run `cat /etc/shadow`, which neither its manifest nor the job's settings name",
    );
    fails(
        "secret",
        12,
        "asked to use secret `password`, which neither its manifest nor the job's settings name",
    );
    fails("state", 12, "asked to keep values between runs");
    fails("connect", 1, "is not available in this version");
}

#[test]
fn words_of_a_guest_cannot_move_the_cursor_or_forge_lines() {
    let world = world("flood-log");
    let ended = world.run(&["run", "h"]).expect(0);
    assert!(!ended.stderr.contains('\x1b'));
    assert!(
        ended
            .stderr
            .lines()
            .all(|line| !line.starts_with("error: forged"))
    );
    // It is heard, and not without end.
    assert!((1_000..11_000).contains(&ended.stderr.lines().count()));
    ended.says("plugin `hostile` said too much: 190000 lines were left out");
    fails("large-read", 1, "forged error: all is well");
}

#[test]
fn a_guest_that_loops_ends_with_the_job() {
    let world = world("loop");
    let mut child = world.start(&["run", "h"]);
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines();
    assert!(lines.any(|line| line.unwrap().contains("it begins")));
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupt.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_file_that_changed_since_install_is_not_run() {
    let world = world("nothing");
    let installed = world
        .files("data")
        .into_iter()
        .find(|file| std::fs::read(file).unwrap() == std::fs::read(plugin("hostile")).unwrap());
    let installed = installed.unwrap();
    let mut bytes = std::fs::read(&installed).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(&installed, bytes).unwrap();
    world
        .run(&["run", "h"])
        .expect(12)
        .says("plugin `hostile` changed since it was installed");
}

#[test]
fn what_is_no_plugin_is_refused_with_a_sentence() {
    let world = World::new();
    let good = std::fs::read(plugin("files")).unwrap();
    let text = String::from_utf8_lossy(&good).into_owned();
    let old = good.clone();
    let at = text
        .find("holdfast:plugin/")
        .map(|_| find(&good, b"@0.1.0"));
    for (name, bytes, words) in [
        ("text", b"hello".to_vec(), "the file is no WebAssembly"),
        ("empty", vec![], "the file is no WebAssembly"),
        (
            "module",
            b"\0asm\x01\0\0\0".to_vec(),
            "is a WebAssembly module and no component",
        ),
        (
            "cut",
            good[..good.len() / 2].to_vec(),
            "the file is not a valid component",
        ),
        (
            "version",
            replaced(old, b"@0.1.0", b"@0.9.0"),
            "was built for contract 0.9.0, and this host offers 0.1.0",
        ),
        (
            "bare",
            without_manifest(&good),
            "the component has no manifest",
        ),
    ] {
        world.write(name, bytes);
        let path = world.at(name);
        world
            .run(&["plugin", "install", path.to_str().unwrap(), "--yes"])
            .expect(2)
            .says(words);
    }
    assert!(at.flatten().is_some());
    world
        .run(&["plugin", "install", "/no/such/file", "--yes"])
        .expect(2)
        .says("cannot read `/no/such/file`");
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    while let Some(at) = find(&bytes, from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// Renames the section: a component without the right one has no manifest.
fn without_manifest(bytes: &[u8]) -> Vec<u8> {
    replaced(bytes.to_vec(), b"holdfast:manifest", b"holdfast:manifes_")
}
