//! What keeps the code as it should be read: arrows between crates, sizes, documents.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::path::{Path, PathBuf};

/// Which crates of ours a crate may depend on.
const ARROWS: [(&str, &[&str]); 11] = [
    ("host/base", &[]),
    ("host/direct", &[]),
    ("host/filetree", &["holdfast-base", "holdfast-direct"]),
    ("host/process", &["holdfast-base"]),
    ("host/store", &["holdfast-base", "holdfast-direct"]),
    ("host/repository", &["holdfast-base", "holdfast-store"]),
    (
        "host/sandbox",
        &["holdfast-base", "holdfast-filetree", "holdfast-process"],
    ),
    (
        "host/jobs",
        &[
            "holdfast-base",
            "holdfast-filetree",
            "holdfast-repository",
            "holdfast-sandbox",
            "holdfast-store",
        ],
    ),
    (
        "host/cli",
        &[
            "holdfast-base",
            "holdfast-jobs",
            "holdfast-repository",
            "holdfast-sandbox",
        ],
    ),
    ("sdk/holdfast-sdk", &[]),
    ("tests/model", &[]),
];

/// Longest file, without its tests.
const FILE_LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(below: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root().join(below)];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                left.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found
}

fn sources() -> Vec<PathBuf> {
    ["host", "sdk", "plugins", "tests"]
        .into_iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

#[test]
fn arrows_between_crates_point_one_way() {
    for (folder, allowed) in ARROWS {
        let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let section = text.split("[dependencies]").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        for line in section.lines().filter(|line| line.starts_with("holdfast-")) {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            assert!(
                allowed.contains(&name),
                "{folder} must not depend on {name}"
            );
        }
    }
}

#[test]
fn only_one_file_knows_both_the_sandbox_and_the_repository_by_their_traits() {
    let joins = files("host/jobs/src", ".rs").into_iter().filter(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.contains("for SessionDraft")
            || text.contains("for PluginSealer")
            || text.contains("for SnapshotContent")
    });
    let joins: Vec<_> = joins
        .map(|file| file.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(joins, ["wire.rs"]);
}

#[test]
fn files_are_short_and_say_at_their_head_what_they_guarantee() {
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} has no head", file.display());
        let code = text.split("\n#[cfg(test)]").next().unwrap();
        let lines = code.lines().count();
        assert!(
            lines <= FILE_LINES_MAX,
            "{} has {lines} lines",
            file.display()
        );
    }
}

#[test]
fn nothing_is_left_for_later_without_being_said() {
    let words = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "todo".to_owned() + "!(",
        "unimplemented".to_owned() + "!(",
    ];
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in &words {
            assert!(
                !text.contains(word.as_str()),
                "{} holds {word}",
                file.display()
            );
        }
    }
}

#[test]
fn every_interface_of_the_contract_is_documented() {
    for file in files("wit", ".wit") {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let is_item = [
                "interface ",
                "world ",
                "record ",
                "variant ",
                "enum ",
                "resource ",
                "type ",
            ]
            .iter()
            .any(|word| line.starts_with(word))
                || line.contains(": func(")
                || line.contains(": static func(");
            if is_item {
                let before = lines[..at].iter().rev().find(|line| !line.is_empty());
                assert!(
                    before.is_some_and(|line| line.starts_with("///")),
                    "{}: `{line}`",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn every_exit_code_is_in_the_operator_guide() {
    let guide = std::fs::read_to_string(root().join("docs/operator-guide.md")).unwrap();
    for code in [0, 1, 2, 3, 4, 5, 10, 11, 12, 75, 130] {
        assert!(guide.contains(&format!("| {code} |")), "exit code {code}");
    }
}

#[test]
fn tests_that_documents_name_exist() {
    all_named_tests_exist("docs/threat-model.md");
    all_named_tests_exist("tests/README.md");
    all_named_tests_exist("tests/hostile/README.md");
}

fn all_named_tests_exist(document: &str) {
    let model = std::fs::read_to_string(root().join(document)).unwrap();
    let named: Vec<&str> = model
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.matches('_').count() > 2)
        .collect();
    assert!(named.len() > 10, "{named:?}");
    let code: String = sources()
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    for name in named {
        assert!(code.contains(&format!("fn {name}()")), "{name}");
    }
}
