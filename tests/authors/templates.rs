//! `cargo holdfast new` gives a project that builds, passes its tests and passes the suite of its
//! kind; and the suite finds what a small mistake in it breaks.

use crate::{cargo, finds, new_plugin, suite, workplace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Builds a project and returns the component.
fn built(project: &Path) -> PathBuf {
    cargo(project, &["holdfast", "build", "--release"]).expect(0);
    let name = project.file_name().unwrap().to_str().unwrap();
    project.join("components").join(name).with_extension("wasm")
}

/// Does with a template what its author would do, and returns the project.
fn passes(kind: &str, settings: &Value, more: &[&str]) -> PathBuf {
    let project = new_plugin(&workplace(kind), kind);
    cargo(&project, &["fmt", "--check"]).expect(0);
    let tested = cargo(&project, &["test", "--quiet", "--lib"]).expect(0);
    assert!(
        !tested.stdout.contains("running 0 tests"),
        "{}",
        tested.stdout
    );
    let component = built(&project);
    let path = component.to_str().unwrap();
    let checked = cargo(&project, &["holdfast", "check", path]).expect(0);
    let is_of_kind = checked.stdout.contains(&format!("is a {kind}\n"));
    assert!(is_of_kind, "{}", checked.stdout);
    assert!(!checked.stdout.contains("warning"), "{}", checked.stdout);
    let suite = suite(&project, &component, settings, more).expect(0);
    let all = format!("`my-{kind}` passed all");
    assert!(suite.stdout.contains(&all), "{}", suite.stdout);
    project
}

/// Makes a mistake in a project, and demands that the suite finds it.
fn mistaken(project: &Path, right: &str, wrong: &str, settings: &Value, case: &str) {
    let file = project.join("src/lib.rs");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches(right).count(), 1, "`{right}` in {text}");
    std::fs::write(&file, text.replace(right, wrong)).unwrap();
    finds(suite(project, &built(project), settings, &[]), case);
}

#[test]
fn a_source_passes_until_it_overlooks_a_failed_commit() {
    let settings = json!({ "greeting": "hello" });
    let project = passes("source", &settings, &["--restore"]);
    let right = "entry.commit()?;";
    let case = "fails when the snapshot does, at each step";
    mistaken(&project, right, "let _ = entry.commit();", &settings, case);
}

#[test]
fn an_encryptor_passes_until_it_forgets_where_a_range_ends() {
    let project = passes("encryptor", &json!({}), &[]);
    let case = "opens any range alone, and none past the end";
    let right = "take: Some(length),";
    mistaken(&project, right, "take: None,", &json!({}), case);
}

#[test]
fn a_verifier_passes_until_it_panics() {
    let settings = json!({ "require": [] });
    let project = passes("verifier", &settings, &[]);
    let right = "String::from_utf8_lossy(&entry?.path).into_owned()";
    let wrong = "String::from_utf8(entry?.path).unwrap()";
    mistaken(
        &project,
        right,
        wrong,
        &settings,
        "judges entries with any name",
    );
}

#[test]
fn a_notifier_passes_until_it_panics() {
    let project = passes("notifier", &json!({}), &[]);
    let right = "log::info(&self.line(&event.title));";
    let wrong = "log::info(&self.line(&event.title[..1]));";
    let case = "takes events that are empty, long or strange";
    mistaken(&project, right, wrong, &json!({}), case);
}
