//! `cargo holdfast new` gives a project that builds, passes its tests and passes the suite of its
//! kind; and the suite finds what a small mistake in it breaks.

use super::{cargo, finds, new_plugin, suite, workplace};
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

/// Makes mistakes in a project, and demands that the suite finds each of them.
fn mistaken(
    project: &Path,
    mistakes: &[(&str, &str)],
    settings: &Value,
    cases: &[&str],
    more: &[&str],
) {
    let file = project.join("src/lib.rs");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (right, wrong) in mistakes {
        assert_eq!(text.matches(right).count(), 1, "`{right}` in {text}");
        text = text.replace(right, wrong);
    }
    std::fs::write(&file, text).unwrap();
    let suite = suite(project, &built(project), settings, more);
    finds(suite, cases);
}

#[test]
fn a_source_passes_until_it_overlooks_a_failed_commit() {
    let settings = json!({ "greeting": "hello" });
    let project = passes("source", &settings, &["--restore"]);
    let mistakes = [("entry.commit()?;", "let _ = entry.commit();")];
    let cases = ["fails when the snapshot does, at each step"];
    mistaken(&project, &mistakes, &settings, &cases, &[]);
}

#[test]
fn an_encryptor_passes_until_it_forgets_a_salt_and_where_a_range_ends() {
    let project = passes("encryptor", &json!({}), &[]);
    let salt = "let salt = host::random::bytes(SALT_BYTES as u32);";
    let mistakes = [
        (salt, "let salt = [0; SALT_BYTES];"),
        ("take: Some(length),", "take: None,"),
    ];
    let cases = [
        "seals the same bytes differently each time",
        "opens any range alone, and none past the end",
    ];
    mistaken(&project, &mistakes, &json!({}), &cases, &[]);
}

#[test]
fn a_verifier_passes_until_it_panics_and_hides_what_it_cannot_read() {
    let settings = json!({ "require": [] });
    let project = passes("verifier", &settings, &[]);
    std::fs::create_dir(project.join("samples")).unwrap();
    std::fs::write(project.join("samples/a.sql"), "COMMIT;\n").unwrap();
    let mistakes = [(
        "present.push(String::from_utf8_lossy(&entry?.path).into_owned());",
        "let entry = entry?;
         let reader = snapshot.open(&entry.path)?;
         let mut all = Vec::new();
         while let Ok(Some(piece)) = reader.read(65_536) { all.extend(piece); }
         present.push(String::from_utf8(entry.path).unwrap());",
    )];
    let cases = [
        "judges entries with any name",
        "tells of each entry that breaks while it reads it",
        "judges an entry of 256 MiB",
        "tells of each sample that was cut in half",
    ];
    mistaken(
        &project,
        &mistakes,
        &settings,
        &cases,
        &["--sample", "samples"],
    );
}

#[test]
fn a_notifier_passes_until_it_panics() {
    let project = passes("notifier", &json!({}), &[]);
    let line = "log::info(&self.line(&event.title));";
    let mistakes = [(line, "log::info(&self.line(&event.title[..1]));")];
    let cases = ["takes events that are empty, long or strange"];
    mistaken(&project, &mistakes, &json!({}), &cases, &[]);
}
