//! What the documents say of the code is so: files, tests, exit codes, and every item of the contract.

use crate::checkout::Checkout;

#[test]
fn every_interface_of_the_contract_is_documented() {
    const ITEMS: [&str; 7] = [
        "interface ",
        "world ",
        "record ",
        "variant ",
        "enum ",
        "resource ",
        "type ",
    ];
    let checkout = Checkout::of_this_test();
    for path in checkout.list_files("wit", ".wit") {
        let text = checkout.read_text(&path);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let is_function = line.contains(": func(") || line.contains(": static func(");
            if !is_function && !ITEMS.iter().any(|word| line.starts_with(word)) {
                continue;
            }
            let before = lines[..at].iter().rev().find(|line| !line.is_empty());
            assert!(
                before.is_some_and(|line| line.starts_with("///")),
                "{path}: `{line}`"
            );
        }
    }
}

#[test]
fn every_exit_code_is_in_the_operator_guide() {
    let guide = Checkout::of_this_test().read_text("docs/operator-guide.md");
    for code in [0, 1, 2, 3, 4, 5, 10, 11, 12, 75, 130] {
        assert!(guide.contains(&format!("| {code} |")), "exit code {code}");
    }
}

#[test]
fn tests_that_documents_name_exist() {
    let checkout = Checkout::of_this_test();
    let code: String = checkout
        .all_sources()
        .iter()
        .map(|file| checkout.read_text(&file.path))
        .collect();
    for document in [
        "docs/threat-model.md",
        "tests/README.md",
        "tests/hostile/README.md",
    ] {
        let text = checkout.read_text(document);
        let named: Vec<&str> = words_in_backticks(&text)
            .filter(|word| word.matches('_').count() > 2)
            .collect();
        assert!(named.len() > 10, "{document}: {named:?}");
        for name in named {
            assert!(code.contains(&format!("fn {name}()")), "{document}: {name}");
        }
    }
}

#[test]
fn files_that_documents_name_exist() {
    let checkout = Checkout::of_this_test();
    let mut lost = Vec::new();
    for (document, folder) in [("CONTRIBUTING.md", ""), ("host/README.md", "host/")] {
        let text = checkout.read_text(document);
        let named: Vec<&str> = words_in_backticks(&text)
            .filter(|word| is_path(word))
            .collect();
        assert!(named.len() > 10, "{document}: {named:?}");
        let is_there =
            |path: &str| checkout.contains(&format!("{folder}{path}")) || checkout.contains(path);
        lost.extend(
            named
                .into_iter()
                .filter(|path| !is_there(path))
                .map(|path| format!("{document}: `{path}`")),
        );
    }
    assert!(
        lost.is_empty(),
        "documents name files that are not there:\n{}",
        lost.join("\n")
    );
}

#[test]
fn contributing_leads_through_everything_in_five_steps() {
    let text = Checkout::of_this_test().read_text("CONTRIBUTING.md");
    for thing in [
        "A plugin",
        "A capability",
        "A command",
        "A store",
        "An object kind",
    ] {
        let part = text
            .split(&format!("\n## {thing}\n"))
            .nth(1)
            .unwrap_or_default();
        let part = part.split("\n## ").next().unwrap_or_default();
        let numbers: Vec<&str> = part
            .lines()
            .filter_map(|line| line.split_once(". "))
            .map(|(number, _)| number)
            .collect();
        let numbers: Vec<&str> = numbers
            .into_iter()
            .filter(|number| number.parse::<u8>().is_ok())
            .collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5"], "{thing}");
    }
}

/// Returns what stands between backticks; blocks of code are left out.
fn words_in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```")
        .step_by(2)
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// Returns whether words in backticks are the path of a file or folder of the repository. One with a part in capitals,
/// such as `plugins/KIND/NAME`, stands for many.
fn is_path(word: &str) -> bool {
    let is_plain = !word.contains([' ', '*', '<', ':', '(']) && !word.starts_with('/');
    let is_pattern = word
        .split('/')
        .any(|part| part.len() > 1 && part.chars().all(|letter| letter.is_ascii_uppercase()));
    is_plain
        && !is_pattern
        && (word.contains('/')
            || word.ends_with(".rs")
            || word.ends_with(".md")
            || word.ends_with(".toml"))
}

#[test]
fn paths_are_told_from_other_words() {
    for path in [
        "host/store/src/lib.rs",
        "wit/",
        "README.md",
        "plugins/Cargo.toml",
    ] {
        assert!(is_path(path), "{path}");
    }
    for word in [
        "open",
        "cargo test -p x",
        "plugins/KIND/NAME",
        "s3://bucket/prefix",
        "crate::format",
    ] {
        assert!(!is_path(word), "{word}");
    }
}
