//! The plugins of this repository pass the suite that `cargo holdfast test` holds for their kind, and
//! one that misbehaves does not.

use super::{finds, suite, workplace};
use holdfast_tests::plugin;
use serde_json::{Value, json};
use std::path::Path;

fn passes(place: &Path, name: &str, settings: &Value, more: &[&str]) {
    let suite = suite(place, &plugin(name), settings, more).expect(0);
    let all = format!("`{name}` passed all");
    assert!(suite.stdout.contains(&all), "{}", suite.stdout);
}

#[test]
fn files_passes() {
    let place = workplace("suite-files");
    let tree = place.join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), "content\n").unwrap();
    passes(&place, "files", &json!({ "paths": [tree] }), &["--restore"]);
    assert_eq!(std::fs::read(tree.join("file")).unwrap(), b"content\n");
}

#[test]
fn command_passes() {
    let settings = json!({ "command": ["/bin/echo", "rows"], "restore-command": ["/bin/cat"] });
    passes(
        &workplace("suite-command"),
        "command",
        &settings,
        &["--restore"],
    );
}

#[test]
fn age_passes() {
    passes(&workplace("suite-age"), "age", &json!({}), &[]);
}

#[test]
fn archive_check_passes() {
    let place = workplace("suite-archive-check");
    let dump = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(a);\nCOMMIT;\n";
    std::fs::create_dir(place.join("sound")).unwrap();
    std::fs::write(place.join("sound/a.sql"), dump).unwrap();
    passes(&place, "archive-check", &json!({}), &["--sample", "sound"]);
    std::fs::create_dir(place.join("cut")).unwrap();
    std::fs::write(place.join("cut/a.sql"), &dump[..60]).unwrap();
    let cut = suite(
        &place,
        &plugin("archive-check"),
        &json!({}),
        &["--sample", "cut"],
    );
    finds(cut, &["finds samples sound"]);
}

/// Which case finds each way to misbehave.
#[test]
fn what_misbehaves_is_found() {
    let place = workplace("suite-hostile");
    let backs_up = "backs up:";
    for (how, case) in [
        ("panic", backs_up),
        ("loop", backs_up),
        ("memory", backs_up),
        ("recurse", backs_up),
        ("unfinished", backs_up),
        ("nothing", backs_up),
        ("twice", backs_up),
        ("traverse", backs_up),
        ("flood-warnings", backs_up),
        ("handles", backs_up),
        ("open-tree", backs_up),
        ("go-on", "fails when the snapshot does, at each step:"),
    ] {
        let settings = json!({ "how": how });
        // What loops is found out sooner; the others have all the time that they need.
        let seconds = if how == "loop" { "1" } else { "60" };
        let suite = suite(
            &place,
            &plugin("hostile"),
            &settings,
            &["--call-seconds", seconds],
        );
        finds(suite, &[case]);
    }
}
