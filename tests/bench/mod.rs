//! The benchmark at a thousandth of its size: it measures nothing, and shows that it would.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_tests::{plugin, program};
use std::path::Path;
use std::process::Command;

fn python(script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("bench")
        .join(script);
    let output = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(&script)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", script.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_benchmark_runs_from_data_to_report() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let age = plugin("age");
    let plugins = age.parent().unwrap().to_str().unwrap();
    python("data.py", &[&at("data"), "0.001"]);
    let holdfast = program();
    let program = [
        "--holdfast",
        holdfast.to_str().unwrap(),
        "--plugins",
        plugins,
    ];
    let mut compare = program.to_vec();
    let (data, work, table) = (at("data"), at("work"), at("results.tsv"));
    compare.extend(["--data", &data, "--work", &work, "--out", &table, "--tools"]);
    python("compare.py", &compare);
    let mut own = program.to_vec();
    let (own_work, own_table) = (at("own"), at("own.tsv"));
    own.extend([
        "--data", &data, "--work", &own_work, "--out", &own_table, "--scale", "0.0001",
    ]);
    python("own.py", &own);
    let report = python("report.py", &[&table, &own_table]);
    for expected in ["### text", "### mixed", "| `list` with 100 snapshots |"] {
        assert!(report.contains(expected), "{expected} is not in {report}");
    }
}

#[test]
fn what_grows_is_measured_from_files_to_snapshots() {
    let place = tempfile::tempdir().unwrap();
    let work = place.path().join("work").to_str().unwrap().to_owned();
    let age = plugin("age");
    let plugins = age.parent().unwrap().to_str().unwrap();
    let holdfast = program();
    let snapshots = holdfast.with_file_name("examples").join("snapshots");
    let tables = python(
        "growth.py",
        &[
            "--holdfast",
            holdfast.to_str().unwrap(),
            "--snapshots",
            snapshots.to_str().unwrap(),
            "--plugins",
            plugins,
            "--work",
            &work,
            "--scale",
            "0.0001",
        ],
    );
    for expected in [
        "| 200 |",
        "| 100, names of 200 bytes |",
        "| snapshots | first list | list |",
    ] {
        assert!(tables.contains(expected), "{expected} is not in {tables}");
    }
}

#[test]
fn buckets_are_measured_beside_restic() {
    let place = tempfile::tempdir().unwrap();
    let work = place.path().join("work").to_str().unwrap().to_owned();
    let age = plugin("age");
    let plugins = age.parent().unwrap().to_str().unwrap();
    let holdfast = program();
    let table = python(
        "s3.py",
        &[
            "--holdfast",
            holdfast.to_str().unwrap(),
            "--plugins",
            plugins,
            "--work",
            &work,
            "--service",
            "moto",
            "--rounds",
            "1",
            "--mebibytes",
            "8",
        ],
    );
    assert!(table.contains("| restore | holdfast |"), "{table}");
}
