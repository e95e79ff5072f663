//! The README of each plugin says what its component says: settings, what it asks for; and the job that
//! it shows is one.

use super::root;
use holdfast_tests::{World, plugin};
use serde_json::Value;
use std::path::PathBuf;

/// Returns the plugins' directories: one below the folder of each kind.
fn plugins() -> Vec<(String, String, PathBuf)> {
    let mut found = Vec::new();
    for kind in ["source", "encryptor", "verifier", "notifier"] {
        let Ok(folder) = std::fs::read_dir(root().join("plugins").join(kind)) else {
            continue;
        };
        for place in folder.map(|entry| entry.unwrap().path()) {
            let name = place.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((kind.to_owned(), name, place));
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    found
}

fn readme(place: &std::path::Path) -> String {
    let path = place.join("README.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns what stands below a heading.
fn section<'a>(readme: &'a str, heading: &str) -> &'a str {
    let (_, rest) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// Makes of a setting the row that a README has for it.
fn row(setting: &Value) -> String {
    let text = |key: &str| setting[key].as_str().unwrap();
    let default = match (&setting["required"], &setting["default"]) {
        (Value::Bool(true), _) => "required".to_owned(),
        (_, Value::Null) => "optional".to_owned(),
        (_, default) => format!("`{default}`"),
    };
    let (name, kind, help) = (text("name"), text("type"), text("help"));
    format!("| `{name}` | {kind} | {default} | {help} |")
}

/// A world in which every plugin of this repository is installed.
fn world() -> World {
    let world = World::new();
    for (_, name, _) in plugins() {
        let file = plugin(&name);
        world
            .run(&["plugin", "install", file.to_str().unwrap(), "--yes"])
            .expect(0);
    }
    world
}

#[test]
fn every_setting_and_capability_stands_in_the_readme_as_in_the_component() {
    let world = world();
    for (_, name, place) in plugins() {
        let readme = readme(&place);
        let shown = world.run(&["plugin", "show", &name, "--json"]).expect(0);
        let manifest: Value = serde_json::from_str(&shown.stdout).unwrap();
        let settings = manifest["settings"].as_array().unwrap();
        let expected: Vec<String> = settings.iter().map(row).collect();
        let rows = section(&readme, "Settings").lines();
        let rows: Vec<&str> = rows.filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows, expected, "settings in the README of {name}");
        let shown = world.run(&["plugin", "show", &name]).expect(0).stdout;
        let asks = shown.split("\n  asks to:\n").nth(1).unwrap_or_default();
        let expected: Vec<String> = asks
            .lines()
            .map(|ask| format!("- {}", ask.trim()))
            .collect();
        let asks = section(&readme, "What it asks for").lines();
        let asks: Vec<&str> = asks.filter(|line| line.starts_with("- ")).collect();
        assert_eq!(asks, expected, "what {name} asks for, in its README");
    }
}

#[test]
fn the_job_that_a_readme_shows_is_one() {
    let world = world();
    for (_, name, place) in plugins() {
        let readme = readme(&place);
        let (_, rest) = readme.split_once("\n```toml\n").unwrap();
        let (example, _) = rest.split_once("\n```\n").unwrap();
        let store = "[store.local]\nurl = \"file:///var/backups/holdfast\"\n";
        let store = if example.contains("[store.") {
            ""
        } else {
            store
        };
        std::fs::write(world.at("holdfast.toml"), format!("{store}{example}\n")).unwrap();
        let checked = world.run(&["config", "check"]);
        assert_eq!(checked.code, Some(0), "{name}: {}", checked.stderr);
    }
}

#[test]
fn every_plugin_stands_in_the_tables() {
    let table = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let (plugins_readme, main) = (table("plugins/README.md"), table("README.md"));
    for (kind, name, _) in plugins() {
        let row = format!("| [{name}]({kind}/{name}/README.md) | {kind} | ");
        assert!(
            plugins_readme.contains(&row),
            "`{row}` is not in plugins/README.md"
        );
        let row = format!("| [{name}](plugins/{kind}/{name}/README.md) | {kind} | ");
        assert!(main.contains(&row), "`{row}` is not in README.md");
    }
}
