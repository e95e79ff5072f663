//! What a plugin author does: every template and every command of the guide works as it is given.
//!
//! - Projects are made in the target directory and share one build with this repository's plugins, so
//!   that little is compiled here.
//! - Whoever has no compiler for WebAssembly is told so by `cargo holdfast`, and the test fails.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod conformance;
mod guide;
mod mistakes;
mod readmes;
mod templates;

use holdfast_tests::{Ended, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The directory that the programs under test were built into.
fn programs() -> PathBuf {
    program().parent().unwrap().to_path_buf()
}

/// Where all of this happens: a path that is the same in each run, so that builds are found again.
fn workshop() -> PathBuf {
    programs().parent().unwrap().join("authors")
}

/// Makes an empty directory.
fn workplace(name: &str) -> PathBuf {
    let place = workshop().join(name);
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    place
}

/// Prepares a command that finds `holdfast` and `cargo holdfast`, and no configuration of its user.
fn command(program: &str, place: &Path) -> Command {
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(place)
        .env("PATH", format!("{}:{path}", programs().display()))
        .env("CARGO_TARGET_DIR", programs().with_file_name("guests"))
        .env_remove("RUSTFLAGS")
        .env_remove("LD_LIBRARY_PATH");
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
        command.env(variable, place.join(variable));
    }
    command
}

/// Runs `cargo`.
fn cargo(place: &Path, arguments: &[&str]) -> Ended {
    let mut cargo = command("cargo", place);
    cargo.args(arguments).output().unwrap().into()
}

/// Makes a plugin from its template, with the versions that this repository's plugins build with: no
/// new release of a dependency changes what is tested.
fn new_plugin(place: &Path, kind: &str) -> PathBuf {
    let name = format!("my-{kind}");
    cargo(place, &["holdfast", "new", &name, "--kind", kind]).expect(0);
    let project = place.join(name);
    std::fs::copy(
        root().join("plugins/Cargo.lock"),
        project.join("Cargo.lock"),
    )
    .unwrap();
    project
}

/// Runs the suite of a plugin's kind.
fn suite(place: &Path, component: &Path, settings: &serde_json::Value, more: &[&str]) -> Ended {
    std::fs::write(place.join("settings.json"), settings.to_string()).unwrap();
    let mut arguments = vec!["holdfast", "test", component.to_str().unwrap()];
    arguments.extend(["--settings", "settings.json"]);
    cargo(place, &[&arguments, more].concat())
}

/// Demands that the suite found each case in which the plugin fails, and said so at its end.
#[track_caller]
fn finds(suite: Ended, cases: &[&str]) {
    let suite = suite.expect(1).says("failed");
    for case in cases {
        let failed = format!("FAILED  {case}");
        assert!(
            suite.stdout.contains(&failed),
            "`{failed}` is not in: {}",
            suite.stdout
        );
    }
}
