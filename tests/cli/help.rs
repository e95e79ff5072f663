//! The help of every command, kept as text so that it is reviewed as text.
//!
//! `HOLDFAST_HELP=write` writes the pages anew: read what git shows then.

use holdfast_tests::program;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest line of a page: a narrow terminal shows it unbroken.
const COLUMNS_MAX: usize = 100;

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/help")
}

/// Asks a command for its help.
fn help(words: &[String]) -> String {
    let mut command = Command::new(program());
    let output = command
        .args(words)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{words:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Gathers the pages of a command and of all commands below it.
fn gather(words: &[String], found: &mut BTreeMap<String, String>) {
    let page = help(words);
    let listed = page.lines().skip_while(|line| *line != "Commands:").skip(1);
    let below: Vec<String> = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    let name = [&["holdfast".to_owned()], words].concat().join("-");
    found.insert(format!("{name}.txt"), page);
    for word in below {
        gather(&[words, &[word]].concat(), found);
    }
}

#[test]
fn the_help_of_every_command_is_as_it_was_reviewed() {
    let mut found = BTreeMap::new();
    gather(&[], &mut found);
    assert!(found.len() > 20, "{:?}", found.keys());
    if std::env::var_os("HOLDFAST_HELP").is_some_and(|value| value == "write") {
        for (name, page) in &found {
            std::fs::write(pages().join(name), page).unwrap();
        }
    }
    for (name, page) in &found {
        let reviewed = std::fs::read_to_string(pages().join(name)).unwrap_or_default();
        assert_eq!(
            *page, reviewed,
            "{name}: HOLDFAST_HELP=write writes it anew"
        );
        for line in page.lines() {
            assert!(line.chars().count() <= COLUMNS_MAX, "{name}: {line}");
            assert_eq!(line, line.trim_end(), "{name}");
        }
    }
    let held = std::fs::read_dir(pages()).unwrap();
    let held = held.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let gone: Vec<String> = held.filter(|name| !found.contains_key(name)).collect();
    assert!(gone.is_empty(), "pages of no command: {gone:?}");
}

#[test]
fn the_exit_codes_of_the_help_are_those_of_the_guide() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator-guide.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let codes = |text: &str, from: &str, letter: fn(char) -> bool| -> Vec<u32> {
        let lines = text.lines().skip_while(|line| *line != from).skip(1);
        let lines = lines.take_while(|line| !line.starts_with("##"));
        let words = lines.filter_map(|line| {
            line.trim_matches(letter)
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        });
        words.collect()
    };
    let helped = codes(&help(&[]), "Exit codes:", |letter| letter == ' ');
    let guided = codes(&guide, "## Exit codes", |letter| {
        letter == '|' || letter == ' '
    });
    assert_eq!(helped, [0, 1, 2, 3, 4, 5, 10, 11, 12, 75, 130]);
    assert_eq!(helped, guided);
}
